"""Pages and sheets of a dataset's images: what is looked at, rather than computed."""

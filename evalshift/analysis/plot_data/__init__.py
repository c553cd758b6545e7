"""What figures show, in print and on the page: sizes, orders, and which models and classes."""

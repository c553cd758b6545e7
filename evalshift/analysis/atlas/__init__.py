"""All published testbeds together: what is known of a model, and of a pair of sets."""

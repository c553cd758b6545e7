"""All published testbeds together: results of a model, and of a pair of test sets."""

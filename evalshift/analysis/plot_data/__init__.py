"""What figures show, whoever draws it: sizes, orders, and which models and classes."""

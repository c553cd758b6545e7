"""What is evaluated: datasets, models and the registry that names them. Knows nothing of evaluate."""

"""Is a number wrong? Measured and published accuracies, predictions that look wrong, models far off the line."""

"""Is a number wrong? Accuracies beside the published ones, predictions that look wrong, models far off the line."""

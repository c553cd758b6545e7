"""Plausibility checks: published accuracies, implausible predictions, models far from the line."""

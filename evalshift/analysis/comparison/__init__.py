"""Chosen models against each other on a pair of test sets: which is more accurate, and which is more robust."""

"""Comparison of chosen models on a pair of test sets: which is more accurate, and which is more robust."""

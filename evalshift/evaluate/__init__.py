"""What was predicted: plans, inference and the store. Knows nothing of analysis."""

"""Pre-training: the model with its heads, objectives besides words, and the losses."""

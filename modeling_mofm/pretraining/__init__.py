"""Pre-training: the model with its heads, what it is asked besides words, and the losses of words."""

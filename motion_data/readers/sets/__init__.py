"""Action data sets as they are shared."""

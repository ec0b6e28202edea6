"""Data of people's own: JSON, pickles and data sets whose fields have any of many names."""

"""Anomaly detection (DT3, DT4): the model, its reference of normal motion, windows, streams, the pipeline."""

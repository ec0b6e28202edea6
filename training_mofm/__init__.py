"""Training and evaluation: the dVED, masked pre-training, actions and anomalies."""

"""Evaluation: figures of pre-training, metrics of the four tasks, and protocols, checked for leaks."""

from .protocols import Fold, OneShotFold, Protocol, read_protocols

__all__ = ["Fold", "OneShotFold", "Protocol", "read_protocols"]

"""Evaluation: figures of pre-training, metrics of the four tasks, and protocols, checked for leaks."""

from .protocol_files import read_protocols
from .protocols import Fold, OneShotFold, Protocol

__all__ = ["Fold", "OneShotFold", "Protocol", "read_protocols"]

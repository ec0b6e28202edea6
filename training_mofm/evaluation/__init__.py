"""Evaluation protocols: which rows are learnt from and which are asked about, checked for leaks."""

from .packed_sets import packed_protocols
from .protocols import Fold, OneShotFold, Protocol

__all__ = ["Fold", "OneShotFold", "Protocol", "packed_protocols"]

"""Evaluation protocols: which rows are learnt from and which are asked about, checked for leaks."""

from .contract import Fold, OneShotFold, Protocol
from .packed_sets import packed_protocols

__all__ = ["Fold", "OneShotFold", "Protocol", "packed_protocols"]

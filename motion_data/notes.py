"""What was decided about an input, for its user to know: collected with the outcome, or else logged.

Nothing is decided silently: a reader that drops detections, or takes a rule where nothing was stated, notes it here.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

logger = logging.getLogger(__name__)

_collected: ContextVar[list[str] | None] = ContextVar("collected", default=None)


def note(text: str) -> None:
    """Note a decision, in one sentence."""
    collected = _collected.get()
    if collected is None:
        logger.warning(text)
    elif text not in collected:
        collected.append(text)


@contextmanager
def noted_once() -> Iterator[None]:
    """Note what is noted inside once each, afterwards: several steps may decide the same of one input."""
    notes: list[str] = []
    try:
        with collect_notes() as notes:
            yield
    finally:
        for text in notes:
            note(text)


@contextmanager
def collect_notes() -> Iterator[list[str]]:
    """Collect the notes of what happens inside, instead of logging them."""
    notes: list[str] = []
    token = _collected.set(notes)
    try:
        yield notes
    finally:
        _collected.reset(token)

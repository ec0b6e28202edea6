"""Actions that a file states in each of its rows: one for a whole recording, or one for each of its frames."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from ..notes import note
from ..recording import Recording
from .data_fields import label_text


def with_actions(
    recordings: Iterable[Recording], places: Sequence[tuple[str, int]], labels: Sequence[object]
) -> Iterator[Recording]:
    """Yield the recordings of a file with the label of their rows; of several each frame has its own.

    Frames whose people do different things have none. Without any label the recordings stay as they are.

    Args:
        recordings: of a file.
        places: video and frame of each row of the file.
        labels: of each row; neither a text nor a whole number is none.
    """
    names = list(map(label_text, labels))
    if not any(names):
        yield from recordings
        return
    said: dict[tuple[str, int], set[str]] = defaultdict(set)
    for place, name in zip(places, names, strict=True):
        said[place].add(name)
    for recording in recordings:
        frames = range(recording.first_frame, recording.first_frame + recording.keypoints.shape[1])
        by_frame = [said.get((recording.name, frame), set()) for frame in frames]
        own = set().union(*by_frame)
        if len(own) > 1:
            _note(own, several=max(map(len, by_frame)) > 1)
            actions = ["".join(here) if len(here) == 1 else "" for here in by_frame]
            yield replace(recording, frame_actions=np.array(actions))
        else:
            yield replace(recording, label="".join(own))


def _note(labels: set[str], several: bool) -> None:
    shown = f"{min(labels)!r} and {max(labels)!r}"
    note(f"frames have different labels, such as {shown}: --labels frames cuts out what is done, else none is used")
    if several:
        note("people of one frame have different labels, so that frame has none")

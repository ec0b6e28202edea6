"""Data sets whose entries are clips: the key-points of all frames, and a label or what else is known of each.

They are JSON (a list, JSON lines, an object by name, one list beside facts of all), pickles, parquet files and what
`datasets` saves. An entry with key-points of all frames may also be one of several people of a recording; so

1. entries that have a label, an action, a split, a subject, a rate or a name of their own are recordings, and so are
   entries of different lengths, arrays by the names of videos, and arrays of all beside which as many labels stand;
2. others that have an id each, or whose keys are numbers or say person, are people of one recording;
3. anything else is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ...notes import collect_notes, note
from ...recording import Recording
from ..data_fields import NAMES, SET_LABELS, SET_MOTIONS, VIDEO_SUFFIXES, depth_of, label_text, value_of
from ..frames import whole_number
from ..registry import FormatError, ReadOptions
from .named_joints import own_titles
from .plain_data import data_recordings
from .plain_people import PERSON_KEY, flat_keypoints

TITLES = (
    *("name", "clip", "clip_id", "clip_name", "video", "video_id", "video_name", "recording"),
    *("file_name", "filename"),
)
OF_CLIP = (*NAMES["label"], *NAMES["fps"], *TITLES, "split", "subject", "frame_dir")
LOOK = 20  # entries that are looked at to see what they are
MOST_PEOPLE = 8  # in a frame; clips have as many frames at least, but for a few

Clips = list[tuple[str, dict[str, Any]]]


def clips_in(path: Path, content: object) -> Clips | None:
    """Return the names and entries of the clips that a file holds.

    Returns:
        None if it holds something else, or people of one recording.

    Raises:
        FormatError: it may be either.
    """
    header: dict[str, Any] = {}
    if isinstance(content, Mapping) and (labelled := _with_labels(content)):
        return labelled
    if isinstance(content, Mapping) and content and all(map(_is_film, content)):
        content = {
            name: {"keypoints": value, "video": name} if depth_of(value) else value for name, value in content.items()
        }
    if isinstance(content, Mapping) and not _are_clips(list(content.values())):
        lists = {name: value for name, value in content.items() if name != "frames" and _are_clips(value)}
        if len(lists) != 1 or value_of(content, "keypoints") is not None:
            return None
        (name, entries), *_ = lists.items()
        header = {key: value for key, value in content.items() if key != name and not isinstance(value, Mapping)}
        header |= {"joint_names": titles} if (titles := own_titles(content)) else {}
    else:
        entries = content
    if not _are_clips(list(entries.values()) if isinstance(entries, Mapping) else entries):
        return None
    keyed = isinstance(entries, Mapping)
    pairs = [(str(key), entry) for key, entry in (entries.items() if keyed else enumerate(entries))]
    shown = [entry for _, entry in pairs[:LOOK]]
    if not any(name in entry for entry in shown for name in OF_CLIP) and len(set(map(_frames_of, shown))) == 1:
        by_key = keyed and all(whole_number(key) is not None or PERSON_KEY.match(key) for key, _ in pairs)
        if by_key or all(value_of(entry, "person") is not None for entry in shown) or len(pairs) == 1:
            return None
        raise FormatError(
            path,
            f"has {len(pairs)} entries with key-points of all frames each, people of one recording or recordings: "
            "give each a track_id, or a name or label",
        )
    return [(key if keyed else title_of(entry, int(key)), header | entry) for key, entry in pairs]


def are_rows_of_clips(path: Path, first: list[dict[str, Any]]) -> bool:
    """Tell whether the first rows of a table are clips; a single row is.

    Raises:
        FormatError: see `clips_in`.
    """
    return len(first) < 2 or clips_in(path, first) is not None


def clip_recordings(
    path: Path, clips: Iterable[tuple[str, Mapping]], options: ReadOptions, classes: Sequence[str] = ()
) -> Iterator[Recording]:
    """Yield the recordings of clips, each read as a file of its own would be.

    Args:
        clips: name and entry of each.
        classes: names of labels that are numbers.

    Raises:
        FormatError: see `data_recordings`; the message names the clip.
    """
    said: set[str] = set()
    note("each entry with key-points of all frames is a recording")
    told_here = (*NAMES["frame"], *NAMES["person"], *TITLES, *(NAMES["label"] if classes else ()))
    for name, entry in clips:
        own = {key: value for key, value in entry.items() if key not in told_here}
        subject = whole_number(entry.get("subject"))
        told = {
            "label": label_text(value_of(entry, "label"), classes),
            "split": label_text(entry.get("split")).lower(),
        }
        told |= {"camera": label_text(entry.get("camera"))}
        told = {key: value for key, value in told.items() if value}
        try:
            with collect_notes() as notes:
                recordings = list(data_recordings(path, own, options))
        except FormatError as error:
            raise FormatError(path, f"{name}: {error.reason}") from error
        for text in notes:
            if text not in said:  # once, and not for each clip
                said.add(text)
                note(text)
        for recording in recordings:
            yield replace(recording, name=name, subject=recording.subject if subject is None else subject, **told)


def _with_labels(content: Mapping) -> Clips:
    """Return the clips of an array of them all, beside which stand as many labels; [] is none."""
    motions = next((content[name] for name in SET_MOTIONS if depth_of(content.get(name)) == 4), None)
    labels = next((content[name] for name in SET_LABELS if isinstance(content.get(name), (list, np.ndarray))), None)
    if motions is None or labels is None or len(labels) != len(motions) or isinstance(labels[0], (list, np.ndarray)):
        return []
    header = {name: value for name, value in content.items() if value is not motions and value is not labels}
    values = labels.tolist() if isinstance(labels, np.ndarray) else labels
    clips = (header | {"keypoints": motion, "label": label} for motion, label in zip(motions, values, strict=True))
    return [(f"{number:06d}", clip) for number, clip in enumerate(clips)]


def _are_clips(entries: object) -> bool:
    """Tell whether entries are objects with key-points of all frames, and not those of the people of a frame."""
    if not isinstance(entries, (list, tuple)) or not entries:
        return False
    if not all(isinstance(entry, Mapping) for entry in entries) or not all(map(_is_clip, entries[:LOOK])):
        return False
    return bool(np.median(list(map(_frames_of, entries[:LOOK]))) >= MOST_PEOPLE)


def _is_clip(entry: Mapping) -> bool:
    frame = value_of(entry, "frame")
    if frame is not None and not _is_film(frame):
        return False
    return depth_of(_keypoints_of(entry)) > 2


def _keypoints_of(entry: Mapping) -> Any:
    """Return the key-points of an entry, also where x and y stand apart; None if it has none."""
    keypoints = value_of(entry, "keypoints")
    return (flat_keypoints(entry) or {}).get("keypoints") if keypoints is None else keypoints


def _is_film(name: object) -> bool:
    return Path(str(name)).suffix.lower() in VIDEO_SUFFIXES


def _frames_of(entry: Mapping) -> int:
    keypoints = _keypoints_of(entry)
    place = depth_of(keypoints) - 3  # [F, K, C], or [M, F, K, C]
    return len(keypoints) if place == 0 else len(keypoints[0]) if keypoints is not None and place > 0 else 0


def title_of(entry: Mapping, number: int) -> str:
    """Return the name of a clip, its number where it has none."""
    told = (entry.get(name) for name in TITLES)
    return next((str(title)[:200] for title in told if isinstance(title, (str, int))), f"{number:06d}")

"""Labels, subjects, splits and anomalies that files do not state themselves: from folders, a table, or masks.

What they state of each frame (`Recording.frame_actions`) is cut out where it is asked for. `label_table` says how a
table is written. A row about a stretch cuts it out, unless it marks the stretch as anomalous.

Masks are a folder of `.npy` files, as ShanghaiTech and CHAD come with: `01_0014.npy` has a 0 or 1 for each frame of
the video whose key-points are in `01_0014.json` or `01_0014_alphapose_tracked_person.json`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np

from ..keypoints import MIN_FRAMES
from ..notes import note
from ..readers.array_files import map_array
from ..readers.registry import FormatError
from ..recording import Recording
from .label_table import LabelRow, of_file, read_table
from .sources import Source

FOLDERS = "folders"
FRAMES = "frames"
STATED = ("", FRAMES)  # what sources state themselves, of all of a recording and of its frames


def read_labels(labels: str, sources: Iterable[Source]) -> dict[str, tuple[LabelRow, ...]]:
    """Return the rows of each source that has any, by its name.

    Args:
        labels: "folders" (each source's label is the name of its folder), the path of a table, a folder of masks; ""
            and "frames" (what sources state of their frames) for none.

    Raises:
        FileNotFoundError: the table is not there.
        ValueError: a source is in no folder, or a row of the table or a mask is wrong or about no source.
    """
    names = [source.name for source in sources]
    if labels in STATED:
        return {}
    if labels == FOLDERS:
        loose = [name for name in names if "/" not in name]
        if loose:
            raise ValueError(f"labels are those of folders, but {loose[0]!r} is in none; name the folder above")
        return {name: (LabelRow(label=PurePosixPath(name).parent.name),) for name in names}
    path = Path(labels)
    if path.is_dir():
        return _masks(path, names)
    if not path.is_file():
        raise FileNotFoundError(
            f"labels {labels!r} is not there; it must be 'folders', 'frames', the path of a CSV file, or a folder of "
            "masks"
        )
    return read_table(path, names)


def action_rows(recording: Recording) -> tuple[LabelRow, ...]:
    """Return a row for each stretch of frames in which a recording states one action."""
    if recording.frame_actions is None:
        return ()
    actions = recording.frame_actions
    ends = [*(np.flatnonzero(actions[1:] != actions[:-1]) + 1).tolist(), len(actions)]
    starts = [0, *ends[:-1]]
    stretches = [(start, end) for start, end in zip(starts, ends, strict=True) if actions[start]]
    if short := sum(end - start < MIN_FRAMES for start, end in stretches):
        note(f"{short} actions of less than {MIN_FRAMES} frames are left out")
    first = recording.first_frame
    rows = (LabelRow(first + start, first + end, str(actions[start]), in_frames=True) for start, end in stretches)
    return tuple(rows)


def labelled(
    recording: Recording, rows: tuple[LabelRow, ...], path: Path, found: set[LabelRow]
) -> Iterator[Recording]:
    """Yield a recording with what rows say of it: itself, and each stretch that a row names.

    Args:
        path: its file, for errors.
        found: gets the rows about stretches that somebody is seen in.

    Raises:
        FormatError: stretches in seconds of a recording whose frame rate is unknown.
    """
    if not rows:
        yield recording
        return
    if rows[0].mask:
        yield replace(recording, frame_labels=_masked(recording, rows[0].mask, path))
        return
    if not recording.fps and any(not row.whole and not row.in_frames for row in rows):
        raise FormatError(path, "has no frame rate, and its labels are in seconds; give fps")
    num_frames = recording.keypoints.shape[1]
    marked = [row for row in rows if row.anomalous is not None]
    if marked:
        marks = np.zeros(num_frames, np.uint8)
        for row in marked:
            part = _frames(recording, row)
            marks[part] |= row.anomalous
            if part.stop > part.start:
                found.add(row)
        recording = replace(recording, frame_labels=marks)
    stretches = [row for row in rows if row.anomalous is None and not row.whole]
    recording = replace(recording, **_facts(of_file(rows)))
    if not stretches:
        yield recording
    for row in stretches:
        part = _frames(recording, row)
        if part.stop - part.start < MIN_FRAMES or not recording.scores[:, part].any():
            continue  # the stretch is in another segment of the file, or nobody is in sight
        seen = recording.scores[:, part].any((1, 2))
        found.add(row)
        yield replace(
            recording,
            keypoints=recording.keypoints[seen, part],
            scores=recording.scores[seen, part],
            track_ids=[name for name, there in zip(recording.track_ids, seen, strict=False) if there],
            frame_labels=None if recording.frame_labels is None else recording.frame_labels[part],
            frame_actions=None,
            first_frame=recording.first_frame + part.start,
            segment=f"{recording.first_frame + part.start:06d}",
            **_facts(row),
        )


def _masks(folder: Path, names: list[str]) -> dict[str, tuple[LabelRow, ...]]:
    """Return the mask of each source whose file name starts with that of one."""
    masks = sorted(folder.glob("*.npy"))
    if not masks:
        raise ValueError(f"labels {str(folder)!r} is a folder without .npy masks")
    found: dict[str, tuple[LabelRow, ...]] = {}
    for mask in masks:
        stem = PurePosixPath(mask.name).stem
        own = [name for name in names if re.match(re.escape(stem) + r"(?![0-9A-Za-z])", PurePosixPath(name).name)]
        if len(own) != 1:
            raise ValueError(f"mask {str(mask)!r} is of {len(own)} sources {own[:3]}; one must start with {stem!r}")
        found[own[0]] = (LabelRow(mask=str(mask), modified=mask.stat().st_mtime_ns),)
    return found


def _masked(recording: Recording, mask: str, path: Path) -> np.ndarray:
    """Return the labels of a recording's frames."""
    values = map_array(Path(mask))
    frames = recording.first_frame + np.arange(recording.keypoints.shape[1])
    if values.ndim != 1 or values.dtype.kind not in "biuf" or not np.isin(values, (0, 1)).all():
        raise FormatError(Path(mask), f"is {values.dtype} {values.shape}; a mask has a 0 or 1 for each frame")
    if frames[-1] >= len(values):
        raise FormatError(path, f"has people until frame {frames[-1]}, but its mask {mask!r} has {len(values)} frames")
    return values[frames].astype(np.uint8)


def _frames(recording: Recording, row: LabelRow) -> slice:
    """Return the frames of a stretch, rounded to whole ones and cut to the recording."""
    num_frames = recording.keypoints.shape[1]
    if row.whole:
        return slice(0, num_frames)
    rate = 1.0 if row.in_frames else recording.fps
    first = min(max(round(row.start * rate) - recording.first_frame, 0), num_frames)
    end = row.end * rate - recording.first_frame
    return slice(first, max(first, num_frames if end >= num_frames else round(end)))


def _facts(row: LabelRow) -> dict:
    said = {"label": row.label, "split": row.split} | ({"subject": row.subject} if row.subject >= 0 else {})
    return {name: value for name, value in said.items() if value != ""}

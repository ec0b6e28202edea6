"""Inputs of any kind to recordings: files by their readers, arrays by the rules of `interpret`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from .detected_frames import detected_recordings, is_frames, is_one_person, whole_ids
from .interpret import as_numbers, interpret, is_picture_by_picture, stated_layout
from .keypoints import ArrayLike
from .notes import note
from .options import WHOLE, ReadOptions
from .plausibility import doubts
from .pose_results import is_result, is_scored, people_one_by_one
from .readers.arrays.movement_data import is_movement, memory_movement
from .readers.data_fields import label_text
from .readers.estimators.roboflow import answer_recordings, are_answers
from .readers.plain.plain_data import are_people, data_recordings
from .readers.pose_arrays import named_joints_of
from .readers.registry import FormatError, format_of
from .readers.tables.table_content import is_table, memory_recordings
from .readers.unrecognised import no_format
from .recording import Recording
from .rows import row_recording
from .schema import KEYPOINT_COLUMNS

# predictions should not depend on where a file is cut
WHOLE_FILES = ReadOptions(max_frames=WHOLE, min_track=1)
# the options that pipelines and tokenizers take by name
INPUT_OPTIONS = (
    *("layout", "coordinates", "axes", "fps", "frame_size", "origin", "units", "up_axis"),
    *("min_score", "max_score", "split", "override", "poses"),
)

JOINT_NAMES = "joint_names"

MotionInput = str | os.PathLike | ArrayLike | Mapping | Recording | Sequence


def input_options(others: Sequence[str] = (), **given: object) -> ReadOptions:
    """Return the options for whole files, with those given by name; None is not given.

    Args:
        others: names that the caller takes itself, for the error.

    Raises:
        ValueError: a name that is not one of `INPUT_OPTIONS`, or a value that is not allowed.
    """
    unknown = sorted(set(given) - set(INPUT_OPTIONS))
    if unknown:
        raise ValueError(f"unknown arguments {unknown}; allowed are {', '.join([*others, *INPUT_OPTIONS])}")
    return replace(WHOLE_FILES, **{name: value for name, value in given.items() if value is not None})


def as_recordings(
    inputs: MotionInput,
    options: ReadOptions = WHOLE_FILES,
    scores: ArrayLike | None = None,
    default_layout: str = "coco17",
) -> list[Recording]:
    """Return the recordings of one input.

    Args:
        inputs: one of

            - a path of a known format;
            - an array `[(M,) F, K, 2 or 3]`: x, y; x, y, score; or x, y, z, told apart by `interpret`; masked values
              are missing; or `[F, 1, 1, K, C]`, the outputs of MoveNet;
            - a DataFrame of pandas or polars, or its rows or columns in a list or dict, as a table
              (`readers.tables.table_files`);
            - a list of frames, as pose models and trackers give them (`detected_frames`);
            - the content of a JSON file of people in frames (`readers.plain.plain_data`);
            - a mapping with `keypoints`, one of these arrays or lists, and any other field of `Recording`, or
              `joint_names`, the names of an array's joints;
            - a row of a prepared corpus, or a whole `datasets.Dataset` of such rows;
            - a `Recording`.
        options: facts that the input may not state itself.
        scores: scores of an array, `[(M,) F, K]`; 0 is missing.
        default_layout: layout of inputs that are not files, if nothing else states it and it has that many joints.

    Raises:
        FileNotFoundError: a path that is not there.
        ValueError: a path of no known format or one that cannot be read (`FormatError`), a field that is unknown or
            missing, or numbers whose meaning only an option can decide.
    """
    if isinstance(inputs, Recording):
        return [inputs.without_unsure(options.min_score)]
    if isinstance(inputs, (str, os.PathLike)):
        return _doubted(_read(Path(inputs), options))
    if inputs is None or isinstance(inputs, (bytes, bytearray)) or hasattr(inputs, "read"):
        what = "an open file" if hasattr(inputs, "read") else "None" if inputs is None else "bytes"
        raise ValueError(f"inputs is {what}; it must be the path of a file, or key-points")
    if isinstance(inputs, Mapping) and "shape" in inputs and "keypoints" in inputs and not is_result(inputs):
        missing = [name for name in KEYPOINT_COLUMNS if name not in inputs]
        if missing:
            raise ValueError(f"a row of a corpus has {', '.join(inputs)}; {', '.join(missing)} must be there too")
        return [row_recording(inputs).without_unsure(options.min_score)]
    if hasattr(inputs, "column_names") and not is_table(inputs):
        rows = map(_with_class_name(inputs), inputs)
        return [one for row in rows for one in as_recordings(row, options, default_layout=default_layout)]
    found = _in_memory(inputs, options, scores, default_layout)
    return _doubted([recording.with_y_down(options.origin) for recording in found])


def _in_memory(
    inputs: MotionInput, options: ReadOptions, scores: ArrayLike | None, default_layout: str
) -> Iterable[Recording]:
    if is_movement(inputs):
        return memory_movement(Path("inputs"), inputs, options)
    if are_answers(inputs):
        return answer_recordings(Path("inputs"), inputs, options)
    table = memory_recordings(Path("inputs"), inputs, options) if scores is None else None
    if table is not None:
        return table
    if scores is None and are_people(inputs) and not (isinstance(inputs, Mapping) and is_result(inputs)):
        return data_recordings(Path("inputs"), inputs, options)
    if isinstance(inputs, Mapping) and not is_result(inputs):
        if scores is not None:
            raise ValueError("scores are given beside a mapping; they must be in it")
        return _of_fields(inputs, options, default_layout)
    return _of_fields({"keypoints": inputs, "scores": scores}, options, default_layout)


def is_batch(inputs: MotionInput | Iterable[MotionInput]) -> bool:
    """Tell several inputs from one.

    Several are: a generator or a dataset; an array of rank 5, but for `[F, 1, 1, K, C]`; a list of paths, mappings,
    recordings or arrays, unless it is a list of frames (`detected_frames.is_frames`). Nested lists of numbers are one,
    unless of rank 5.
    """
    if isinstance(inputs, (str, bytes, bytearray, os.PathLike, Mapping, Recording)) or inputs is None:
        return False
    if hasattr(inputs, "read") or is_result(inputs) or is_table(inputs) or is_movement(inputs):
        return False
    first = inputs[0] if isinstance(inputs, Sequence) and len(inputs) else None
    if is_table(first) or is_movement(first):
        return True
    if are_people(inputs) or is_scored(inputs) or are_answers(inputs):
        return False
    if hasattr(inputs, "ndim"):
        return inputs.ndim == 5 and not is_picture_by_picture(tuple(inputs.shape))
    if not isinstance(inputs, Sequence):
        return True
    if is_frames(inputs):
        return False
    return not isinstance(first, (list, tuple)) or np.ndim(first) > 3


def one_or_list(inputs: MotionInput | Iterable[MotionInput]) -> MotionInput | Iterable[MotionInput]:
    """Return inputs so that every list in them is one of several inputs, as transformers' pipelines see lists."""
    if hasattr(inputs, "ndim") and is_batch(inputs):
        return list(inputs)
    return {"keypoints": inputs} if isinstance(inputs, (list, tuple)) and not is_batch(inputs) else inputs


def _of_fields(inputs: Mapping, options: ReadOptions, default_layout: str) -> list[Recording]:
    allowed = [*(field.name for field in fields(Recording)), JOINT_NAMES]
    if inputs.get(JOINT_NAMES) is not None and inputs.get("keypoints") is not None:
        inputs = _with_joints_in_order(inputs, options)
    if inputs.get("keypoints") is None:
        raise ValueError(f"inputs has {', '.join(map(str, inputs)) or 'nothing'}; it must have keypoints")
    unknown = sorted(set(inputs) - set(allowed))
    if unknown:
        raise ValueError(f"inputs has {unknown}; allowed are {', '.join(allowed)}")
    known = {name: value for name, value in inputs.items() if value is not None}
    keypoints, scores, stated = known.pop("keypoints"), known.pop("scores", None), known.pop("layout", None)
    if is_picture_by_picture(tuple(getattr(keypoints, "shape", ()))):
        keypoints = keypoints[:, 0, 0]
    if scores is None and is_scored(keypoints):
        keypoints, scores = keypoints
    one_by_one = people_one_by_one(keypoints)
    if one_by_one is not None:
        note("a list of people without frames is taken for one person, frame by frame")
        keypoints = one_by_one
    if "label" in known:
        known["label"] = label_text(known["label"])
    if "track_ids" in known:
        known["track_ids"] = whole_ids(known["track_ids"])
    known = {"fps": options.fps, "frame_size": options.frame_size} | {
        name: value for name, value in known.items() if value or not options.overrides(name)
    }
    options = replace(options, frame_size=tuple(known["frame_size"]))
    if is_table(keypoints):
        if scores is not None:
            raise ValueError("scores are given beside a table; they must be in its columns")
        told = replace(options, layout=stated_layout(options, stated), fps=known.pop("fps"))
        return [replace(recording, **known) for recording in memory_recordings(Path("inputs"), keypoints, told) or ()]
    frames = [keypoints] if is_result(keypoints) and not are_people(keypoints) else keypoints
    if are_people(frames) or is_frames(frames) and not is_one_person(frames):
        if scores is not None:
            raise ValueError("scores are given beside a list of frames; they must be the third value of each joint")
        if are_people(frames):
            told = replace(options, layout=stated_layout(options, stated))
            recordings = list(data_recordings(Path("inputs"), frames, told))
        else:
            recordings = detected_recordings(frames, options, stated, default_layout)
        del known["frame_size"]  # the recordings have it, or that of the results
        return [replace(recording, **known) for recording in recordings]
    if known.get("space") in ("camera", "world"):  # such coordinates are metres, y up
        options = replace(options, coordinates="xyz", units="m", up_axis="y")
    poses = interpret(keypoints, scores, options, stated, default_layout)
    return [Recording(poses.keypoints, poses.scores, poses.layout, **known)]


def _with_class_name(dataset: Any) -> Callable[[Mapping], Mapping]:
    """Return what gives rows of a `datasets.Dataset` that are no corpus of ours the name of their label."""
    names = getattr((getattr(dataset, "features", None) or {}).get("label"), "names", None)
    if not names or "shape" in dataset.column_names:
        return lambda row: row
    return lambda row: {**row, "label": label_text(row.get("label"), names)}


def _with_joints_in_order(inputs: Mapping, options: ReadOptions) -> dict:
    """Return fields with the joints of the layout that their names make, and its name instead of theirs.

    Raises:
        FormatError: see `named_joints_of`.
    """
    others = {name: value for name, value in inputs.items() if name != JOINT_NAMES}
    arrays = {JOINT_NAMES: np.array([str(name) for name in inputs[JOINT_NAMES]])}
    if others.get("scores") is not None:
        arrays["scores"] = as_numbers("scores", others["scores"])
    keypoints = as_numbers("keypoints", inputs["keypoints"])
    others["keypoints"], found = named_joints_of(Path("inputs"), keypoints, arrays, options)
    return others | {"layout": str(found["layout"])} | {name: found[name] for name in found if name == "scores"}


def _doubted(recordings: list[Recording]) -> list[Recording]:
    """Note what is not plausible about recordings."""
    for recording in recordings:
        for doubt in doubts(recording):
            note(f"{recording.name}: {doubt}" if recording.name else str(doubt))
    return recordings


def _read(path: Path, options: ReadOptions) -> list[Recording]:
    try:
        there = path.exists()
    except (OSError, ValueError) as error:
        text = str(path)
        raise ValueError(f"inputs is a text of {len(text)} characters, which is no path: {text[:60]!r} ...") from error
    if not there:
        raise FileNotFoundError(f"{str(path)!r} is neither a file nor a folder")
    known = format_of(path)
    if known is None:
        raise FormatError(path, no_format(path))
    recordings = list(known.read(path, options))
    if not recordings:
        raise FormatError(path, "holds nobody")
    return recordings

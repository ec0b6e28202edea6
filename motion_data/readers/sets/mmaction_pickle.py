"""Readers of pickles of pose annotations: those of PYSKL and MMAction2, and people per frame (ShanghaiTech, CHAD).

A pickle is read as data (`pickle_data`); nothing in it is executed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...interpret import interpret
from ...notes import note
from ...recording import TEST, TRAIN, Recording
from ..cutting import cut_dense
from ..data_fields import label_text
from ..detections import Detection
from ..estimates import estimated_recordings
from ..joint_names import given_layout, map_joints
from ..json_files import joint_rows
from ..pickle_data import pickle_head, read_pickle
from ..plain.named_joints import joint_titles
from ..registry import FormatError, ReadOptions, register_format
from .ntu_skeleton import performance

SUFFIXES = (".pkl", ".pickle")
LAYOUTS = {17: "coco17", 18: "openpose18", 25: "openpose25", 26: "halpe26", 133: "coco-wholebody"}
LAYOUTS_3D = {25: "ntu25"}
PERSON_LAYOUTS = {17: "coco17", 18: "openpose18", 26: "halpe26"}
_MARKERS = ("split", "annotations", "frame_dir", "keypoint", "total_frames")  # one is near the start
_MAX_NAME = 200
_SPLIT = re.compile(r"(\w*?)_?(train|val|test)_?(\w*)", re.ASCII)


def _is_mmaction(path: Path) -> bool:
    return any(argument in _MARKERS for _, argument in pickle_head(path) if isinstance(argument, str))


def _is_person_pickle(path: Path) -> bool:
    head = pickle_head(path)[:3]
    if [name for name, _ in head[::2]] not in (["EMPTY_DICT"] * 2, ["DICT"] * 2):
        return False
    key = head[1][1]
    return isinstance(key, int) or isinstance(key, str) and key.isdecimal()


@register_format("mmaction", "annotations of PYSKL and MMAction2 (.pkl)", SUFFIXES, _is_mmaction)
def read_mmaction(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read annotations: a dictionary that has them as `annotations`, a list of them, or a single one.

    `keypoint` is `[M, T, K, 2]`, pixels, or `[M, T, K, 3]`, metres with y up as in NTU RGB+D; `keypoint_score`
    `[M, T, K]`, or without it every joint that is not at the origin has score 1. `frame_dir` names the recording,
    and `label` becomes its text. People with key-points in fewer than `options.min_track` frames are left out.

    `split` of PYSKL has lists of names, such as `xsub_train` and `xsub_val`, `train1` and `test1`: of several splits
    `options.split` ("xsub", "1") chooses one, and without it none is taken, which is noted. What is held out is
    "test"; a name in both lists is refused. 3D annotations that are named as in NTU RGB+D are what its sensor saw;
    others are in a world of their own.

    Raises:
        FormatError: see `read_pickle`; an annotation lacks key-points (those of Kinetics keep them in other files),
            its arrays contradict each other, or the layout is not known by the number of joints.
    """
    content = read_pickle(path)
    splits: dict[str, str] = {}
    titles = joint_titles(content)
    if isinstance(content, dict):
        splits = _splits(path, content.get("split"), options)
        content = content.get("annotations", [content])
    if not isinstance(content, list) or not content:
        raise FormatError(path, f"has a {type(content).__name__} for annotations; it must be a list of some")
    for number, annotation in enumerate(content):
        if not isinstance(annotation, dict):
            raise FormatError(path, f"annotation {number} is a {type(annotation).__name__}; it must be a dictionary")
        name = annotation.get("frame_dir", annotation.get("filename"))
        name = name[:_MAX_NAME] if isinstance(name, str) and name else f"{number:06d}"
        fields = {"split": splits.get(name, ""), **performance(name)}
        yield from _read_annotation(path, annotation, name, joint_titles(annotation) or titles, options, fields)


def _splits(path: Path, stated: object, options: ReadOptions) -> dict[str, str]:
    """Return the split of each name in the lists of PYSKL."""
    if not isinstance(stated, dict):
        return {}
    found: dict[str, dict[str, list]] = {}
    for key, names in stated.items():
        match = _SPLIT.fullmatch(key) if isinstance(key, str) else None
        if match and isinstance(names, (list, tuple)):
            found.setdefault((match[1] or match[3]).strip("_"), {})[match[2]] = list(names)
    chosen = options.split or (next(iter(found)) if len(found) == 1 else "")
    if chosen not in found:
        if options.split:
            raise FormatError(path, f"states the splits {', '.join(sorted(found)) or 'none'}, not {options.split!r}")
        if found:
            note(f"the splits {', '.join(sorted(found))} are stated and none of them is taken; name one (split)")
        return {}
    parts = {part: {name for name in names if isinstance(name, str)} for part, names in found[chosen].items()}
    shared = parts.get("train", set()) & (parts.get("test", set()) | parts.get("val", set()))
    if shared:
        both = f"has {len(shared)} recordings of split {chosen!r} both to train and to test"
        raise FormatError(path, f"{both}, such as {min(shared)[:100]!r}")
    held_out = {"train": TRAIN, "test": TEST, "val": "validation" if "test" in found[chosen] else TEST}
    return {name: held_out[part] for part, names in found[chosen].items() for name in names if isinstance(name, str)}


def _read_annotation(
    path: Path, annotation: dict, name: str, titles: list[str] | None, options: ReadOptions, fields: dict
) -> Iterator[Recording]:
    """Read one annotation, whose joints are called `titles` if the file says so."""
    what = f"annotation {name!r}"
    keypoints, scores = _arrays(path, annotation, what)
    _, num_frames, num_joints, dimensions = keypoints.shape
    total_frames = annotation.get("total_frames", num_frames)
    if not isinstance(total_frames, int) or total_frames != num_frames:
        raise FormatError(path, f"{what} has key-points of {num_frames} frames; its 'total_frames' says otherwise")
    layouts = LAYOUTS if dimensions == 2 else LAYOUTS_3D
    if titles is not None:
        keypoints, scores, layout = _in_layout(path, keypoints, scores, titles, what, options)
    elif options.layout is not None:
        layout = given_layout(path, options.layout, num_joints)
    elif num_joints in layouts:
        layout = layouts[num_joints]
    else:
        raise FormatError(path, f"{what} has {num_joints} joints in {dimensions}D; name their layout")
    size = _frame_size(path, annotation.get("img_shape"), what)
    read = replace(options, axes="MFKC", coordinates="xy" if dimensions == 2 else "xyz")
    if size is not None and dimensions == 2:
        fields["frame_size"] = size
        read = replace(read, frame_size=options.facts(fields)["frame_size"])
    elif "subject" in fields:  # NTU RGB+D
        fields["space"] = "camera"
        read = replace(read, units="m", up_axis="y")
    if "label" in annotation:
        fields["label"] = label_text(annotation["label"])
    try:
        poses = interpret(keypoints, scores, read, layout)
    except ValueError as error:
        raise FormatError(path, f"{what}: {error}") from error
    people = np.flatnonzero(poses.scores.any(2).sum(1) >= options.min_track)
    keypoints, scores = poses.keypoints[people], poses.scores[people]
    yield from cut_dense(
        num_frames,
        lambda first, end: (keypoints[:, first:end], scores[:, first:end]),
        layout,
        options,
        name,
        people.tolist(),
        **fields,
    )


def _in_layout(
    path: Path, keypoints: np.ndarray, scores: np.ndarray, titles: list[str], what: str, options: ReadOptions
) -> tuple[np.ndarray, np.ndarray, str]:
    """Return key-points and scores as the layout that the names of the joints make has them, and its name."""
    if len(titles) != keypoints.shape[2]:
        raise FormatError(path, f"{what} has {keypoints.shape[2]} joints, and the file {len(titles)} names for them")
    joints = map_joints(path, titles, options)
    return joints(keypoints), joints.scores_of(scores), joints.layout


def _arrays(path: Path, annotation: dict, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Return key-points `[M, T, K, 2 or 3]` and scores `[M, T, K]` of an annotation."""
    keypoints = annotation.get("keypoint")
    if keypoints is None:
        raise FormatError(
            path, f"{what} has no 'keypoint'; its key-points are in other files, or it is of another kind"
        )
    _check_numbers(path, keypoints, f"'keypoint' of {what}")
    if keypoints.ndim != 4 or keypoints.shape[3] not in (2, 3) or 0 in keypoints.shape:
        raise FormatError(path, f"'keypoint' of {what} has shape {keypoints.shape}; it must be [M, T, K, 2 or 3]")
    scores = annotation.get("keypoint_score")
    if scores is None:
        scores = (keypoints != 0).any(-1)
    _check_numbers(path, scores, f"'keypoint_score' of {what}")
    if scores.shape != keypoints.shape[:3]:
        raise FormatError(
            path, f"'keypoint_score' of {what} has shape {scores.shape}; {keypoints.shape[:3]} is needed"
        )
    return keypoints, scores


def _check_numbers(path: Path, array: object, what: str) -> None:
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiub":
        raise FormatError(path, f"{what} is a {getattr(array, 'dtype', type(array).__name__)}; it must be numbers")


def _frame_size(path: Path, shape: object, what: str) -> tuple[int, int] | None:
    """Return width and height of a height and width; None where there are none."""
    if shape is None:
        return None
    sides = list(shape) if isinstance(shape, (tuple, list, np.ndarray)) and len(shape) >= 2 else [None]
    if not all(isinstance(side, (int, np.integer)) and 0 < side < 2**31 for side in sides[:2]):
        raise FormatError(path, f"'img_shape' of {what} must be a height and a width")
    return int(sides[1]), int(sides[0])


@register_format("person-pickle", "people per frame of ShanghaiTech and CHAD (.pkl)", SUFFIXES, _is_person_pickle)
def read_person_pickle(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read a dictionary of frames, each a dictionary of people, each a box and `[K, 3]` joints: x, y, score.

    The keys are numbers, or text of them: of the frame, and the track id of the person.

    Raises:
        FormatError: see `read_pickle` and `json_files`.
    """
    content = read_pickle(path)
    yield from estimated_recordings(path, _detections(path, content), PERSON_LAYOUTS, options)


def _detections(path: Path, content: object) -> Iterator[Detection]:
    for frame, persons in _numbered(path, content, "frames"):
        for person, entry in _numbered(path, persons, f"people in frame {frame}"):
            if isinstance(entry, np.ndarray):
                entry = list(entry) if entry.dtype == object else (None, entry)  # joints alone
            if not isinstance(entry, (list, tuple)) or len(entry) != 2 or not isinstance(entry[1], (list, np.ndarray)):
                raise FormatError(path, f"person {person} of frame {frame} must be a box and joints")
            yield Detection(frame, joint_rows(path, _float_joints(path, entry[1], frame), frame), person)


def _numbered(path: Path, entries: object, what: str) -> Iterator[tuple[int, object]]:
    if not isinstance(entries, dict):
        raise FormatError(path, f"has a {type(entries).__name__} for {what}; it must be a dictionary")
    for key, value in entries.items():
        number = int(key) if isinstance(key, str) and len(key) <= 15 and key.isdecimal() else key
        if not isinstance(number, int) or not 0 <= number < 2**53:
            raise FormatError(path, f"numbers {what} by a {type(key).__name__} that is not from 0 to 2**53")
        yield number, value


def _float_joints(path: Path, joints: object, frame: int) -> object:
    if isinstance(joints, np.ndarray):
        _check_numbers(path, joints, f"joints in frame {frame}")
        return joints.astype(np.float64)
    return joints

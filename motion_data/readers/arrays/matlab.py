"""Reader of MATLAB's `.mat` files: those of JHMDB, Penn Action and UTD-MHAD, and key-points of one's own.

Those of MATLAB 5 to 7 are read by SciPy; those of 7.3 are HDF5.
MATLAB counts pixels from 1: the two data sets do, and so a joint at (1, 1) is nowhere, as at (0, 0) elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from math import prod
from pathlib import Path

import numpy as np
from scipy.io import loadmat, whosmat
from scipy.io.matlab import MatReadError, matfile_version

from ...interpret import is_beyond
from ...recording import TEST, TRAIN, Recording
from ..array_files import BROKEN
from ..cutting import cut_dense
from ..joint_names import map_joints
from ..plain.unnamed_keypoints import noted_keypoints
from ..pose_arrays import array_recordings
from ..registry import FormatError, ReadOptions, register_format
from .hdf5 import open_hdf5
from .named_arrays import kinds_of, named_recordings

JHMDB, PENN, UTD = ("pos_img",), ("x", "y", "visibility", "dimensions"), ("d_skel",)
UTD_NAMES = [  # of a Kinect's joints, in the order of UTD-MHAD's page
    *("head", "shoulder_center", "spine", "hip_center"),
    *(f"{side}_{part}" for side in ("left", "right") for part in ("shoulder", "elbow", "wrist", "hand")),
    *(f"{side}_{part}" for side in ("left", "right") for part in ("hip", "knee", "ankle", "foot")),
]
UTD_FPS = 30.0
JHMDB_FPS = 30.0  # of the videos of HMDB51, from which JHMDB was cut
JHMDB_SIZE = (320, 240)
MATLAB_5 = 1  # SciPy's number of the file format of MATLAB 5 to 7
MAX_NUMBERS = 2**25  # of one variable: 256 MiB
Loader = Callable[[tuple[str, ...]], dict[str, np.ndarray]]
_UTD_NAME = re.compile(r"a(\d+)_s(\d+)_t\d+_skeleton")
_SPLIT_LINE = re.compile(r"(.+)\.\w+\s+([12])")


@contextmanager
def _formatted(path: Path) -> Iterator[None]:
    try:
        yield
    except (*BROKEN, MatReadError) as error:
        raise FormatError(path, f"is no .mat file, or a damaged one ({error})") from error


def _version(path: Path) -> int:
    with _formatted(path):
        return matfile_version(path, appendmat=False)[0]


def _variables(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a file's variables by name.

    Raises:
        FormatError: it is no such file, a damaged one, or one of MATLAB 4.
    """
    if _version(path) < MATLAB_5:
        raise FormatError(path, "is of MATLAB 4; save it with '-v7', or its array with numpy.save")
    with _formatted(path):
        return {name: tuple(shape) for name, shape, _ in whosmat(path, appendmat=False)}


def _is_matlab(path: Path) -> bool:
    try:
        if _version(path) > MATLAB_5:  # reading it says what is in it
            return True
        shapes = _variables(path)
    except FormatError:
        return False
    known = any(set(kind) <= set(shapes) for kind in (JHMDB, PENN, UTD, ("x", "y")))
    return known or "keypoints" in kinds_of(shapes) or any(len(s) > 2 and s[-1] in (2, 3, 4) for s in shapes.values())


@register_format("matlab", "JHMDB, Penn Action, UTD-MHAD, or the variable keypoints (.mat)", (".mat",), _is_matlab)
def read_matlab(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read the person of a clip.

    - JHMDB, `joint_positions/<action>/<clip>/joint_positions.mat`: `pos_img`, layout jhmdb15, 30 frames a second. The
      label is the action. `options.split` "1" to "3" takes the split that `splits/<action>_test_split1.txt` beside
      the folder `joint_positions` states.
    - Penn Action, `labels/0001.mat`: `x`, `y`, layout penn13; joints that are not visible are missing. `action` is
      the label, `train` the split.
    - UTD-MHAD, `a1_s2_t3_skeleton.mat`: `d_skel`, what a Kinect saw, in metres, 30 frames a second; action "a1" and
      subject 2.
    - Any other file: `keypoints` and what is beside it as in an `.npz` file (`read_npz`).

    Raises:
        FormatError: the file is damaged, has none of these, or its variables contradict each other.
        ImportError: it is of MATLAB 7.3, and h5py is not installed.
    """
    if _version(path) > MATLAB_5:
        arrays = open_hdf5(path).arrays
        shapes = {name: array.shape for name, array in arrays.items()}
        yield from _read(path, shapes, lambda names: {name: arrays[name] for name in names if name in arrays}, options)
    else:
        shapes = _variables(path)
        yield from _read(path, shapes, lambda names: _load(path, shapes, names), options)


def _read(path: Path, shapes: dict[str, tuple[int, ...]], load: Loader, options: ReadOptions) -> Iterator[Recording]:
    if set(JHMDB) <= set(shapes):
        yield from _read_jhmdb(path, load(JHMDB)["pos_img"], options)
    elif set(PENN) <= set(shapes):
        yield from _read_penn(path, load((*PENN, "action", "train")), options)
    elif set(UTD) <= set(shapes):
        yield from _read_utd(path, load(UTD)["d_skel"], options)
    elif "keypoints" in (called := kinds_of(shapes)):
        arrays = load(tuple(called.values()))
        yield from named_recordings(path, arrays, called, shapes, options)
    elif found := noted_keypoints(load(tuple(shapes))):
        yield from named_recordings(path, found, kinds_of(found), found, options)
    else:
        names = ", ".join(shapes)[:200] or "no variables"
        raise FormatError(
            path, f"holds {names}; it must hold pos_img (JHMDB), x and y (Penn Action), d_skel (UTD-MHAD) or keypoints"
        )


def _load(path: Path, shapes: dict[str, tuple[int, ...]], names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Return those of the variables `names` that are there."""
    wanted = [name for name in names if name in shapes]
    for name in wanted:
        if prod(shapes[name]) > MAX_NUMBERS:
            raise FormatError(path, f"has {name} {shapes[name]}, which is too much; at most {MAX_NUMBERS} are read")
    with _formatted(path):
        found = loadmat(path, appendmat=False, variable_names=wanted)
    for name in set(wanted) - set(found):
        raise FormatError(path, f"is a damaged .mat file ({name} cannot be read)")
    return {name: found[name] for name in wanted}


def _read_jhmdb(path: Path, places: np.ndarray, options: ReadOptions) -> Iterator[Recording]:
    if places.ndim != 3 or places.shape[:2] != (2, 15) or places.dtype.kind not in "fiu":
        raise FormatError(path, f"has pos_img {places.dtype} {places.shape}; it must be numbers [2, 15, frames]")
    folder = path.absolute().parent
    facts: dict = {"fps": JHMDB_FPS, "frame_size": JHMDB_SIZE}
    if path.stem == "joint_positions":  # under any other name the folders say nothing
        facts |= {"label": folder.parent.name, "split": _jhmdb_split(path, folder, options.split)}
    everything = np.ones(places.shape[:0:-1])  # all joints are annotated
    yield from _one_person(places.transpose(2, 1, 0), everything, "jhmdb15", options, facts)


def _jhmdb_split(path: Path, folder: Path, split: str) -> str:
    """Return the split of a clip that the lists of JHMDB state; "" if none is asked for."""
    if not split:
        return ""
    lists = folder.parents[2] / "splits" / f"{folder.parent.name}_test_split{split}.txt"
    try:
        lines = lists.read_text(errors="replace").splitlines()
    except OSError as error:
        raise FormatError(path, f"split {split!r} is that of {lists}, which cannot be read") from error
    stated = dict(found.groups() for found in map(_SPLIT_LINE.fullmatch, map(str.strip, lines)) if found)
    if folder.name not in stated:
        raise FormatError(path, f"{lists} does not state the split of {folder.name[:100]!r}")
    return {"1": TRAIN, "2": TEST}[stated[folder.name]]


def _read_penn(path: Path, found: dict[str, np.ndarray], options: ReadOptions) -> Iterator[Recording]:
    shape = found["x"].shape
    for name in ("x", "y", "visibility"):
        values = found[name]
        if values.shape != shape or len(shape) != 2 or shape[1] != 13 or values.dtype.kind not in "fiub":
            raise FormatError(path, f"has {name} {values.dtype} {values.shape}; all must be numbers [frames, 13]")
    facts: dict = {}
    size = found["dimensions"].ravel()
    if len(size) >= 2 and size.dtype.kind in "fiu" and (size[:2] > 0).all():
        facts["frame_size"] = (int(size[1]), int(size[0]))  # rows come first
    if found.get("action") is not None and found["action"].dtype.kind == "U" and found["action"].size == 1:
        facts["label"] = str(found["action"].item())
    if found.get("train") is not None and found["train"].size == 1:
        facts["split"] = TRAIN if found["train"].item() == 1 else TEST
    places = np.stack((found["x"], found["y"]), -1)
    yield from _one_person(places, found["visibility"], "penn13", options, facts)


def _read_utd(path: Path, places: np.ndarray, options: ReadOptions) -> Iterator[Recording]:
    if places.ndim != 3 or places.shape[:2] != (len(UTD_NAMES), 3) or places.dtype.kind not in "fiu":
        raise FormatError(path, f"has d_skel {places.dtype} {places.shape}; it must be numbers [20, 3, frames]")
    joints = map_joints(path, UTD_NAMES, options)
    name = _UTD_NAME.fullmatch(path.stem)
    facts = {"label": f"a{name[1]}", "subject": int(name[2])} if name else {}
    read = replace(options, axes="FKC", coordinates="xyz", layout=joints.layout)
    for recording in array_recordings(path, joints(places.transpose(2, 0, 1)), {"fps": np.array(UTD_FPS)}, read):
        yield replace(recording, space="camera", **facts)


def _one_person(
    places: np.ndarray, visible: np.ndarray, layout: str, options: ReadOptions, facts: dict
) -> Iterator[Recording]:
    """Yield the recordings of a person `[F, K, 2]` in pixels that are counted from 1, visible or not `[F, K]`."""
    with np.errstate(invalid="ignore"):
        keypoints = places[None].astype(np.float64) - 1
        scores = np.where(is_beyond(keypoints), 0, visible[None] > 0)

    def poses(first: int, end: int) -> tuple[np.ndarray, np.ndarray]:
        return keypoints[:, first:end], scores[:, first:end]

    yield from cut_dense(len(places), poses, layout, options, **facts)

"""Reader of packed motion sets: one `.npz` file with the frames of all sequences end to end.

Keys: `keypoints` [frames, K, 2 or 3] or [frames, people, K, 2 or 3], `offsets` [N + 1] (sequence i is
`keypoints[offsets[i]:offsets[i + 1]]`), `labels` and `names` [N], `class_names`, `joint_names`, `fps`; optionally
`confidence` [frames, (people,) K], `subjects` [N], `y_axis` and the arrays of the set's own splits.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from tokenize import TokenError
from zipfile import BadZipFile

import numpy as np
import pyarrow as pa
from datasets import Dataset, DatasetInfo

from ..cameras import Camera, SensorCamera, fixed_camera
from ..layouts import match_packed_layout
from ..schema import corpus_table, motion_features

REQUIRED_KEYS = ("keypoints", "offsets", "labels", "class_names", "names", "joint_names", "fps")
OPTIONAL_KEYS = ("confidence", "subjects", "y_axis")
SPLITS = ("train", "test")
DAMAGE = (
    BadZipFile,
    EOFError,
    ValueError,
    zlib.error,
    TokenError,
)  # what NumPy raises for files that are cut or changed
TEST_RATIO = 0.1  # of a set that has no rule in SPLIT_RULES

# Recorded in the sensor's own space, where the sensor's picture is known.
CAMERA_SPACE_SETS = ("msr_action3d",)

# Classes kept for one-shot evaluation: never pre-trained on.
NOVEL_CLASSES = {
    "bandai_namco": ("raise-up-left-hand", "run", "walk-turn-right", "wave-both-hands"),
    "jhmdb14_2d": ("clap", "jump", "pullup", "sit"),
    "msr_action3d": ("hammer", "draw_x", "two_hand_wave", "side_kick", "tennis_serve"),
}
UIPRMD_TEST_SUBJECTS = (9, 10)

Arrays = Mapping[str, np.ndarray]
SplitRule = Callable[[Arrays, np.ndarray], tuple[np.ndarray, np.ndarray]]


def _by_subject(arrays: Arrays, novel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    test = np.isin(arrays["subjects"], UIPRMD_TEST_SUBJECTS)
    return ~test, test


def _by_split_array(arrays: Arrays, novel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.isin(arrays["split"], ("train", "none")), arrays["split"] == "test"


def _by_class(arrays: Arrays, novel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return ~novel, novel


def _cross_subject(arrays: Arrays, novel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return (arrays["cross_subject"] == 0) & ~novel, arrays["cross_subject"] == 1


def _three_splits(arrays: Arrays, novel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    in_train = [arrays[f"split{number}"] == 0 for number in (1, 2, 3)]
    return np.logical_and.reduce(in_train) & ~novel, arrays["split1"] == 1


def _only_test(arrays: Arrays, novel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros_like(novel), np.ones_like(novel)


# What pre-training may see, and what it must not. A rule gives the train and the test mask of the sequences; some are
# in neither.
#
# set             train                                                 test
# uiprmd_*        all other subjects                                    subjects 9 and 10 (shared by both files)
# cmu_subset      `split` is "train" or "none"                          `split` is "test"
# bandai_namco    all other classes                                     the novel classes
# msr_action3d    `cross_subject` is 0, without the novel classes       `cross_subject` is 1
# jhmdb14_2d      train in all 3 splits, without the novel classes      test in the first split
# ymja_hockey_2d  none                                                  all
SPLIT_RULES: dict[str, SplitRule] = {
    "uiprmd_kinect": _by_subject,
    "uiprmd_vicon": _by_subject,
    "cmu_subset": _by_split_array,
    "bandai_namco": _by_class,
    "msr_action3d": _cross_subject,
    "jhmdb14_2d": _three_splits,
    "ymja_hockey_2d": _only_test,
}


def read_packed(path: str | PathLike) -> Dataset:
    """Read a packed set as a motion corpus (`schema.motion_features`), one row per sequence.

    3D recordings stay 3D. A joint at the origin or with a coordinate that is not finite is missing (score 0); the
    scores of the others are the `confidence`, clipped to [0, 1], or 1 if the file has none.

    Args:
        path: the `.npz` file.

    Returns:
        The dataset, in memory; `source` is `"<file stem>/<sequence name>"`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not a packed set, or its arrays contradict each other.
    """
    path = Path(path)
    arrays = _load(path)
    _check_packed(path, arrays)
    layout = match_packed_layout(arrays["joint_names"].tolist())
    keypoints, offsets = arrays["keypoints"], arrays["offsets"].astype(np.int64)
    num_joints, num_coordinates = keypoints.shape[-2:]
    num_people = 1 if keypoints.ndim == 3 else keypoints.shape[1]
    present = np.isfinite(keypoints).all(-1) & (keypoints != 0).any(-1)
    confidence = np.nan_to_num(arrays.get("confidence", np.float32(1))).clip(0, 1)
    scores = np.where(present, confidence, 0).astype(np.float32)
    keypoints = keypoints.astype(np.float32, copy=False)
    if num_people > 1:
        order = _people_first(offsets, num_people)
        keypoints = keypoints.reshape(-1, num_joints, num_coordinates)[order]
        scores = scores.reshape(-1, num_joints)[order]
    num_frames = np.diff(offsets)
    num_rows = len(num_frames)
    shape = np.empty((num_rows, 4), np.int32)
    shape[:] = num_people, 0, num_joints, num_coordinates
    shape[:, 1] = num_frames
    subjects = arrays.get("subjects", np.full(num_rows, -1))
    features = motion_features([str(name) for name in arrays["class_names"]])
    columns = {
        "keypoints": _list_array(path, keypoints, offsets * num_people * num_joints * num_coordinates),
        "scores": _list_array(path, scores, offsets * num_people * num_joints),
        "shape": pa.FixedSizeListArray.from_arrays(pa.array(shape.reshape(-1)), 4),
        "layout": pa.array([layout.name] * num_rows, pa.string()),
        "fps": pa.array(np.full(num_rows, arrays["fps"], np.float32)),
        "label": pa.array(arrays["labels"].astype(np.int64)),
        "subject": pa.array(subjects.astype(np.int32)),
        "source": pa.array([f"{path.stem}/{name}" for name in arrays["names"]], pa.string()),
    }
    return Dataset(corpus_table(columns, features), info=DatasetInfo(features=features))


def packed_split(path: str | PathLike, split: str) -> np.ndarray:
    """Return the row ids of the pre-training split of a packed set, by the rule of its name in `SPLIT_RULES`.

    A set without a rule gives one tenth of its sequences, chosen by the hash of their names, to the test split.

    Args:
        path: the `.npz` file.
        split: "train" or "test".

    Returns:
        Ascending int64 row ids; may be empty.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the split is unknown, or the file lacks the arrays of its rule.
    """
    if split not in SPLITS:
        raise ValueError(f"split is {split!r}; a packed set has {' and '.join(repr(name) for name in SPLITS)}")
    path = Path(path)
    with _open(path) as arrays:
        _check_keys(path, arrays)
        names = arrays["names"]
        if path.stem not in SPLIT_RULES:
            train, test = _by_name_hash(path.stem, names)
        else:
            novel_labels = np.flatnonzero(np.isin(arrays["class_names"], NOVEL_CLASSES.get(path.stem, ())))
            novel = np.isin(arrays["labels"], novel_labels)
            try:
                train, test = SPLIT_RULES[path.stem](arrays, novel)
            except KeyError as error:
                raise ValueError(f"{path} lacks an array that the split of {path.stem!r} needs: {error}") from error
    return np.flatnonzero(train if split == "train" else test)


def packed_camera(stem: str) -> Camera | SensorCamera:
    """Return the camera in which results on the 3D set with file stem `stem` are compared."""
    return SensorCamera() if stem in CAMERA_SPACE_SETS else fixed_camera()


def _open(path: Path) -> np.lib.npyio.NpzFile:
    if not path.is_file():
        raise FileNotFoundError(f"packed set {str(path)!r} is not a file")
    try:
        archive = np.load(path, allow_pickle=False)
    except DAMAGE as error:
        raise ValueError(f"{path} is not a packed set: it is no .npz file of plain arrays ({error})") from error
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise ValueError(f"{path} is not a packed set: it holds one array, not the named arrays of an .npz file")
    return archive


def _load(path: Path) -> dict[str, np.ndarray]:
    with _open(path) as archive:
        _check_keys(path, archive)
        try:
            return {key: archive[key] for key in (*REQUIRED_KEYS, *OPTIONAL_KEYS) if key in archive}
        except DAMAGE as error:
            raise ValueError(f"{path} is not a packed set: {error}") from error


def _check_keys(path: Path, archive: Arrays) -> None:
    missing = [key for key in REQUIRED_KEYS if key not in archive]
    if missing:
        raise ValueError(f"{path} is not a packed set: it lacks {', '.join(missing)}; it has {', '.join(archive)}")


def _check_packed(path: Path, arrays: Arrays) -> None:
    """Raise a ValueError if the arrays contradict each other."""
    keypoints, offsets = arrays["keypoints"], arrays["offsets"]
    joints, labels, classes = arrays["joint_names"], arrays["labels"], arrays["class_names"]
    if keypoints.ndim not in (3, 4) or keypoints.shape[-1] not in (2, 3) or keypoints.dtype.kind != "f":
        raise ValueError(
            f"{path}: keypoints is {keypoints.dtype} {keypoints.shape}; it must be floating "
            "[frames, joints, 2 or 3] or [frames, people, joints, 2 or 3]"
        )
    if keypoints.shape[-2] != len(joints):
        raise ValueError(f"{path}: keypoints has {keypoints.shape[-2]} joints, but joint_names has {len(joints)}")
    if offsets.ndim != 1 or len(offsets) < 2 or offsets.dtype.kind not in "iu":
        raise ValueError(f"{path}: offsets is {offsets.dtype} {offsets.shape}; it must be integers [sequences + 1]")
    if offsets[0] != 0 or offsets[-1] != len(keypoints) or (np.diff(offsets.astype(np.int64)) <= 0).any():
        raise ValueError(
            f"{path}: offsets goes from {offsets[0]} to {offsets[-1]}; it must rise from 0 to the {len(keypoints)} "
            "frames of keypoints, at least one frame a sequence"
        )
    num_rows = len(offsets) - 1
    for key in ("labels", "names", "subjects"):
        if key in arrays and arrays[key].shape != (num_rows,):
            raise ValueError(f"{path}: {key} has shape {arrays[key].shape}; offsets describe {num_rows} sequences")
    if labels.dtype.kind not in "iu" or labels.min() < -1 or labels.max() >= len(classes):
        raise ValueError(
            f"{path}: labels is {labels.dtype} from {labels.min()} to {labels.max()}; it must be whole numbers from "
            f"-1 (no label) to {len(classes) - 1}"
        )
    if "confidence" in arrays and arrays["confidence"].shape != keypoints.shape[:-1]:
        raise ValueError(
            f"{path}: confidence has shape {arrays['confidence'].shape}; it must be {keypoints.shape[:-1]}"
        )
    y_axis, expected = str(arrays.get("y_axis", "")), "up" if keypoints.shape[-1] == 3 else "down"
    if y_axis and y_axis != expected:
        raise ValueError(
            f"{path}: y_axis is {y_axis!r}; for {keypoints.shape[-1]}D key-points it must be {expected!r}"
        )


def _people_first(offsets: np.ndarray, num_people: int) -> np.ndarray:
    """Return the order that turns rows (frame, person) into (person, frame) within each sequence."""
    sequence = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    frame = np.arange(offsets[-1]) - offsets[sequence]
    first, length = offsets[sequence] * num_people, np.diff(offsets)[sequence]
    person = np.arange(num_people)
    order = np.empty(offsets[-1] * num_people, np.int64)
    target = (first + frame)[:, None] + person * length[:, None]
    order[target] = np.arange(len(order)).reshape(target.shape)
    return order


def _list_array(path: Path, values: np.ndarray, offsets: np.ndarray) -> pa.ListArray:
    if offsets[-1] > np.iinfo(np.int32).max:
        raise ValueError(f"{path}: {offsets[-1]} values are too many for one packed set; cut it into several files")
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), pa.array(values.reshape(-1)))


def _by_name_hash(stem: str, names: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    digests = [hashlib.sha256(f"{stem}/{name}".encode()).hexdigest() for name in names]
    num_test = max(round(TEST_RATIO * len(names)), 1) if len(names) > 1 else 0
    test = np.zeros(len(names), bool)
    test[np.argsort(digests, kind="stable")[:num_test]] = True
    return ~test, test

import collections
import os
import pickle
import pickletools
import struct
from pathlib import Path

import numpy as np
import pytest
import python2_pickles
from damaged_files import damaged, fuzz, read_bounded
from hypothesis import given

from motion_data.layouts import COCO_KEYPOINTS, get_layout
from motion_data.notes import collect_notes
from motion_data.readers import FormatError, ReadOptions, registry
from motion_data.readers.pickle_data import pickle_head, read_pickle
from motion_data.readers.plain.any_json import read_any_pickle
from motion_data.readers.sets.mmaction_pickle import read_mmaction, read_person_pickle

OPTIONS = ReadOptions(min_track=1)
PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


def write(folder, content, protocol=4, name="set.pkl"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content, protocol))
    return path


def refused(path, match, read=read_mmaction, options=OPTIONS):
    with pytest.raises(FormatError, match=match) as caught:
        list(read(path, options))
    assert str(path) not in caught.value.reason or "cannot be read" in match


def as_numpy_1(content):
    """Pickle `content` with the names that NumPy 1 gave to its modules."""
    return pickle.dumps(content, 2).replace(b"numpy._core.", b"numpy.core.")


# The data in a pickle


def same(left, right):
    if isinstance(left, np.ndarray):
        return left.dtype.kind == right.dtype.kind and left.shape == right.shape and (left == right).all()
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, (list, tuple)):
        return type(left) is type(right) and len(left) == len(right) and all(map(same, left, right))
    return type(left) is type(right) and left == right


PLAIN = {
    "numbers": [0, 1, -1, 255, 70000, 2**40, -(2**70), 0.5, True, False, None],
    "text": ["", "a", "ä" * 300, b"bytes", b""],
    "nested": ({0.5: 1}, (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), [[]], {}),
    "arrays": [
        np.arange(24, dtype=np.float16).reshape(2, 3, 4),
        np.asfortranarray(np.arange(6, dtype=">i4").reshape(2, 3)),
        np.arange(8).reshape(4, 2)[::2, ::-1],
        np.zeros((0, 17, 2), np.float32),
        np.array(True),
        np.array(["a", "bcd"]),
    ],
    "scalars": [np.int64(7), np.float32(0.5), np.bool_(True)],
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_plain_data_of_every_protocol(tmp_path, protocol):
    array = PLAIN["arrays"][0]
    content = {**PLAIN, "shared": [array, array], "same": PLAIN["arrays"][1].dtype.newbyteorder("<").str}
    expected = {**content, "scalars": [7, 0.5, True]}
    assert same(read_pickle(write(tmp_path, content, protocol)), expected)
    assert same(read_pickle(write(tmp_path, as_numpy_1(content))), expected)


def test_pickles_of_python_2(tmp_path):
    content = {"a": np.random.default_rng(0).normal(size=(3, 5)), "b": np.arange(300), "s": "text", "l": [1, (2.5,)]}
    assert same(read_pickle(write(tmp_path, python2_pickles.dumps(content))), content)
    entries = [annotation(), annotation(1, 30, seed=1)]
    first, second = read_mmaction(write(tmp_path, python2_pickles.dumps(entries)), OPTIONS)
    np.testing.assert_array_equal(first.keypoints, entries[0]["keypoint"].astype(np.float32))


def test_dictionaries_of_collections_are_plain(tmp_path):
    default = collections.defaultdict(list, {1: [2]})
    objects = np.array([np.zeros(4), np.ones((17, 3))], dtype=object)
    content = read_pickle(write(tmp_path, [collections.OrderedDict(a=1), default, objects]))
    assert type(content[0]) is dict and content[:2] == [{"a": 1}, {1: [2]}]
    assert list(content[2])[1].shape == (17, 3)


class Call:
    """Pickles as the call of a function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


HOSTILE = {
    "system": (Call(os.system, "touch {}"), "names '(posix|nt).system'"),
    "eval": (Call(eval, "open('{}', 'w')"), "names '(builtins|__builtin__).eval'"),
    "getattr": (Call(getattr, "x", "y"), "names '(builtins|__builtin__).getattr'"),
    "class": (Path("x"), "names 'pathlib"),
    "set": ({1, 2}, "names|is a set"),
    "complex": (1j, "names"),
    "objects": (np.array([Call(os.system, "touch {}")], dtype=object), "system"),
    "many objects": (np.array([[None, 1], [2, 3]], dtype=object), "array of objects of shape"),
    "structure": (np.zeros(2, [("a", "f4")]), "array of type"),
    "date": (np.zeros(2, "M8[s]"), "array of type"),
    "subclass": (np.ma.masked_array([1]), "names"),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_hostile_pickles_are_refused_and_do_nothing(tmp_path, name, protocol):
    content, match = HOSTILE[name]
    touched = tmp_path / "touched"
    raw = pickle.dumps({"annotations": [content]}, protocol).replace(b"touch {}", b"touch x;")
    raw = raw.replace(b"open('{}', 'w')", b"open('x', 'a+')"[:15])
    path = write(tmp_path, raw)
    before = os.getcwd()
    os.chdir(tmp_path)
    try:
        refused(path, match)
        assert not touched.exists() and not Path("x").exists()
    finally:
        os.chdir(before)


@pytest.mark.parametrize(
    ("raw", "match"),
    [
        (b"", "cannot be read"),
        (b"hello", "no valid pickle"),
        (b"\x80\x04.", "no valid pickle"),
        (b"\x80\x04N", "no valid pickle"),
        (b"\x80\x04)a.", "no valid pickle"),
        (b"\x80\x04h\x05.", "no valid pickle"),
        (b"\x80\x04cos\nsystem\n(S'ls'\ntR.", "names 'os.system'"),
        (b"\x80\x04cnumpy\nndarray\nb.", "no valid pickle|state"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "names 'os.system'"),
        (b"\x80\x02\x82\x01.", "no valid pickle"),
        (b"\x80\x04P1\n.", "no valid pickle"),
        (b"\x80\x05\x97.", "no valid pickle"),
        (b"\x80\x04(i__main__\nX\n.", "no valid pickle"),
        (b"\x80\x04}((NtNs.", "no valid pickle|as a key"),
        (b"\x80\x04}\x85K\x01s.", "no valid pickle|tuple"),
    ],
)
def test_pickles_that_are_no_data_are_refused(tmp_path, raw, match):
    refused(write(tmp_path, raw), match)


BOMBS = {
    "memory at index 2**32 - 1": b"\x80\x04Nr\xff\xff\xff\xff0N.",
    "bytes of 2**60": b"\x80\x04\x8e" + struct.pack("<Q", 2**60) + b"x.",
    "bytearray of 2**40": b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b"x.",
    "frame of 2**62": b"\x80\x04\x95" + struct.pack("<Q", 2**62) + b"N.",
    "number of 2**31 bytes": b"\x80\x04\x8b\xff\xff\xff\x7fx.",
    "tuples in tuples without end as a key": b"\x80\x04}N" + b"\x85" * 30_000 + b"Ns.",
    "a text that is encoded a million times": b"\x80\x02c_codecs\nencode\nq\x000X\x00\x10\x00\x00"
    + b"x" * 4096
    + b"X\x06\x00\x00\x00latin1\x86q\x010("
    + b"h\x00h\x01R" * 10**5
    + b"l.",
    "an array of 2**50 texts": None,
}


@pytest.mark.parametrize("name", BOMBS)
def test_memory_bombs_are_refused(tmp_path, name):
    raw = BOMBS[name]
    if raw is None:
        raw = pickle.dumps(np.zeros(4, "f8"), 2).replace(b"K\x04\x85", b"\x8a\x07\0\0\0\0\0\0\x01\x85")
        assert len(raw) > len(pickle.dumps(np.zeros(4, "f8"), 2))
    path = write(tmp_path, raw)
    assert isinstance(read_bounded(read_mmaction, path, OPTIONS), FormatError)


def test_lists_without_end_are_read_and_let_go(tmp_path):
    path = write(tmp_path, b"\x80\x04" + b"]" * 10**5 + b"a" * (10**5 - 1) + b".")
    refused(path, "annotation 0 is a list")


def test_heads_tell_what_is_in_a_pickle(tmp_path):
    path = write(tmp_path, {"annotations": []})
    assert [name for name, _ in pickle_head(path)[:2]] == ["EMPTY_DICT", "SHORT_BINUNICODE"]
    for content in (b"", b"no pickle", os.urandom(100)):
        assert registry.format_of(write(tmp_path, content)) is None or content
    assert pickle_head(tmp_path / "none") == []
    assert registry.format_of(write(tmp_path, {"weights": [1.0]})) is None


# PYSKL and MMAction2


def annotation(people=2, frames=5, joints=17, dimensions=2, seed=0, **others):
    generator = np.random.default_rng(seed)
    keypoints = generator.uniform(1, 300, (people, frames, joints, dimensions)).astype(np.float16)
    return {
        "frame_dir": f"video_{seed}",
        "label": 3,
        "img_shape": (240, 320),
        "original_shape": (240, 320),
        "total_frames": frames,
        "keypoint": keypoints,
        "keypoint_score": generator.uniform(0.1, 1, (people, frames, joints)).astype(np.float16),
        **others,
    }


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_annotations_are_recordings(tmp_path, protocol):
    entries = [annotation(), annotation(1, 30, seed=1, label=0)]
    content = {"split": {"train": ["video_0"], "val": ["video_1"]}, "annotations": entries}
    path = write(tmp_path, content, protocol)
    assert registry.format_of(path).name == "mmaction"
    first, *rest = read_mmaction(path, ReadOptions(min_track=1, max_frames=20, fps=25))
    assert (first.name, first.label, first.layout, first.fps) == ("video_0", "3", "coco17", 25)
    assert first.frame_size == (320, 240) and first.track_ids == [0, 1]
    np.testing.assert_array_equal(first.keypoints, entries[0]["keypoint"].astype(np.float32))
    np.testing.assert_array_equal(first.scores, entries[0]["keypoint_score"].astype(np.float32))
    assert [(recording.name, recording.segment) for recording in rest] == [
        ("video_1", "000000"),
        ("video_1", "000020"),
    ]
    assert [recording.label for recording in rest] == ["0", "0"]
    path.write_bytes(as_numpy_1(content))
    np.testing.assert_array_equal(next(read_mmaction(path, OPTIONS)).keypoints, first.keypoints)


def test_annotations_in_a_list_and_alone(tmp_path):
    for content in ([annotation()], annotation(), {"annotations": [annotation()]}):
        (recording,) = read_mmaction(write(tmp_path, content), OPTIONS)
        assert recording.name == "video_0" and recording.keypoints.shape == (2, 5, 17, 2)


@pytest.mark.parametrize("place", ["file", "header", "annotation"])
def test_names_of_joints_decide(tmp_path, place):
    entry, names = annotation(), list(COCO_KEYPOINTS[::-1])
    backwards = {key: entry[key][:, :, ::-1] for key in ("keypoint", "keypoint_score")}
    content = {"annotations": [entry | backwards]}
    where = {"file": content, "header": content.setdefault("meta_info", {}), "annotation": content["annotations"][0]}
    where[place]["joint_names"] = names
    (recording,) = read_mmaction(write(tmp_path, content), OPTIONS)
    np.testing.assert_array_equal(recording.keypoints, entry["keypoint"].astype(np.float32))
    np.testing.assert_array_equal(recording.scores, entry["keypoint_score"].astype(np.float32))
    where[place]["joint_names"] = names[:-1]
    refused(write(tmp_path, content), "has 17 joints, and the file 16 names for them")


def test_missing_joints_and_short_people(tmp_path):
    entry = annotation(3, 20)
    entry["keypoint"][0, 0, 0] = np.nan
    entry["keypoint_score"][0, 1, :2] = np.nan, -0.5
    entry["keypoint_score"][0, 2, 0] = 1.25
    entry["keypoint_score"][1, 11:] = 0
    entry["keypoint_score"][2] = 0
    (recording,) = read_mmaction(write(tmp_path, [entry]), ReadOptions())
    assert recording.track_ids == [0]
    assert recording.scores[0, 0, 0] == recording.scores[0, 1, 0] == recording.scores[0, 1, 1] == 0
    assert recording.scores[0, 2, 0] == 1 and not recording.keypoints[0, 0, 0].any()
    assert len(list(read_mmaction(write(tmp_path, [entry]), ReadOptions(min_track=11)))[0].track_ids) == 2
    assert list(read_mmaction(write(tmp_path, [annotation(1, 5)]), ReadOptions())) == []


def test_annotations_of_ntu_in_3d(tmp_path):
    entry = annotation(2, 5, 25, 3, frame_dir="S001C002P003R002A013")
    del entry["keypoint_score"], entry["img_shape"]
    entry["keypoint"][1, 3:] = 0
    (recording,) = read_mmaction(write(tmp_path, [entry]), OPTIONS)
    assert (recording.layout, recording.subject, recording.camera, recording.label) == ("ntu25", 3, "C002", "3")
    assert recording.scores[1].all(-1).tolist() == [True, True, True, False, False]
    assert recording.keypoints.shape == (2, 5, 25, 3) and recording.frame_size == (0, 0)


@pytest.mark.parametrize(
    ("label", "text"),
    [(7, "7"), (np.int64(7), "7"), ("jump", "jump"), (None, ""), ([1, 2], ""), pytest.param(10**5000, "", id="long")],
)
def test_labels_are_text(tmp_path, label, text):
    (recording,) = read_mmaction(write(tmp_path, [annotation(label=label)]), OPTIONS)
    assert recording.label == text


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"keypoint": None}, "has no 'keypoint'; its key-points are in other files"),
        ({"keypoint": [[1, 2]]}, "is a list; it must be numbers"),
        ({"keypoint": np.zeros((2, 17, 2))}, "must be .M, T, K, 2 or 3."),
        ({"keypoint": np.zeros((2, 0, 17, 2))}, "must be .M, T, K, 2 or 3."),
        ({"keypoint": np.array(["a"])}, "it must be numbers"),
        ({"keypoint_score": np.zeros((2, 5, 16))}, r"shape \(2, 5, 16\); \(2, 5, 17\) is needed"),
        ({"total_frames": 300}, "has key-points of 5 frames; its 'total_frames' says otherwise"),
        ({"total_frames": np.zeros(2)}, "'total_frames' says otherwise"),
        ({"img_shape": (240,)}, "'img_shape' of annotation 'video_0' must be"),
        ({"img_shape": (-1, 3)}, "must be a height and a width"),
        ({"keypoint": np.ones((2, 5, 14, 2)), "keypoint_score": None}, "has 14 joints in 2D; name their layout"),
        ({"keypoint": np.ones((2, 5, 17, 3)), "keypoint_score": None}, "has 17 joints in 3D; name their layout"),
    ],
)
def test_annotations_that_contradict_themselves_are_refused(tmp_path, change, match):
    refused(write(tmp_path, {"annotations": [annotation(**change)]}), match)


def test_contents_that_are_no_annotations_are_refused(tmp_path):
    refused(write(tmp_path, {"annotations": []}), "it must be a list of some")
    refused(write(tmp_path, ["x"]), "annotation 0 is a str")
    refused(write(tmp_path, 5), "has a int for annotations")
    refused(tmp_path / "none.pkl", "cannot be read")
    refused(write(tmp_path, [annotation()]), "layout 'ntu25' has 25", options=ReadOptions(layout="ntu25"))
    (recording,) = read_mmaction(write(tmp_path, [annotation()]), ReadOptions(min_track=1, layout="h36m17"))
    assert recording.layout == "h36m17"


ANNOTATIONS = pickle.dumps({"split": {"train": ["a"]}, "annotations": [annotation(1, 2), annotation(2, 1)]}, 4)
assert len(pickletools.optimize(ANNOTATIONS)) < 2000


@fuzz
@given(content=damaged(ANNOTATIONS))
def test_damaged_annotations(tmp_path, content):
    path = write(tmp_path, content)
    registry.format_of(path)
    read_bounded(read_mmaction, path, OPTIONS)


@fuzz
@given(content=damaged(pickle.dumps([{"frame": f, "kpts": np.full((17, 2), f)} for f in range(3)], 4)))
def test_damaged_pickles_of_scripts(tmp_path, content):
    path = write(tmp_path, content)
    registry.format_of(path)
    read_bounded(read_any_pickle, path, OPTIONS)


# ShanghaiTech and CHAD


def person_frames(frames=14, key=int):
    content = {}
    for frame in range(frames):
        content[key(frame)] = {}
        for person in (1, 4):
            joints = np.full((17, 3), 10.0 * person + frame)
            joints[:, 2] = 0.5
            content[key(frame)][key(person)] = [np.array([0.0, 0, 40, 80]), joints]
    return content


@pytest.mark.parametrize("key", [int, str, np.int64])
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_people_per_frame(tmp_path, key, protocol):
    path = write(tmp_path, person_frames(key=key), protocol)
    if key is not np.int64:
        assert registry.format_of(path).name == "person-pickle"
    (recording,) = read_person_pickle(path, ReadOptions(fps=30))
    assert (recording.layout, recording.track_ids, recording.fps) == ("coco17", [1, 4], 30)
    assert recording.keypoints.shape == (2, 14, 17, 2)
    assert (recording.keypoints[1, 3] == 43).all() and (recording.scores == 0.5).all()


def test_people_in_arrays_of_objects_lists_and_float32(tmp_path):
    content = person_frames(12)
    for frame in content.values():
        frame[1] = np.array(frame[1], dtype=object)
        frame[4] = (frame[4][0], frame[4][1].astype(np.float32))
    (recording,) = read_person_pickle(write(tmp_path, content), ReadOptions())
    assert (recording.keypoints[0, 3] == 13).all() and recording.track_ids == [1, 4]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda content: content.update({5: [1]}), "has a list for people in frame 5"),
        (lambda content: content.update({"x": {}}), "numbers frames by a str"),
        (lambda content: content.update({-1: {}}), "numbers frames by a int"),
        (lambda content: content.update({10**5000: {}}), "numbers frames by a int"),
        (lambda content: content[3].update({1: [np.zeros(4)]}), "person 1 of frame 3 must be a box and joints"),
        (lambda content: content[3].update({1: [np.zeros(4), np.zeros((17, 4))]}), "keypoints in frame 3 have shape"),
        (lambda content: content[3].update({1: [np.zeros(4), np.zeros((18, 3))]}), "must have the same joints"),
        (lambda content: content[3].update({1: [np.zeros(4), np.array(["a"])]}), "it must be numbers"),
        (lambda content: content.clear(), "nobody is in it"),
    ],
)
def test_people_that_contradict_themselves_are_refused(tmp_path, change, match):
    content = person_frames()
    change(content)
    refused(write(tmp_path, content), match, read_person_pickle)


@fuzz
@given(content=damaged(pickle.dumps(person_frames(3), 4)))
def test_damaged_people(tmp_path, content):
    read_bounded(read_person_pickle, write(tmp_path, content), OPTIONS)


# A true file

SAMPLE = Path(os.environ.get("MOFM_DATA", ""), "formats/mmaction2_pose_sample.pkl")


@pytest.mark.skipif(not SAMPLE.is_file(), reason="MOFM_DATA is not set")
def test_annotations_of_kinetics_are_data_without_keypoints():
    assert registry.format_of(SAMPLE).name == "mmaction"
    content = read_pickle(SAMPLE)
    assert [len(content["split"]["train"]), len(content["annotations"])] == [100, 100]
    entry = content["annotations"][0]
    assert (entry["frame_dir"], entry["label"], entry["img_shape"]) == ("jf7RDuUTrsQ", 325, (320, 570))
    assert (entry["frame_inds"].dtype, entry["box_score"].dtype) == (np.int16, np.float16)
    refused(SAMPLE, "annotation 'jf7RDuUTrsQ' has no 'keypoint'; its key-points are in other files")


# The splits that a file states, and 3D


def stated(split, names=("a", "b", "c")):
    keypoint = np.random.default_rng(0).uniform(1, 99, (1, 20, 17, 2))
    annotations = [{"frame_dir": name, "total_frames": 20, "keypoint": keypoint} for name in names]
    return {"split": split, "annotations": annotations}


@pytest.mark.parametrize(
    ("split", "option", "expected"),
    [
        ({"xsub_train": ["a"], "xsub_val": ["b"], "xview_train": ["b"]}, "xsub", ["train", "test", ""]),
        ({"xsub_train": ["a"], "xsub_val": ["b"], "xview_train": ["b"]}, "xview", ["", "train", ""]),
        ({"xsub_train": ["a"], "xsub_val": ["b"], "xview_train": ["b"]}, "", ["", "", ""]),
        ({"train1": ["c"], "test1": ["a", "b"]}, "", ["test", "test", "train"]),
        ({"train": ["a"], "val": ["b"], "test": ["c"]}, "", ["train", "validation", "test"]),
    ],
)
def test_stated_splits(tmp_path, split, option, expected):
    path = write(tmp_path, stated(split))
    with collect_notes() as notes:
        recordings = list(read_mmaction(path, ReadOptions(min_track=1, split=option)))
    assert [recording.split for recording in recordings] == expected
    assert any("none of them is taken" in note for note in notes) == (not any(expected))


def test_recordings_to_train_and_to_test_are_refused(tmp_path):
    refused(
        write(tmp_path, stated({"train": ["a", "b"], "val": ["b", "c"]})), "1 recordings .* both to .* such as 'b'"
    )


def test_a_split_that_is_not_stated_is_refused(tmp_path):
    path = write(tmp_path, stated({"train1": ["c"], "test1": ["a", "b"]}))
    refused(path, "states the splits 1, not 'xsub'", options=ReadOptions(split="xsub"))


@pytest.mark.parametrize(("unit", "space"), [(1.0, "camera"), (100.0, "world"), (1000.0, "world")])
def test_annotations_in_3d_are_metres_seen_by_the_sensor_or_measured(tmp_path, unit, space):
    ntu = get_layout("ntu25")
    body = np.zeros((1, 20, 25, 3))
    for joint, y in (("shoulder", 1.4), ("elbow", 1.1), ("wrist", 0.85), ("hip", 0.9), ("knee", 0.5), ("ankle", 0.1)):
        for side, x in (("left", 0.2), ("right", -0.2)):
            body[..., ntu.joint_index(f"{side}_{joint}"), :] = [x, y, 3.0]
    name = "S001C001P003R001A007" if space == "camera" else "walk"
    path = write(tmp_path, [{"frame_dir": name, "total_frames": 20, "keypoint": body * unit}])
    (recording,) = read_mmaction(path, OPTIONS)
    assert recording.space == space
    np.testing.assert_allclose(recording.keypoints, body, rtol=1e-5)

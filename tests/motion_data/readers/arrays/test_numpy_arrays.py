import io
import os
import struct
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from damaged_files import damaged, fuzz, read_bounded, read_damaged
from hypothesis import given

from motion_data.layouts import get_layout
from motion_data.notes import collect_notes
from motion_data.readers import FormatError, ReadOptions, array_files, registry
from motion_data.readers.arrays.numpy_arrays import read_npy, read_npz, read_numbers
from motion_data.readers.estimators.pose_container import read_pose

COCO = ReadOptions(layout="coco17")
EVERYONE = ReadOptions(min_track=1)


def keypoints(*shape, seed=0):
    return np.random.default_rng(seed).uniform(1, 9, shape).astype(np.float32)


def refused(read, path, match, options=COCO):
    with pytest.raises(FormatError, match=match) as caught:
        list(read(path, options))
    assert str(path) not in caught.value.reason or "cannot be read" in match


# One array


def save(folder, array, **kwargs):
    np.save(folder / "a.npy", array, **kwargs)
    return folder / "a.npy"


@pytest.mark.parametrize("dtype", ["<f4", ">f8", "f2", "i4"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_one_and_of_several_people(tmp_path, dtype, order):
    for shape in ((5, 17, 2), (3, 5, 17, 3)):
        values = keypoints(*shape) * 20
        values[..., 2:] = 1
        array = np.array(values, dtype, order=order)
        path = save(tmp_path, array)
        assert registry.format_of(path).name == "npy"
        (recording,) = read_npy(path, ReadOptions(layout="coco17", fps=24, frame_size=(64, 48)))
        expected = array.astype(np.float32).reshape(-1, *shape[-3:])[..., :2]
        np.testing.assert_array_equal(recording.keypoints, expected)
        assert (recording.scores == 1).all() and recording.track_ids == list(range(len(expected)))
        assert (recording.layout, recording.fps, recording.frame_size) == ("coco17", 24, (64, 48))


def test_arrays_are_cut_and_missing_joints_and_people_left_out(tmp_path):
    array = keypoints(2, 25, 33, 2)
    array[0, 3, 4] = np.nan
    array[0, 5, 6] = 0
    array[1, 10:] = 0
    recordings = list(read_npy(save(tmp_path, array), ReadOptions(max_frames=10)))
    assert [recording.segment for recording in recordings] == ["000000", "000010", "000020"]
    assert [recording.keypoints.shape for recording in recordings] == [(2, 10, 33, 2), (1, 10, 33, 2), (1, 5, 33, 2)]
    assert [recording.layout for recording in recordings] == ["mediapipe33"] * 3
    assert np.argwhere(recordings[0].scores == 0).tolist() == [[0, 3, 4], [0, 5, 6]]
    assert list(read_npy(save(tmp_path, np.full((4, 17, 2), np.inf)), COCO)) == []


@pytest.mark.parametrize(
    ("array", "match"),
    [
        (keypoints(5, 17, 4), "4 values, whose meaning cannot be told; give coordinates"),
        (keypoints(17, 2), r"shape \(17, 2\); it must be \[people, frames, joints, 2\]"),
        (np.zeros((0, 17, 2)), r"float32|float64 \(0, 17, 2\); it must hold numbers of at least 1 person"),
        (keypoints(5, 35), r"shape \(5, 35\); it must be \[people, frames, joints, 2\]"),
        (keypoints(5, 4, 17, 2), "5 people of 4 frames. .* axes='FMKC'"),
        (keypoints(3, 50, 25, 2), "coordinates of two people .ST-GCN.; give axes"),
        (np.array(["a"]), "keypoints is <U1"),
        (np.zeros((5, 17, 2), complex), "complex128 .* must hold numbers"),
        (np.array([None]), "Python objects"),
        (np.zeros((5, 17, 2), [("a", "f4")]), "must hold numbers"),
        (keypoints(5, 14, 2), "14 joints, but layout 'coco17' has 17"),
    ],
)
def test_arrays_that_are_no_keypoints_are_refused(tmp_path, array, match):
    path = save(tmp_path, array, allow_pickle=True)
    refused(read_npy, path, match, ReadOptions(layout="ntu25") if array.shape[:1] == (3,) else COCO)


@pytest.mark.parametrize("size", [2, 3])
def test_frames_of_numbers_need_a_layout(tmp_path, size):
    array = keypoints(5, 17, size)
    array[..., 2:] = 0.5
    path = save(tmp_path, array.reshape(5, -1))
    refused(read_npy, path, f"{17 * size} may be joints x coordinates: name the layout", ReadOptions())
    options = replace(COCO, coordinates="xyc" if size == 3 else "xy", min_track=1)
    with collect_notes() as notes:
        (recording,) = read_npy(path, options)
    np.testing.assert_array_equal(recording.keypoints[0], array[..., :2])
    assert any("taken for those of one joint after the other" in text for text in notes)


def test_a_dict_in_npy_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", {"keypoints": keypoints(5, 17, 2)}, allow_pickle=True)
    refused(read_npy, tmp_path / "a.npy", "holds Python objects, such as a dict")


def test_layouts_that_cannot_be_told_are_asked_for(tmp_path):
    path = save(tmp_path, keypoints(5, 17, 2))
    refused(read_npy, path, "it may be coco17 or h36m17; name the layout", ReadOptions())
    refused(read_npy, path, "layout 'x' is unknown", ReadOptions(layout="x"))
    refused(read_npy, save(tmp_path, keypoints(5, 14, 2)), "crowdpose14 or aic14; name the layout", ReadOptions())


def with_header(text):
    raw = text.encode().ljust(118) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(raw)) + raw


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "no file of NumPy arrays"),
        (b"\x93NUMPY\x01\x00", "no file of NumPy arrays"),
        (b"\x93NUMPY\x03\x00\x10\x00\x00\x00", "damaged one"),
        (
            with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000, 1000000, 17, 2)}"),
            "damaged one",
        ),
        (
            with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 17, 2)}") + b"\0" * 136,
            "damaged one",
        ),
        (with_header("{'descr': '<f4', 'fortran_order': False, 'shape': 'x'}"), "no file of NumPy arrays"),
        (with_header("__import__('os').system('touch x')"), "no file of NumPy arrays"),
        (with_header("{'descr': '|V0', 'fortran_order': False, 'shape': (9, 17, 2)}"), "must hold numbers"),
    ],
)
def test_headers_beyond_the_file_are_refused(tmp_path, content, match):
    path = tmp_path / "a.npy"
    path.write_bytes(content)
    assert registry.format_of(path).name == "npy"  # so that its error is heard
    refused(read_npy, path, match)
    refused(read_npy, tmp_path / "none.npy", "cannot be read")


def npy_bytes(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


@fuzz
@given(content=damaged(npy_bytes(keypoints(3, 17, 2))))
def test_damaged_npy(tmp_path, content):
    read_damaged(read_npy, tmp_path / "a.npy", content, COCO)


# Numbers in text


@pytest.mark.parametrize(("suffix", "separator"), [(".csv", ","), (".txt", " "), (".tsv", "\t"), (".csv", "; ")])
@pytest.mark.parametrize("size", [2, 3])
def test_lines_of_numbers(tmp_path, suffix, separator, size):
    motion = np.random.default_rng(0).uniform(0.1, 1, (30, 17, size)) * [600, 400, 1][:size]
    path = tmp_path / f"a{suffix}"
    for first in ([], [7]):  # and with the numbers of frames
        lines = [first and [first[0] + frame] for frame in range(30)]
        rows = [[*line, *values] for line, values in zip(lines, motion.reshape(30, -1).tolist(), strict=True)]
        path.write_text("\n".join(separator.join(map(repr, row)) for row in rows) + "\n")
        assert registry.format_of(path).name == "numbers"
        with collect_notes() as notes:
            (recording,) = read_numbers(path, COCO)
        assert "one joint after the other" in notes[0]
        np.testing.assert_allclose(recording.keypoints[0], motion[..., :2], rtol=1e-6)
        refused(read_numbers, path, f"has {17 * size + len(first)} numbers a line .* name the layout", ReadOptions())
    refused(read_numbers, path, "layout 'ntu25' needs 50 or 75 or 100", ReadOptions(layout="ntu25"))
    path.write_text(path.read_text() + separator.join("123"))
    refused(read_numbers, path, f"line 31 has 3 numbers; the first has {17 * size + 1}")


def test_lines_of_four_numbers_a_joint(tmp_path):
    """As KIMORE has them: x, y, z and whether the sensor saw the joint, and a comma at the end of a line."""
    body = np.random.default_rng(0).uniform(0, 1, (25, 3)) + [0, 0, 3]
    body[:, 1] = np.linspace(0, 1.7, 25)
    joints = np.concatenate([np.tile(body, (30, 1, 1)), np.full((30, 25, 1), 2.0)], -1)
    joints[:, 7, 3] = 0
    path = tmp_path / "JointPosition270214.csv"
    path.write_text("\n".join(",".join(map(str, row)) + "," for row in joints.reshape(30, -1)) + "\n")
    options = ReadOptions(layout="ntu25", max_score=2, units="m", up_axis="y")
    assert registry.format_of(path).name == "numbers"
    (recording,) = read_numbers(path, options)
    seen = np.arange(25) != 7
    np.testing.assert_allclose(recording.keypoints[0, :, seen], joints[:, seen, :3].swapaxes(0, 1), rtol=1e-6)
    assert (recording.scores[0] == seen).all()


@fuzz
@given(content=damaged("\n".join(" ".join(map(str, range(f, 34 + f))) for f in range(12)).encode()))
def test_damaged_numbers(tmp_path, content):
    read_damaged(read_numbers, tmp_path / "a.txt", content, COCO)


# Arrays with what belongs to them


def save_npz(folder, compressed=False, **arrays):
    (np.savez_compressed if compressed else np.savez)(folder / "a.npz", **arrays)
    return folder / "a.npz"


def test_npz_with_everything(tmp_path):
    scores = np.linspace(-0.5, 1.2, 2 * 5 * 17).reshape(2, 5, 17)
    for compressed in (False, True):
        path = save_npz(
            tmp_path,
            compressed,
            keypoints=keypoints(2, 5, 17, 2),
            scores=scores,
            fps=25,
            layout="h36m17",
            label="jump",
        )
        assert registry.format_of(path).name == "npz"
        (recording,) = read_npz(path, COCO)
        assert (recording.layout, recording.fps, recording.label) == ("h36m17", 25, "jump")
        np.testing.assert_allclose(recording.scores, scores.clip(0, 1), rtol=1e-6)
    (recording,) = read_npz(
        save_npz(tmp_path, keypoints=keypoints(5, 25, 3), label=3), ReadOptions(layout="ntu25", fps=30, units="m")
    )
    assert (recording.layout, recording.fps, recording.label) == ("ntu25", 30, "3")
    np.savez(tmp_path / "a.npz", keypoints(5, 17, 2))
    assert registry.format_of(tmp_path / "a.npz").name == "npz"
    assert len(list(read_npz(tmp_path / "a.npz", COCO))) == 1


def test_npz_whose_joints_have_names(tmp_path):
    """The names decide, not the number of joints: 15 may be of three layouts, and 14 are of none."""
    names = [f"{side} {joint}" for side in "lr" for joint in ("Shoulder", "elbow", "wrist", "hip", "knee", "ankle")]
    names += ["head", "hem of the coat"]
    places, scores = keypoints(5, 14, 2), np.linspace(0.1, 1, 5 * 14).reshape(5, 14)
    (recording,) = read_npz(save_npz(tmp_path, keypoints=places, scores=scores, joint_names=names), ReadOptions())
    assert recording.layout == "coco17" and (recording.scores[0, 0] > 0).sum() == 13
    np.testing.assert_allclose(recording.keypoints[0, :, 6], places[:, 6], rtol=1e-6)
    np.testing.assert_allclose(recording.scores[0, :, [5, 15]], scores[:, [0, 5]].T, rtol=1e-6)
    np.testing.assert_allclose(recording.keypoints[0, :, 0], places[:, 12], rtol=1e-6)
    refused(read_npz, save_npz(tmp_path, keypoints=places, joint_names=names[1:]), "has 13 joint_names")


@pytest.mark.parametrize("name", ["scores", "confidence", "keypoint_scores", "conf"])
def test_npz_with_other_names(tmp_path, caplog, name):
    """A joint that was not seen counts as missing whatever the scores are called."""
    scores = np.linspace(0, 1, 5 * 17).reshape(5, 17)
    size = {"frame_size": (640, 480)} if name == "conf" else {"width": 640, "height": 480}
    arrays = {"kpts": keypoints(5, 17, 2), name: scores, "time_ms": np.arange(5) * 40, **size}
    (recording,) = read_npz(save_npz(tmp_path, **arrays), COCO)
    np.testing.assert_allclose(recording.scores[0], scores, rtol=1e-6)
    assert recording.frame_size == (640, 480) and recording.fps == 25 and "not read" not in caplog.text
    (recording,) = read_npz(save_npz(tmp_path, **arrays, offsets=np.arange(3), ids=[1]), COCO)
    assert "the file has ids, offsets too, which are not read" in caplog.text


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"keypoints": None}, "it must hold .keypoints."),
        (
            {"keypoints": None, "poses": np.zeros((5, 156)), "trans": np.zeros((5, 3))},
            "save its joints, .frames, joints",
        ),
        ({"scores": np.ones((5, 16))}, "scores has shape"),
        ({"scores": np.array("x")}, "has scores"),
        ({"fps": [1, 2]}, "has fps"),
        ({"fps": np.nan}, "has fps"),
        ({"fps": -1}, "has fps"),
        ({"layout": "x"}, "layout 'x' is unknown"),
        ({"layout": "ntu25"}, "17 joints, but layout 'ntu25' has 25"),
        ({"layout": 1.5}, "has layout float64"),
        ({"label": np.array([None])}, "holds Python objects, such as a dict, which are not read; save its arrays"),
        ({"frame_size": [640, 480, 3]}, "a frame_size of 3 numbers; it must be a width and a height"),
        ({"width": 0, "height": 480}, "the picture's size 0 must be a whole number of pixels"),
    ],
)
def test_npz_that_contradict_themselves_are_refused(tmp_path, change, match):
    arrays = {"keypoints": keypoints(5, 17, 2), **change}
    path = save_npz(tmp_path, **{key: value for key, value in arrays.items() if value is not None})
    refused(read_npz, path, match)


def test_zip_bombs_are_refused(tmp_path, monkeypatch):
    path = save_npz(tmp_path, compressed=True, keypoints=np.zeros((8000, 17, 2)))
    assert path.stat().st_size < 64 * 1024 and len(list(read_npz(path, COCO))) == 0
    monkeypatch.setattr(array_files, "UNPACKED_BYTES", 2**20)
    refused(read_npz, path, "at most 64 times")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        header = with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (4000000, 17, 2)}")
        archive.writestr("keypoints.npy", header + bytes(100))
    refused(read_npz, path, "damaged one")


def npz_bytes(**arrays):
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


@fuzz
@given(content=damaged(npz_bytes(keypoints=keypoints(3, 17, 2), scores=np.ones((3, 17)), fps=25)))
def test_damaged_npz(tmp_path, content):
    read_damaged(read_npz, tmp_path / "a.npz", content, COCO)


# The .pose container

OPENPOSE = (
    "Nose Neck RShoulder RElbow RWrist LShoulder LElbow LWrist MidHip RHip RKnee RAnkle LHip LKnee LAnkle REye LEye "
    "REar LEar LBigToe LSmallToe LHeel RBigToe RSmallToe RHeel"
).split()
HAND = ("hand_left_keypoints_2d", "XYC", ["BASE", "T_STT"])
NUM_HAND = 2


def pose_bytes(version, components, points, ids=None, size=(640, 480), fps=24, count=None):
    """Write `points` [F, M, P, dimensions + 1], with confidence last, of all components end to end."""

    def text(value):
        return struct.pack("<H", len(value.encode())) + value.encode()

    content = struct.pack("<fHHHH", version, *size, 0, len(components))
    for name, shape, names in components:
        content += text(name) + text(shape) + struct.pack("<HHH", len(names), 1, 1)
        content += b"".join(map(text, names)) + struct.pack("<HH", 0, 1) + struct.pack("<HHH", 255, 0, 0)
    num_frames, num_people = points.shape[:2]
    count = num_frames if count is None else count
    points = points.astype("<f4")
    if version == 0:
        content += struct.pack("<HH", fps, count)
        for bodies in points:
            present = [person for person in range(num_people) if bodies[person].any()]
            content += struct.pack("<H", len(present))
            for person in present:
                content += struct.pack("<h", -1 if ids is None else ids[person]) + bodies[person].tobytes()
        return content
    content += (
        struct.pack("<HHH", fps, count, num_people) if version < 0.2 else struct.pack("<fIH", fps, count, num_people)
    )
    return content + points[..., :-1].tobytes() + points[..., -1].tobytes()


def openpose_points(num_frames=14, num_people=2):
    joints = np.arange(25 + NUM_HAND)
    points = np.zeros((num_frames, num_people, 25 + NUM_HAND, 3), np.float32)
    for person in range(num_people):
        for frame in range(num_frames):
            points[frame, person, :, 0] = 20 + 200 * person + 3 * joints + frame
            points[frame, person, :, 1] = 50 + 4 * joints
    points[..., 2] = 0.5
    points[0, 0, 3] = 10, 10, 0
    points[0, 0, 4, 2] = np.nan
    points[0, 0, 5, 2] = 1.01
    return points


BODY = ("pose_keypoints_2d", "XYC", OPENPOSE)


def write_pose(folder, *args, **kwargs):
    path = folder / "a.pose"
    path.write_bytes(pose_bytes(*args, **kwargs))
    return path


@pytest.mark.parametrize("version", [0.0, 0.1, 0.2])
@pytest.mark.parametrize("components", [(BODY, HAND), (HAND, BODY)])
def test_pose_of_openpose_with_several_people(tmp_path, version, components):
    points = openpose_points()
    stored = points if components[0] is BODY else np.roll(points, NUM_HAND, 2)
    path = write_pose(tmp_path, version, components, stored)
    assert registry.format_of(path).name == "pose"
    (recording,) = read_pose(path, ReadOptions())
    assert (recording.layout, recording.fps, recording.frame_size) == ("openpose25", 24, (640, 480))
    assert recording.keypoints.shape == (2, 14, 25, 2)
    expected = points[:, :, :25].transpose(1, 0, 2, 3).copy()
    expected[0, 0, 3:5] = 0
    np.testing.assert_array_equal(recording.keypoints, expected[..., :2])
    np.testing.assert_array_equal(recording.scores, expected[..., 2].clip(0, 1))
    layout = get_layout("openpose25")
    assert layout.joints[4] == "right_wrist" and layout.joints[19] == "left_big_toe"


def test_pose_ids_of_people_are_kept(tmp_path):
    points = openpose_points(6)
    points[2:4, 1] = 0
    (recording,) = read_pose(write_pose(tmp_path, 0.0, (BODY, HAND), points, ids=[7, 3]), EVERYONE)
    assert recording.track_ids == [3, 7]
    assert recording.scores[0].any(-1).tolist() == [True, True, False, False, True, True]


@pytest.mark.parametrize("version", [0.1, 0.2])
def test_pose_of_mediapipe_with_some_of_its_joints(tmp_path, version):
    names = ["NOSE", "MOUTH_LEFT", "LEFT_SHOULDER", "RIGHT_FOOT_INDEX"]
    components = [("FACE_LANDMARKS", "XYZC", ["0"]), ("POSE_LANDMARKS", "XYZC", names)]
    components += [("POSE_WORLD_LANDMARKS", "XYZC", names)]
    points = np.random.default_rng(0).uniform(0.1, 1, (14, 1, 9, 4))
    (recording,) = read_pose(write_pose(tmp_path, version, components, points), ReadOptions())
    joints = get_layout("mediapipe33").joints
    places = [joints.index(name) for name in ("nose", "left_mouth", "left_shoulder", "right_foot_index")]
    assert np.flatnonzero(recording.scores.any((0, 1))).tolist() == sorted(places)
    np.testing.assert_allclose(recording.keypoints[0][:, places], points[:, 0, 1:5, :2], rtol=1e-6)
    np.testing.assert_allclose(recording.scores[0][:, places], points[:, 0, 1:5, 3], rtol=1e-6)


def test_pose_of_other_bodies_is_coco(tmp_path):
    names = list(get_layout("coco17").joints) + ["left_big_toe"]
    points = np.random.default_rng(0).uniform(0.1, 1, (14, 1, 18, 3))
    (recording,) = read_pose(write_pose(tmp_path, 0.2, [("BODY", "XYC", names)], points), ReadOptions())
    assert recording.layout == "coco17"
    np.testing.assert_allclose(recording.keypoints[0], points[:, 0, :17, :2], rtol=1e-6)
    path = write_pose(tmp_path, 0.2, [("BODY", "XYC", ["a"] * 14)], points[:, :, :14])
    refused(read_pose, path, "only 0 of the joints are known", ReadOptions())


def test_pose_of_more_frames_than_version_0_1_can_say(tmp_path):
    component = ("BODY", "XYC", list(get_layout("jhmdb15").joints))
    points = np.ones((65540, 1, 15, 3), np.float32)
    recordings = list(
        read_pose(write_pose(tmp_path, 0.1, [component], points, count=4), ReadOptions(max_frames=40_000))
    )
    assert [recording.keypoints.shape[1] for recording in recordings] == [40_000, 25_540]
    assert recordings[0].layout == "jhmdb15"


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda content: b"", "is damaged"),
        (lambda content: content[:50], "is damaged"),
        (lambda content: content[:-1], "is damaged"),
        (lambda content: content + b"\0" * 4, "goes on for 4 bytes after its 14 frames"),
        (lambda content: struct.pack("<f", 0.3) + content[4:], "is damaged"),
        (lambda content: content.replace(b"XYC", b"XXC"), "damaged|points"),
        (lambda content: content.replace(b"pose_k", b"FACE_k"), "has no body"),
        (lambda content: content.replace(b"MidHip", b"MidHop"), "midhop"),
        (
            lambda content: content.replace(struct.pack("<fIH", 24, 14, 2), struct.pack("<fIH", 24, 2**32 - 1, 65535)),
            "is damaged",
        ),
        (
            lambda content: content.replace(struct.pack("<fIH", 24, 14, 2), struct.pack("<fIH", 24, 0, 2)),
            "is damaged",
        ),
        (
            lambda content: content.replace(struct.pack("<fIH", 24, 14, 2), struct.pack("<fIH", 24, 14, 0)),
            "is damaged",
        ),
        (
            lambda content: content.replace(struct.pack("<fI", 24, 14), struct.pack("<fI", np.nan, 14)),
            "at nan a second",
        ),
    ],
)
def test_pose_that_contradicts_itself_is_refused(tmp_path, change, match):
    path = tmp_path / "a.pose"
    path.write_bytes(change(pose_bytes(0.2, (BODY, HAND), openpose_points())))
    refused(read_pose, path, match, ReadOptions())


@pytest.mark.parametrize("version", [0.0, 0.1, 0.2])
def test_damaged_pose(tmp_path, version):
    content = pose_bytes(version, (BODY, HAND), openpose_points(2))

    @fuzz
    @given(content=damaged(content))
    def check(content):
        read_damaged(read_pose, tmp_path / "a.pose", content, EVERYONE)

    check()


# True files

FORMATS = Path(os.environ.get("MOFM_DATA", ""), "formats")


@pytest.mark.skipif(not (FORMATS / "openpose.pose").is_file(), reason="MOFM_DATA is not set")
def test_pose_files_of_their_producers():
    (recording,) = read_pose(FORMATS / "openpose.pose", ReadOptions())
    assert (recording.layout, recording.fps, recording.frame_size) == ("openpose25", 24, (1000, 1000))
    assert recording.keypoints.shape == (1, 93, 25, 2)
    np.testing.assert_allclose(recording.keypoints[0, 5, 0], (158.333, 70.0176), atol=1e-3)
    np.testing.assert_allclose(recording.scores[0, 5, :2], (0.903339, 0.676682), atol=1e-6)
    (recording,) = read_pose(FORMATS / "mediapipe.pose", ReadOptions())
    assert (recording.layout, recording.fps, recording.frame_size) == ("mediapipe33", 24, (1250, 1250))
    assert recording.keypoints.shape == (1, 170, 33, 2)
    joints = get_layout("mediapipe33").joints
    np.testing.assert_allclose(recording.keypoints[0, 5, joints.index("right_elbow")], (268.456, 1009.576), atol=1e-3)


@pytest.mark.skipif(not (FORMATS / "openpose.pose").is_file(), reason="MOFM_DATA is not set")
@pytest.mark.parametrize("name", ["openpose.pose", "mediapipe.pose"])
def test_pose_files_are_what_the_library_reads(name):
    pose = pytest.importorskip("pose_format").Pose.read((FORMATS / name).read_bytes())
    (recording,) = read_pose(FORMATS / name, ReadOptions())
    names = [point.lower() for point in pose.header.components[0].points]
    places = range(25)
    if name.startswith("mediapipe"):
        places = [get_layout("mediapipe33").joints.index(name) for name in names]
    body = pose.body.data.data[:, 0, : len(names), :2] * (pose.body.confidence[:, 0, : len(names), None] > 0)
    np.testing.assert_array_equal(recording.keypoints[0][:, places], body)


def test_arrays_of_st_gcn_are_several_recordings(tmp_path):
    data = np.zeros((3, 3, 40, 25, 2), np.float32)  # N, C, F, K, M
    body = np.random.default_rng(0).uniform(0, 1, (25, 3)) + [0, 0, 3]
    body[:, 1] = np.linspace(0, 1.7, 25)
    data[0, :, :30, :, 0] = body.T[:, None] + np.arange(30)[:, None] / 50
    data[2, :, :40, :, 1] = body.T[:, None]
    np.save(tmp_path / "data.npy", data)
    with pytest.raises(FormatError, match="give axes='MFKC' or axes='CFKM'"):
        list(read_npy(tmp_path / "data.npy", ReadOptions(layout="ntu25")))
    options = ReadOptions(layout="ntu25", axes="CFKM", units="m", up_axis="y")
    first, last = read_npy(tmp_path / "data.npy", options)
    assert (first.name, last.name) == ("000000", "000002")
    assert first.keypoints.shape == (1, 30, 25, 3) and last.keypoints.shape == (1, 40, 25, 3)
    np.testing.assert_allclose(first.keypoints[0, 7], body + 7 / 50, rtol=1e-5)


@pytest.mark.parametrize(("joints", "layout"), [(22, "smpl22"), (24, "smpl24"), (52, "smplh52")])
def test_bodies_of_smpl_are_known_by_their_number(tmp_path, joints, layout):
    body = np.random.default_rng(0).normal(0, 0.1, (joints, 3))
    body[[16, 17, 18, 19, 20, 21], 1] = [1.4, 1.4, 1.15, 1.15, 0.9, 0.9]  # shoulders, elbows, wrists
    body[[1, 2, 4, 5, 7, 8], 1] = [0.9, 0.9, 0.5, 0.5, 0.08, 0.08]  # hips, knees, ankles
    np.save(tmp_path / "joints.npy", np.tile(body, (20, 1, 1)))
    (recording,) = read_npy(tmp_path / "joints.npy", ReadOptions())
    assert recording.layout == layout and recording.space == "world"
    places = get_layout(layout).canonical
    np.testing.assert_allclose(recording.keypoints[0, 0, places[15]], body[7], rtol=1e-6)  # left ankle
    np.testing.assert_allclose(recording.keypoints[0, 0, places[10]], body[21], rtol=1e-6)  # right wrist


def test_members_larger_than_their_file_take_no_memory(tmp_path):
    path = save_npz(tmp_path, keypoints=keypoints(3, 17, 2))
    content = bytearray(path.read_bytes())
    place = content.index(b"PK\x01\x02") + 20  # the compressed size in the directory
    content[place : place + 4] = struct.pack("<I", 2**31)
    path.write_bytes(content)
    assert "has 2147483648 bytes in a file of" in str(read_bounded(read_npz, path, COCO))

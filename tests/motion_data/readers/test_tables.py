"""Tables of key-points, and other places in which people keep them: what is read, and what is refused."""

import io
import json

import numpy as np
import pytest
from damaged_files import damaged, fuzz, read_bounded
from hypothesis import given

from motion_data.layouts import COCO_KEYPOINTS, get_layout
from motion_data.readers import FormatError, ReadOptions, registry
from motion_data.readers.mediapipe_json import read_mediapipe
from motion_data.readers.tables import read_table
from motion_data.readers.videopose3d import read_videopose3d

SIZE = (640, 480)
OPTIONS = ReadOptions(min_track=1, frame_size=SIZE)
NUM_FRAMES = 5
BLAZE = get_layout("mediapipe33").joints


def body(frame, num_joints=33):
    """`[K, 3]` pixels and score that tell frame and joint."""
    k = np.arange(num_joints)
    return np.stack([100.0 + 4 * frame + 3 * k, 50.0 + 5 * k, (k + 1) / (num_joints + 1)], 1)


def assert_body(recording, layout="mediapipe33", num_joints=33, joints=slice(None)):
    assert recording.layout == layout and recording.keypoints.shape[:2] == (1, NUM_FRAMES)
    expected = np.stack([body(frame, num_joints) for frame in range(NUM_FRAMES)])[:, joints]
    np.testing.assert_allclose(recording.keypoints[0], expected[..., :2], rtol=1e-5)
    np.testing.assert_allclose(recording.scores[0], expected[..., 2], rtol=1e-5)


def csv(header, rows, delimiter=","):
    return "\n".join(delimiter.join(map(str, row)) for row in [header, *rows]) + "\n"


def wide(title, score="visibility", fractions=True, names=BLAZE, first=0):
    header = ["frame"]
    for place, name in enumerate(names):
        for axis in ("x", "y", "z", score):
            header.append(title.format(name=name, NAME=name.upper(), number=place + first, axis=axis))
    rows = []
    for frame in range(NUM_FRAMES):
        joints = body(frame, len(names))
        xy = joints[:, :2] / SIZE if fractions else joints[:, :2]
        rows.append([frame, *np.stack([*xy.T, joints[:, 0] * 0 - 0.5, joints[:, 2]], 1).reshape(-1)])
    return csv(header, rows)


TABLES = {
    "named": wide("{name}_{axis}"),
    "capitals": wide("{NAME}_{axis}"),
    "dots": wide("{NAME}.{axis}"),
    "numbers": wide("{axis}{number}", "v"),
    "numbers-from-1": wide("{axis}{number}", "v", first=1),
    "landmarks": wide("landmark_{number}_{axis}"),
    "axis-first": wide("{axis}_{name}"),
    "semicolons": wide("{name}_{axis}").replace(",", ";"),
    "pixels": wide("{name}_{axis}", fractions=False),
    "rows": csv(
        ["frame", "landmark", "x", "y", "z", "visibility"],
        [[f, k, *(body(f)[k, :2] / SIZE), 0, body(f)[k, 2]] for f in range(NUM_FRAMES) for k in range(33)],
    ),
    "rows-of-names": csv(
        ["frame", "x", "y", "visibility", "landmark_name"],
        [[f, *(body(f)[k, :2] / SIZE), body(f)[k, 2], BLAZE[k]] for f in range(NUM_FRAMES) for k in range(33)],
    ),
    "rows-from-1": csv(
        ["frame", "landmark", "x", "y", "visibility"],
        [[f, k + 1, *(body(f)[k, :2] / SIZE), body(f)[k, 2]] for f in range(NUM_FRAMES) for k in range(33)],
    ),
}


@pytest.mark.parametrize("kind", TABLES)
def test_tables_of_mediapipe(tmp_path, kind):
    path = tmp_path / "walk.csv"
    path.write_text(TABLES[kind])
    assert registry.format_of(path).name == "table"
    (recording,) = read_table(path, OPTIONS)
    assert_body(recording)
    if kind != "pixels":
        with pytest.raises(FormatError, match="fractions of the picture, not pixels; give frame_size"):
            list(read_table(path, ReadOptions(min_track=1)))


def test_deeplabcut(tmp_path):
    parts = [name for name in COCO_KEYPOINTS if name != "left_ear"]
    cells = [
        ["scorer", *["net"] * 48],
        ["bodyparts", *np.repeat(parts, 3)],
        ["coords", *["x", "y", "likelihood"] * 16],
    ]
    rows = [[f, *np.delete(body(f, 17), 3, 0).reshape(-1)] for f in range(NUM_FRAMES)]
    path = tmp_path / "walkDLC.csv"
    path.write_text("\n".join(",".join(map(str, row)) for row in [*cells, *rows]))
    (recording,) = read_table(path, OPTIONS)
    assert recording.layout == "coco17" and not recording.scores[0, :, 3].any()
    joints = np.arange(17) != 3
    np.testing.assert_allclose(recording.keypoints[0, 2, joints], body(2, 17)[joints, :2], rtol=1e-5)


def test_tables_with_several_people_and_empty_cells(tmp_path):
    text = wide("{name}_{axis}", fractions=False).splitlines()
    rows = [f"{person},{line}" for line in text[1:] for person in (4, 9)]
    cells = rows[3].split(",")
    cells[2:6] = [""] * 4
    path = tmp_path / "two.csv"
    path.write_text("\n".join(["person_id," + text[0], *rows[:3], ",".join(cells), *rows[4:]]))
    (recording,) = read_table(path, OPTIONS)
    assert recording.track_ids == [4, 9] and np.argwhere(recording.scores == 0).tolist() == [[1, 1, 0]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "no columns of key-points such as nose_x"),
        (TABLES["pixels"].replace("100.0,", "left,"), "has 'left' where a number must be"),
        (wide("point{number}_{axis}", names=BLAZE[:14], fractions=False), "14 joints"),
    ],
)
def test_tables_of_something_else_are_refused(tmp_path, text, message):
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(FormatError, match=message):
        list(read_table(path, OPTIONS))


@fuzz
@given(content=damaged(TABLES["named"].encode()))
def test_damaged_tables(tmp_path, content):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    registry.format_of(path)
    read_bounded(read_table, path, OPTIONS)


# MediaPipe in JSON


def point(joint, kind="object"):
    x, y, score = joint
    values = {"x": x / SIZE[0], "y": y / SIZE[1], "z": -0.2, "visibility": score}
    return list(values.values()) if kind == "list" else values


def camel(name):
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)


def bodies(kind="object"):
    return [[point(joint, kind) for joint in body(frame)] for frame in range(NUM_FRAMES)]


WORLD = [{"x": 0.1, "y": -0.3, "z": 0}] * 33
JSON_SHAPES = {
    "lists": bodies("list"),
    "camel-key": [{"frameIndex": f, "poseLandmarks": people} for f, people in enumerate(bodies())],
    "by-name": [{"frame": f, "landmarks": dict(zip(BLAZE, b, strict=True))} for f, b in enumerate(bodies())],
    "by-camel-name": [{"landmarks": {camel(n): p for n, p in zip(BLAZE, b, strict=True)}} for b in bodies()],
    "by-capital-name": [{"landmarks": {n.upper(): p for n, p in zip(BLAZE, b, strict=True)}} for b in bodies()],
    "by-number": [{"landmarks": {str(k): p for k, p in enumerate(b)}} for b in bodies()],
    "frames-by-number": {str(f): {"pose_landmarks": b} for f, b in enumerate(bodies())},
    "frames-in-an-object": {"frames": {str(f): b for f, b in enumerate(bodies())}},
    "with-world": [{"pose_landmarks": b, "pose_world_landmarks": WORLD} for b in bodies()],
}


@pytest.mark.parametrize("kind", JSON_SHAPES)
def test_shapes_of_mediapipe_json(tmp_path, kind):
    path = tmp_path / "pose.json"
    path.write_text(json.dumps(JSON_SHAPES[kind]))
    assert kind == "lists" or registry.format_of(path).name == "mediapipe-json"
    (recording,) = read_mediapipe(path, OPTIONS)
    assert_body(recording)


def test_world_landmarks_are_not_those_of_the_picture(tmp_path):
    path = tmp_path / "pose.json"
    world = body(0)[:, :2] / 300
    world -= world[[23, 24]].mean(0)
    frames = [[{"x": x, "y": y, "z": 0.1, "visibility": 0.9} for x, y in world]] * 3
    for content in (frames, [{"pose_world_landmarks": frame} for frame in frames]):
        path.write_text(json.dumps(content))
        with pytest.raises(FormatError, match="world landmarks"):
            list(read_mediapipe(path, OPTIONS))
    path.write_text(json.dumps([{"landmarks": {"tail": {"x": 0.1, "y": 0.2, "visibility": 1}}}]))
    with pytest.raises(FormatError, match="named 'tail', which MediaPipe has not"):
        list(read_mediapipe(path, OPTIONS))


# VideoPose3D


def write_videopose3d(path, array="positions_2d", metadata=True, cameras=1, num_joints=17, scale=1.0):
    motion = np.stack([body(frame, num_joints)[:, :2] for frame in range(NUM_FRAMES)]).astype(np.float32) * scale
    arrays = {array: {"S9": {"Walking 1": [motion + 300 * camera for camera in range(cameras)]}}}
    if metadata:
        arrays["metadata"] = {"layout_name": "coco", "num_joints": 17, "video_metadata": {"S9": {"w": 640, "h": 480}}}
    np.savez_compressed(path, **arrays)
    return path


def test_videopose3d(tmp_path):
    path = write_videopose3d(tmp_path / "data_2d_custom_walk.npz")
    assert registry.format_of(path).name == "videopose3d"
    (recording,) = read_videopose3d(path, ReadOptions())
    assert (recording.layout, recording.name, recording.subject) == ("coco17", "S9/Walking 1", 9)
    assert recording.frame_size == SIZE
    np.testing.assert_allclose(recording.keypoints[0, 3], body(3, 17)[:, :2], rtol=1e-5)
    two = list(read_videopose3d(write_videopose3d(path, cameras=2), ReadOptions()))
    assert [(each.name, each.camera) for each in two] == [("S9/Walking 1/0", "0"), ("S9/Walking 1/1", "1")]


def test_videopose3d_with_other_content_is_refused(tmp_path):
    path = write_videopose3d(tmp_path / "a.npz", metadata=False)
    with pytest.raises(FormatError, match="it may be coco17 or h36m17; name the layout"):
        list(read_videopose3d(path, ReadOptions()))
    np.savez(path, positions_2d=np.zeros((3, 17, 2)))
    with pytest.raises(FormatError, match="where a dictionary must be"):
        list(read_videopose3d(path, ReadOptions()))
    np.savez(path, positions_2d={"a": 3})
    with pytest.raises(FormatError, match="must be a dictionary"):
        list(read_videopose3d(path, ReadOptions()))


class Evil:
    def __reduce__(self):
        return (print, ("executed",))


def test_nothing_in_a_pickled_array_is_executed(tmp_path, capsys):
    np.savez(tmp_path / "a.npz", positions_2d={"a": Evil()})
    with pytest.raises(FormatError, match="no valid pickle of plain data"):
        list(read_videopose3d(tmp_path / "a.npz", ReadOptions()))
    assert "executed" not in capsys.readouterr().out


def videopose3d_bytes():
    buffer = io.BytesIO()
    np.savez(buffer, positions_2d={"S1": {"a": [np.zeros((3, 17, 2), np.float32) + 5]}})
    return buffer.getvalue()


@fuzz
@given(content=damaged(videopose3d_bytes()))
def test_damaged_videopose3d(tmp_path, content):
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    registry.format_of(path)
    read_bounded(read_videopose3d, path, ReadOptions(layout="coco17", min_track=1))

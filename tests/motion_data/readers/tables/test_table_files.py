"""Tables of key-points, and other places in which people keep them: what is read, and what is refused."""

import io
import json

import numpy as np
import pytest
from damaged_files import damaged, fuzz, read_bounded, read_damaged
from hypothesis import given

from motion_data.layouts import COCO_KEYPOINTS, get_layout
from motion_data.readers import FormatError, ReadOptions, registry
from motion_data.readers.arrays.videopose3d import read_videopose3d
from motion_data.readers.estimators.mediapipe_json import read_mediapipe
from motion_data.readers.tables.list_tables import read_table_of_lists
from motion_data.readers.tables.table_files import read_table

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
    "bars": wide("{name}_{axis}").replace(",", "|"),
    "spaces": wide("{name}_{axis}").replace(",", "  "),
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


# a person of 1.7 m, y up, who faces z
STANDING = np.array(
    [[0, 1.6], [0.03, 1.63], [-0.03, 1.63], [0.07, 1.6], [-0.07, 1.6], [0.18, 1.4], [-0.18, 1.4], [0.22, 1.1]]
    + [[-0.22, 1.1], [0.25, 0.85], [-0.25, 0.85], [0.1, 0.9], [-0.1, 0.9], [0.1, 0.5], [-0.1, 0.5], [0.1, 0.08]]
    + [[-0.1, 0.08]]
)
SPACE = np.concatenate([np.tile(STANDING, (20, 1, 1)), np.arange(20)[:, None, None] * 0.01 + np.zeros((20, 17, 1))], 2)


def space_table(titles, values, names=COCO_KEYPOINTS):
    header = ["frame", *(f"{name}_{title}" for name in names for title in titles)]
    return csv(header, [[number + 3, *row.reshape(-1)] for number, row in enumerate(values)])


def test_tables_of_3d_need_to_be_told_from_a_guessed_depth(tmp_path):
    """Of FreeMoCap and Anipose: millimetres, z up."""
    path = tmp_path / "walk.csv"
    values = (SPACE * [1, 1, -1])[..., [0, 2, 1]] * 1000
    long = [[f + 3, name, *values[f, k]] for f in range(20) for k, name in enumerate(COCO_KEYPOINTS)]
    for text in (
        space_table("xyz", values),
        space_table(["x", "y", "z", "score"], np.concatenate([values, np.full((20, 17, 1), 0.9)], 2)),
        csv(["frame", "keypoint", "x", "y", "z"], long),
    ):
        path.write_text(text)
        with pytest.raises(FormatError, match="x and y reach 250; give coordinates='xyz' if they are 3D, or 'xy'"):
            list(read_table(path, OPTIONS))
        (recording,) = read_table(path, ReadOptions(min_track=1, coordinates="xyz", fps=30.0))
        assert recording.layout == "coco17" and recording.space == "world" and recording.fps == 30
        np.testing.assert_allclose(recording.keypoints[0], SPACE, atol=1e-6)
        (flat,) = read_table(path, ReadOptions(min_track=1, coordinates="xy"))
        assert flat.space == "image" and flat.keypoints.shape[-1] == 2
    path.write_text(path.read_text() + "900000000000,nose,1,2,3\n")
    (tmp_path / "flat.csv").write_text(space_table("xy", values[..., :2]))
    with pytest.raises(FormatError, match="coordinates is 'xyz', but not every joint has a z"):
        list(read_table(tmp_path / "flat.csv", ReadOptions(min_track=1, coordinates="xyz")))
    with pytest.raises(FormatError, match="frames from 3 to 900000000000, which are too many in 3D"):
        list(read_table(path, ReadOptions(min_track=1, coordinates="xyz")))


def test_several_people_in_3d(tmp_path):
    rows = space_table("xyz", SPACE).splitlines()
    rows = ["person," + rows[0], *(f"{person},{row}" for row in rows[1:] for person in (2, 5)), "7," + rows[3]]
    (tmp_path / "two.csv").write_text("\n".join(rows))
    options = ReadOptions(min_track=1, coordinates="xyz", units="m", up_axis="y")
    (recording,) = read_table(tmp_path / "two.csv", options)
    assert recording.keypoints.shape == (3, 20, 17, 3) and recording.scores[2].any(-1).sum() == 1
    np.testing.assert_allclose(recording.keypoints[1], SPACE, atol=1e-6)


@pytest.mark.parametrize(
    ("title", "times", "fps"),
    [
        ("time", np.arange(NUM_FRAMES) / 12.5, 12.5),
        ("timestamp_ms", np.arange(NUM_FRAMES) * 20, 50),
        ("timestamp", np.array([5, 33_338, 66_671, 100_005, 200_000]), 30),
        ("seconds", np.arange(NUM_FRAMES) * 3600, 0),
    ],
)
def test_times_tell_the_rate(tmp_path, title, times, fps):
    first, *rows = wide("{name}_{axis}", fractions=False).splitlines()
    path = tmp_path / "timed.csv"
    path.write_text("\n".join([f"{title},{first}", *(f"{t},{row}" for t, row in zip(times, rows, strict=True))]))
    (recording,) = read_table(path, OPTIONS)
    assert recording.fps == pytest.approx(fps, rel=1e-3)
    (recording,) = read_table(path, ReadOptions(min_track=1, fps=15.0, override=("fps",)))
    assert recording.fps == 15


def people_over_time(columns):
    """A table of two people with some of the columns `time` and `person`; every row but the names has a joint each."""
    titles = [f"{name}_{axis}" for name in COCO_KEYPOINTS for axis in "xy"]
    rows = []
    for frame in (0, 1, 2, 5, 6):  # two frames are missing
        for person in (3, 4):
            told = {"time": 0.1 * frame, "person": person}
            places = body(frame, 17)[:, :2] + 200 * (person == 4)
            rows.append([*(told[column] for column in columns), *places.reshape(-1)])
    return csv([*columns, *titles], rows)


def test_times_stand_in_for_frames_where_people_share_them(tmp_path):
    path = tmp_path / "people.csv"
    path.write_text(people_over_time(["time", "person"]))
    (recording,) = read_table(path, OPTIONS)
    assert recording.track_ids == [3, 4] and recording.fps == pytest.approx(10)
    seen = (recording.scores > 0).all(-1)
    assert seen.tolist() == [[True] * 3 + [False] * 2 + [True] * 2] * 2
    np.testing.assert_allclose(recording.keypoints[1, 6], body(6, 17)[:, :2] + 200, rtol=1e-5)
    first, *rows = people_over_time(["time", "person"]).splitlines()
    path.write_text("\n".join([first, *rows[::2]]))  # of one person: times still tell what is missing
    (recording,) = read_table(path, OPTIONS)
    assert (recording.scores[0] > 0).any(-1).tolist() == seen[0].tolist() and recording.fps == pytest.approx(10)
    for columns in (["time"], ["person"]):
        path.write_text(people_over_time(columns))
        with pytest.raises(FormatError, match="several rows of one time, or of several people without times"):
            list(read_table(path, OPTIONS))


def test_a_row_for_each_joint_may_have_a_time_for_the_frame(tmp_path):
    rows = [
        [f"{0.04 * frame:.2f}", name, *values]
        for frame in range(NUM_FRAMES)
        for name, values in zip(BLAZE, body(frame), strict=True)
    ]
    path = tmp_path / "long.csv"
    path.write_text(csv(["timestamp", "landmark_name", "x", "y", "score"], rows))
    (recording,) = read_table(path, OPTIONS)
    assert_body(recording)
    assert recording.fps == pytest.approx(25)
    path.write_text(path.read_text().replace("0.04,", "soon,"))
    with pytest.raises(FormatError, match="has times that are no numbers, and no column of frames"):
        list(read_table(path, OPTIONS))


PLAIN = wide("{name}_{axis}")
ROWS = PLAIN.splitlines()
EDITED = {
    "a comment above": "# made by a script\n" + PLAIN,
    "titles of savetxt": "# " + PLAIN,
    "blank lines": "\n\n" + PLAIN + "\n\n",
    "blanks behind commas": PLAIN.replace(",", ", "),
    "frames of savetxt": "\n".join([ROWS[0], *(f"{f:.18e}{row[1:]}" for f, row in enumerate(ROWS[1:]))]),
    "a row of units": "\n".join([ROWS[0], ",".join(["-", *["px"] * 4 * 33]), *ROWS[1:]]),
    "commas at the end": "\n".join([ROWS[0], *(row + "," for row in ROWS[1:])]),
    "empty rows": PLAIN + "," * 132 + "\n",
}


@pytest.mark.parametrize("text", EDITED.values(), ids=EDITED)
@pytest.mark.parametrize(("ending", "encoding"), [("csv", "utf-8"), ("txt", "utf-8-sig"), ("csv", "utf-16")])
def test_what_scripts_and_spreadsheets_add(tmp_path, text, ending, encoding):
    path = tmp_path / f"walk.{ending}"
    path.write_text(text, encoding=encoding)
    assert registry.format_of(path).name == "table"
    assert_body(*read_table(path, OPTIONS))


@pytest.mark.parametrize("mark", ["", "nan", "NaN", "N/A", "None", "null", "-"])
def test_marks_of_what_is_missing(tmp_path, mark):
    text = wide("{name}_{axis}").splitlines()
    cells = text[3].split(",")
    cells[1:5] = [mark] * 4
    path = tmp_path / "walk.csv"
    path.write_text("\n".join([*text[:3], ",".join(cells), *text[4:]]))
    (recording,) = read_table(path, OPTIONS)
    assert np.argwhere(recording.scores == 0).tolist() == [[0, 2, 0]]


def test_a_row_without_anything_is_a_frame_where_no_column_numbers_them(tmp_path):
    header, *rows = (line.split(",", 1)[1] for line in wide("{name}_{axis}", fractions=False).splitlines())
    path = tmp_path / "walk.csv"
    path.write_text("\n".join([header, *rows[:2], "," * 131, *rows[3:]]))
    (recording,) = read_table(path, OPTIONS)
    assert (recording.scores[0] > 0).any(-1).tolist() == [True, True, False, True, True]


def test_numbers_with_a_decimal_comma(tmp_path):
    path = tmp_path / "german.csv"
    path.write_text(wide("{name}_{axis}").replace(",", ";").replace(".", ","))
    (recording,) = read_table(path, OPTIONS)
    assert_body(recording)


def test_names_as_mediapipe_writes_them(tmp_path):
    names = [name.replace("left_mouth", "MOUTH_LEFT").replace("right_mouth", "mouth (right)") for name in BLAZE]
    (tmp_path / "a.csv").write_text(wide("{name}_{axis}", names=names))
    assert_body(*read_table(tmp_path / "a.csv", OPTIONS))
    landmarks = [{"landmarks": dict(zip(names, body, strict=True))} for body in bodies()]
    (tmp_path / "a.json").write_text(json.dumps(landmarks))
    assert_body(*read_mediapipe(tmp_path / "a.json", OPTIONS))


def test_landmarks_in_a_list_are_those_that_their_names_say(tmp_path):
    names = [*COCO_KEYPOINTS[::-1]]
    frames = []
    for f in range(NUM_FRAMES):
        points = body(f) / [*SIZE, 1]
        frames.append(
            [{"name": n, "x": x, "y": y, "visibility": v} for n in names for x, y, v in [points[BLAZE.index(n)]]]
        )
    (tmp_path / "a.json").write_text(json.dumps({"frames": [{"landmarks": frame} for frame in frames]}))
    (recording,) = read_mediapipe(tmp_path / "a.json", OPTIONS)
    there = [BLAZE.index(name) for name in COCO_KEYPOINTS]
    expected = np.stack([body(f) for f in range(NUM_FRAMES)])[:, there]
    np.testing.assert_allclose(recording.keypoints[0][:, there], expected[..., :2], rtol=1e-5)
    assert recording.layout == "mediapipe33" and (recording.scores[0] > 0).sum() == NUM_FRAMES * 17
    frames[0][0]["name"] = "tail"
    (tmp_path / "a.json").write_text(json.dumps({"frames": [{"landmarks": frame} for frame in frames]}))
    with pytest.raises(FormatError, match="is named 'tail', which MediaPipe has not"):
        list(read_mediapipe(tmp_path / "a.json", OPTIONS))


def test_landmarks_without_names_of_their_numbers_and_times(tmp_path):
    """As scripts in browsers write them."""
    frames = [
        {"timestampMs": 40 * f, "poseLandmarks": np.insert(body(f) / [*SIZE, 1], 2, -0.1, 1).tolist()}
        for f in range(NUM_FRAMES)
    ]
    (tmp_path / "a.json").write_text(
        json.dumps({"metadata": {"source": "web"}, "poseLandmarks": [], "frames": frames})
    )
    assert registry.format_of(tmp_path / "a.json").name == "mediapipe-json"
    (recording,) = read_mediapipe(tmp_path / "a.json", OPTIONS)
    assert_body(recording)
    assert recording.fps == 25
    frames[2] = None  # nobody
    (tmp_path / "a.json").write_text(json.dumps({"frames": frames}))
    (recording,) = read_mediapipe(tmp_path / "a.json", OPTIONS)
    assert recording.fps == 25 and not recording.scores[0, 2].any()


@pytest.mark.parametrize("apart", [False, True])
def test_lists_in_the_cells_of_a_table(tmp_path, apart):
    """As pandas writes a frame whose column holds lists."""
    path = tmp_path / "lists.csv"
    size = 2 if apart else 3
    lists = [[body(f, 17)[:, :size].tolist(), body(f, 17)[:, 2].tolist()][: 1 + apart] for f in range(NUM_FRAMES)]
    rows = [[f, 4, f / 25, *(f'"{cell}"' for cell in row)] for f, row in enumerate(lists)]
    path.write_text(csv(["frame", "track_id", "time", "keypoints", "scores"][: 4 + apart], rows))
    assert registry.format_of(path).name == "table-of-lists"
    (recording,) = read_table_of_lists(path, OPTIONS)
    assert_body(recording, "coco17", 17)
    assert recording.track_ids == [4] and recording.fps == 25
    path.write_text(path.read_text().replace("]]", "]", 1))
    with pytest.raises(FormatError, match="row 1 has a keypoints that is no list"):
        list(read_table_of_lists(path, OPTIONS))
    path.write_text(csv(["frame", "keypoints"], [[f, f'"{body(f, 17)}"'] for f in range(NUM_FRAMES)]))
    assert_body(*read_table_of_lists(path, OPTIONS), "coco17", 17)
    path.write_text(csv(["frame", "keypoints"], [[0, f'"{[0.5] * 40000}"']]))
    with pytest.raises(FormatError, match="field larger than field limit .*; write long lists as JSON"):
        list(read_table_of_lists(path, OPTIONS))
    path.write_text(csv(["frame", "keypoints"], [[0, f'"{np.ones((500, 3))}"']]))
    with pytest.raises(FormatError, match="NumPy has left out its middle"):
        list(read_table_of_lists(path, OPTIONS))


@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_joints_in_the_cells_of_a_table(tmp_path, delimiter):
    """As pandas writes joints by name, and x and y of all joints."""
    path = tmp_path / "lists.csv"
    people = [body(f, 17) for f in range(NUM_FRAMES)]
    rows = [[f, *(f'"{tuple(joint)}"' for joint in person.tolist())] for f, person in enumerate(people)]
    path.write_text(csv(["frame", *COCO_KEYPOINTS], rows, delimiter))
    assert registry.format_of(path).name == "table-of-lists"
    assert_body(*read_table_of_lists(path, OPTIONS), "coco17", 17)
    box = "{'x1': 1.0"  # what is not read may be anything
    rows = [
        [f, box, '"{}"'.format(dict(zip(("x", "y", "visible"), person.T.tolist(), strict=True)))]
        for f, person in enumerate(people)
    ]  # as pandas writes what ultralytics gives
    path.write_text(csv(["frame", "box", "keypoints"], rows, delimiter))
    assert_body(*read_table_of_lists(path, OPTIONS), "coco17", 17)
    rows = [[f, *(f'"{column.tolist()}"' for column in person.T)] for f, person in enumerate(people)]
    path.write_text(csv(["frame", "x", "y", "score"], rows, delimiter))
    assert registry.format_of(path).name == "table-of-lists"
    assert_body(*read_table_of_lists(path, OPTIONS), "coco17", 17)


@fuzz
@given(content=damaged(b'frame,keypoints\n1,"[[1, 2], [3, 4]]"\n2,"[[1, 2], [3, 5]]"\n'))
def test_damaged_tables_of_lists(tmp_path, content):
    read_damaged(read_table_of_lists, tmp_path / "a.csv", content, OPTIONS)


@fuzz
@given(content=damaged(space_table("xyz", SPACE[:3]).encode()))
def test_damaged_tables_of_3d(tmp_path, content):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    read_bounded(read_table, path, ReadOptions(min_track=1, coordinates="xyz"))


@fuzz
@given(content=damaged(TABLES["named"].encode()))
def test_damaged_tables(tmp_path, content):
    read_damaged(read_table, tmp_path / "a.csv", content, OPTIONS)


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
    read_damaged(read_videopose3d, tmp_path / "a.npz", content, ReadOptions(layout="coco17", min_track=1))

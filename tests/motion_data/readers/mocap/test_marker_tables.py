"""CSV files of Motive and Nexus: markers and bones under lines of titles, which state the unit and the rate."""

import numpy as np
import pytest
from damaged_files import damaged, fuzz, read_bounded
from hypothesis import given

from motion_data.layouts import COCO_KEYPOINTS
from motion_data.readers import FormatError, ReadOptions, registry
from motion_data.readers.mocap.marker_tables import read_motive, read_vicon

OPTIONS = ReadOptions()
FRAMES = 20
BONES = (
    "Hip Ab Chest Neck Head LShoulder LUArm LFArm LHand RShoulder RUArm RFArm RHand "
    "LThigh LShin LFoot RThigh RShin RFoot"
)
ANNA = tuple(f"Anna:{name}" for name in BONES.split())
JOINTS = {  # of the bones, which start at the joint
    **{"nose": "Head", "left_shoulder": "LUArm", "left_elbow": "LFArm", "left_wrist": "LHand", "left_hip": "LThigh"},
    **{"left_knee": "LShin", "left_ankle": "LFoot", "right_shoulder": "RUArm", "right_ankle": "RFoot"},
}
MARKERS = "LFHD RFHD LSHO RSHO LELB RELB LWRA LWRB RWRA RWRB LASI RASI LKNE RKNE LANK RANK".split()


def places(count, seed=0):
    """Positions in metres that move a little, `[F, count, 3]`."""
    generator = np.random.default_rng(seed)
    return generator.uniform(0, 1.8, (1, count, 3)) + generator.normal(0, 0.01, (FRAMES, count, 3))


def motive(names=ANNA, kind="Bone", unit="Meters", values=None, first=0):
    values = places(len(names)) if values is None else values
    titles = [
        f"Format Version,1.23,Take Name,Take 1,Capture Frame Rate,240.0,Export Frame Rate,120.0,Length Units,{unit}",
        "",
        ",Type," + ",".join(f"{kind},{kind},{kind},{kind}" for _ in names) + ",Marker,Marker,Marker",
        ",Name," + ",".join(",".join([name] * 4) for name in names) + ",Anna:LWRA,Anna:LWRA,Anna:LWRA",
        ",ID," + ",".join("A1,A1,A1,A1" for _ in names) + ",B1,B1,B1",
        ",," + ",".join("Rotation,Position,Position,Position" for _ in names) + ",Position,Position,Position",
        "Frame,Time (Seconds)," + ",".join("W,X,Y,Z" for _ in names) + ",X,Y,Z",
    ]
    for frame, points in enumerate(values, first):
        cells = [",".join(["1", *("" if np.isnan(value) else f"{value:.6f}" for value in point)]) for point in points]
        titles.append(f"{frame},{frame / 120:.6f}," + ",".join(cells) + ",9,9,9")
    return "\r\n".join(titles) + "\r\n"


def vicon(subjects=("Bob",), unit="mm", values=None, before="", after=""):
    names = [f"{subject}:{marker}" for subject in subjects for marker in MARKERS]
    values = places(len(names)) * 1000 if values is None else values
    lines = [
        "Trajectories",
        "100",
        ",," + ",,,".join(names) + ",,",
        "Frame,Sub Frame," + ",".join("X,Y,Z" for _ in names),
        ",," + ",".join(f"{unit},{unit},{unit}" for _ in names),
    ]
    for frame, points in enumerate(values, 1):
        lines.append(f"{frame},0," + ",".join("" if np.isnan(value) else f"{value:.4f}" for value in points.ravel()))
    return before + "\n".join(lines) + "\n" + after


def write(folder, text, name="take.csv"):
    (folder / name).write_text(text)
    return folder / name


def joint(recording, name, person=0):
    return recording.keypoints[person, :, COCO_KEYPOINTS.index(name)]


def test_motive_bones_are_joints_where_they_start(tmp_path):
    values = places(19)
    values[3, BONES.split().index("LFArm")] = np.nan
    path = write(tmp_path, motive(values=values))
    assert registry.format_of(path).name == "motive"
    (recording,) = read_motive(path, ReadOptions(up_axis="y"))
    assert (recording.layout, recording.fps, recording.space) == ("coco17", 120, "world")
    for name, bone in JOINTS.items():
        expected = np.nan_to_num(values[:, BONES.split().index(bone)])
        np.testing.assert_allclose(joint(recording, name), expected, atol=1e-5)
    assert recording.scores[0, 3, COCO_KEYPOINTS.index("left_elbow")] == 0
    assert not joint(recording, "left_wrist").max() > 8  # the marker beside the bones is left out


@pytest.mark.parametrize(("unit", "metres"), [("Meters", 1), ("Centimeters", 0.01), ("Millimeters", 0.001)])
def test_motive_states_its_unit(tmp_path, unit, metres):
    values = places(19) / metres
    (recording,) = read_motive(write(tmp_path, motive(unit=unit, values=values)), ReadOptions(up_axis="y"))
    np.testing.assert_allclose(joint(recording, "nose"), values[:, 4] * metres, atol=1e-4)


def test_lines_of_titles_may_lack_their_names(tmp_path):
    text = motive().replace(",Type,", ",,").replace(",Name,", ",,").replace(",ID,", ",,")
    (recording,) = read_motive(write(tmp_path, text), OPTIONS)
    (expected,) = read_motive(write(tmp_path, motive(), "other.csv"), OPTIONS)
    np.testing.assert_array_equal(recording.keypoints, expected.keypoints)


def test_several_skeletons_of_motive_are_people(tmp_path):
    names = [f"{who}:{bone}" for who in ("Anna", "Ben") for bone in BONES.split()] + ["Ball:Top"]
    values = places(len(names))
    (recording,) = read_motive(write(tmp_path, motive(names, values=values)), ReadOptions(up_axis="y"))
    assert len(recording.keypoints) == 2
    np.testing.assert_allclose(
        joint(recording, "left_knee", 1), values[:, 19 + BONES.split().index("LShin")], atol=1e-5
    )


def test_vicon_markers_of_each_subject_are_a_person(tmp_path):
    values = places(32) * 1000
    values[2, MARKERS.index("LKNE")] = np.nan
    path = write(tmp_path, vicon(("Bob", "Eve"), values=values, before="Devices\n1000\n\n", after="\nEvents\n100\n"))
    assert registry.format_of(path).name == "vicon"
    (recording,) = read_vicon(path, ReadOptions(up_axis="y"))
    assert (recording.layout, recording.fps, recording.keypoints.shape) == ("coco17", 100, (2, FRAMES, 17, 3))
    np.testing.assert_allclose(
        joint(recording, "right_ankle", 1), values[:, 16 + MARKERS.index("RANK")] / 1000, atol=1e-6
    )
    wrist = values[:, [MARKERS.index("LWRA"), MARKERS.index("LWRB")]].mean(1) / 1000
    np.testing.assert_allclose(joint(recording, "left_wrist"), wrist, atol=1e-6)
    assert recording.scores[0, 2, COCO_KEYPOINTS.index("left_knee")] == 0


def test_tabs_separate_the_cells_of_nexus_as_well(tmp_path):
    text = vicon()
    (tabs,) = read_vicon(write(tmp_path, text.replace(",", "\t"), "take.txt"), OPTIONS)
    (commas,) = read_vicon(write(tmp_path, text), OPTIONS)
    np.testing.assert_array_equal(tabs.keypoints, commas.keypoints)


@pytest.mark.parametrize(
    ("read", "text", "message"),
    [
        (read_motive, motive(unit="Furlongs"), "has Length Units 'furlongs'; they must be one of meters"),
        (read_motive, motive().replace("Frame,Time", "Row,Time"), "Type, Name and Frame must be there"),
        (read_motive, motive().replace(",Name,", ",Label,"), "Type, Name and Frame must be there"),
        (read_motive, motive(names=["A:B", "C:D"]), "only 0 of the joints are known by name: A:B, C:D"),
        (
            read_motive,
            motive().replace("Export Frame Rate,120.0", "Export Frame Rate,fast"),
            "has Export Frame Rate 'fast'",
        ),
        (read_motive, motive().replace("\r\n3,", "\r\n7,"), "goes from frame 2 to 7; frames must go up by 1"),
        (read_motive, motive().replace(",9,9,9", ",nine,9,9").replace("Bone", "Other"), "positions must be numbers"),
        (read_motive, motive() + "x" * 200_000, "is no table that can be read"),
        (read_vicon, vicon() + "x" * 200_000, "is no table that can be read"),
        (read_vicon, vicon(unit="ft"), "has unit 'ft'; it must be one of m, cm, mm, in"),
        (read_vicon, vicon().partition("Frame")[0], "has no section 'Trajectories' with its rate"),
        (read_vicon, vicon(values=np.zeros((0, 16, 3))) + "x\n", "frames and positions must be numbers"),
    ],
)
def test_what_contradicts_itself_is_refused(tmp_path, read, text, message):
    with pytest.raises(FormatError, match=message):
        list(read(write(tmp_path, text), OPTIONS))


def test_a_unit_that_is_not_known_can_be_said(tmp_path):
    said = ReadOptions(units="in", up_axis="y")
    (recording,) = read_motive(write(tmp_path, motive(unit="Thumbs")), said)
    np.testing.assert_allclose(joint(recording, "nose"), places(19)[:, 4] * 0.0254, atol=1e-5)


@fuzz
@given(content=damaged(motive().encode(), is_text=True))
def test_damaged_motive(tmp_path, content):
    (tmp_path / "take.csv").write_bytes(content)
    read_bounded(read_motive, tmp_path / "take.csv", OPTIONS)


@fuzz
@given(content=damaged(vicon().encode(), is_text=True))
def test_damaged_vicon(tmp_path, content):
    (tmp_path / "take.csv").write_bytes(content)
    read_bounded(read_vicon, tmp_path / "take.csv", OPTIONS)

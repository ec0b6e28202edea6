"""MVNX: where segments begin are joints, in metres with z up."""

import numpy as np
import pytest
from damaged_files import damaged, fuzz, read_damaged
from hypothesis import given

from motion_data.layouts import COCO_KEYPOINTS
from motion_data.readers import FormatError, ReadOptions, registry
from motion_data.readers.mocap.mvnx import read_mvnx

# of MVN, in its order
SIDE = "Shoulder UpperArm ForeArm Hand"
SEGMENTS = "Pelvis L5 L3 T12 T8 Neck Head".split()
SEGMENTS += [f"{side}{part}" for side in ("Right", "Left") for part in SIDE.split()]
SEGMENTS += [f"{side}{part}" for side in ("Right", "Left") for part in ("UpperLeg", "LowerLeg", "Foot", "Toe")]
JOINT_OF = {
    f"{side.lower()}_{joint}": f"{side}{part}"
    for side in ("Left", "Right")
    for joint, part in (
        *(("shoulder", "UpperArm"), ("elbow", "ForeArm"), ("wrist", "Hand")),
        *(("hip", "UpperLeg"), ("knee", "LowerLeg"), ("ankle", "Foot")),
    )
}
HEIGHTS = {"Neck": 1.5, "Head": 1.6, "Foot": 0.1, "Toe": 0.02, "LowerLeg": 0.5, "UpperLeg": 0.95, "Hand": 0.8}
OPTIONS = ReadOptions(min_track=1)


def places(frames=5):
    """Return where segments begin, `[F, 23, 3]`, z up, of somebody who walks along x."""
    body = np.zeros((len(SEGMENTS), 3))
    for number, name in enumerate(SEGMENTS):
        side = name.startswith("Left") - name.startswith("Right")
        part = name.removeprefix("Left").removeprefix("Right")
        body[number] = number * 0.01, side * 0.2, HEIGHTS.get(part, 1.0 + 0.02 * number)
    return body + np.linspace(0, 1, frames)[:, None, None] * np.array([1.0, 0, 0])


def mvnx(*subjects, rate="60", segments=SEGMENTS):
    parts = ['<?xml version="1.0" encoding="UTF-8"?><mvnx version="4" xmlns="http://www.xsens.com/mvn/mvnx">']
    for subject in subjects:
        parts.append(f'<subject label="one" frameRate="{rate}" segmentCount="{len(segments)}"><segments>')
        parts += [
            f'<segment id="{number}" label="{name}"><points><point label="p"/></points></segment>'
            for number, name in enumerate(segments, 1)
        ]
        parts.append("</segments><frames>")
        numbers = [" ".join(f"{value:.6f}" for value in frame.reshape(-1)) for frame in subject]
        for kind in ("identity", "tpose", "tpose-isb"):
            parts.append(f'<frame time="0" type="{kind}"><position>{numbers[0]}</position></frame>')
        for number, text in enumerate(numbers):
            parts.append(
                f'<frame time="{number * 16}" index="{number}" type="normal"><orientation>1 0 0 0</orientation>'
                f"<position>{text}</position><velocity>0 0 0</velocity></frame>"
            )
        parts.append("</frames></subject>")
    return ("".join(parts) + "</mvnx>").encode()


def read(folder, content, options=OPTIONS):
    path = folder / "walk.mvnx"
    path.write_bytes(content)
    assert registry.format_of(path).name == "mvnx"
    return list(read_mvnx(path, options))


def test_segments_become_joints_and_z_is_up(tmp_path):
    (recording,) = read(tmp_path, mvnx(places()))
    assert (recording.layout, recording.fps, recording.keypoints.shape) == ("coco17", 60, (1, 5, 17, 3))
    for joint, segment in JOINT_OF.items():
        x, y, z = places()[:, SEGMENTS.index(segment)].T
        found = recording.keypoints[0, :, COCO_KEYPOINTS.index(joint)]
        np.testing.assert_allclose(found[:, 1], z, atol=1e-5)
        np.testing.assert_allclose(np.hypot(found[:, 0], found[:, 2]), np.hypot(x, y), atol=1e-5)
        assert (recording.scores[0, :, COCO_KEYPOINTS.index(joint)] == 1).all()
    assert (recording.scores[0, :, COCO_KEYPOINTS.index("left_ear")] == 0).all()


def test_left_is_left_of_who_walks(tmp_path):
    (recording,) = read(tmp_path, mvnx(places()))
    joints = {name: recording.keypoints[0, :, COCO_KEYPOINTS.index(name)] for name in ("left_hip", "right_hip")}
    forward = joints["left_hip"][-1] - joints["left_hip"][0]
    left = np.cross([0, 1, 0], forward)  # y is up
    assert left @ (joints["left_hip"][0] - joints["right_hip"][0]) > 0


def test_subjects_are_people_where_they_have_as_many_frames(tmp_path):
    (recording,) = read(tmp_path, mvnx(places(), places() + [0, 2, 0]))
    assert len(recording.keypoints) == 2
    assert not np.allclose(recording.keypoints[0], recording.keypoints[1])
    assert [one.keypoints.shape[1] for one in read(tmp_path, mvnx(places(), places(8)))] == [5, 8]


@pytest.mark.parametrize(
    "content, reason",
    [
        (mvnx(places()[:, :20]), "frame 0 has 60 numbers; 23 segments need 69"),
        (mvnx(places(), segments=[f"part{n}" for n in range(23)]), "only 0 of the joints are known by name"),
        (mvnx(), "has no frames with positions"),
        (mvnx(places(), rate="often"), "has frameRate 'often'; it must be a number"),
        (mvnx(places())[:900], "is damaged, or no MVNX file"),
        (b"", "is damaged, or no MVNX file"),
        (mvnx(places()).replace(b"0.950000", b"high"), "is damaged, or no MVNX file"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, content, reason):
    with pytest.raises(FormatError, match=reason):
        read(tmp_path, content)


def test_texts_that_name_each_other_do_not_fill_memory(tmp_path):
    names = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 20}">' for n in range(1, 9))
    bomb = f'<?xml version="1.0"?><!DOCTYPE m [<!ENTITY e0 "0 0 0 ">{names}]><mvnx><subject frameRate="60">'
    bomb += '<frame type="normal"><position>&e8;</position></frame></subject></mvnx>'
    found = read_damaged(read_mvnx, tmp_path / "bomb.mvnx", bomb.encode(), OPTIONS)
    assert isinstance(found, FormatError)


@fuzz
@given(content=damaged(mvnx(places(3)), is_text=True))
def test_damaged_files_are_read_or_refused(tmp_path, content):
    read_damaged(read_mvnx, tmp_path / "walk.mvnx", content, OPTIONS)

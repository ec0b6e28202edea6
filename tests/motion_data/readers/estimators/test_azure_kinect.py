"""What Azure Kinect's body tracking writes: bodies in camera space, joints by name, a rate from time stamps."""

import json

import numpy as np
import pytest

from motion_data.layouts import get_layout
from motion_data.readers import FormatError, ReadOptions, registry
from motion_data.views import picture

JOINTS = (
    *("PELVIS", "SPINE_NAVEL", "SPINE_CHEST", "NECK", "CLAVICLE_LEFT", "SHOULDER_LEFT", "ELBOW_LEFT", "WRIST_LEFT"),
    *("HAND_LEFT", "HANDTIP_LEFT", "THUMB_LEFT", "CLAVICLE_RIGHT", "SHOULDER_RIGHT", "ELBOW_RIGHT", "WRIST_RIGHT"),
    *("HAND_RIGHT", "HANDTIP_RIGHT", "THUMB_RIGHT", "HIP_LEFT", "KNEE_LEFT", "ANKLE_LEFT", "FOOT_LEFT", "HIP_RIGHT"),
    *("KNEE_RIGHT", "ANKLE_RIGHT", "FOOT_RIGHT", "HEAD", "NOSE", "EYE_LEFT", "EAR_LEFT", "EYE_RIGHT", "EAR_RIGHT"),
)
HEIGHTS = {"NOSE": -600, "EYE": -630, "EAR": -620, "SHOULDER": -450, "HIP": 0, "KNEE": 420, "ANKLE": 820}  # y down


def positions(frame, body):
    """Joints `[32, 3]` of somebody who faces the camera; the left of the body is on the right of the picture."""
    found = []
    for joint in JOINTS:
        part, _, side = joint.rpartition("_") if "_" in joint else (joint, "", "")
        sign = {"LEFT": 1, "RIGHT": -1}.get(side, 0)
        found.append([500.0 * body + 100 * sign, HEIGHTS.get(part, -200), 2000.0 + 10 * frame])
    return found


def content(frames=12):
    bodies = [
        [{"body_id": body + 1, "joint_positions": positions(frame, body), "joint_orientations": []} for body in (0, 1)]
        for frame in range(frames)
    ]
    return {
        "bone_list": [["PELVIS", "SPINE_NAVEL"]],
        "frames": [
            {"bodies": people, "frame_id": frame, "num_bodies": 2, "timestamp_usec": 1000 + frame * 66667}
            for frame, people in enumerate(bodies)
        ],
        "joint_names": JOINTS,
        "k4abt_sdk_version": "1.1.2",
    }


def read(path, content):
    path.write_text(json.dumps(content))
    assert registry.format_of(path).name == "azure-kinect"
    return list(registry.formats()["azure-kinect"].read(path, ReadOptions(min_track=1)))


def test_bodies_stand_upright_in_front_of_the_camera(tmp_path):
    (recording,) = read(tmp_path / "a.json", content())
    assert recording.layout == "azure-kinect32" and recording.space == "camera" and recording.track_ids == [1, 2]
    assert recording.fps == pytest.approx(15, abs=0.01) and recording.keypoints.shape == (2, 12, 32, 3)
    at = dict(zip(get_layout("azure-kinect32").joints, recording.keypoints[0, 3], strict=True))
    np.testing.assert_allclose(at["left_shoulder"], [-0.1, 0.45, 2.03], atol=1e-6)
    np.testing.assert_allclose(at["right_ankle"], [0.1, -0.82, 2.03], atol=1e-6)
    seen = dict(zip(get_layout("azure-kinect32").joints, picture(recording)[0][0, 3], strict=True))
    assert seen["left_shoulder"][0] > seen["right_shoulder"][0] and seen["nose"][1] < seen["left_hip"][1]


def test_positions_that_do_not_fit_the_names_are_refused(tmp_path):
    broken = content()
    broken["frames"][3]["bodies"][0]["joint_positions"].pop()
    with pytest.raises(FormatError, match=r"frame 3 have shape \(31, 3\); it must be \(32, 3\)"):
        read(tmp_path / "a.json", broken)
    del broken["joint_names"]
    with pytest.raises(FormatError, match="the file lacks 'joint_names'"):
        read(tmp_path / "a.json", broken)


def test_names_that_are_spelt_otherwise_make_coco(tmp_path):
    renamed = content()
    renamed["joint_names"] = [name.replace("NAVEL", "NAVAL") for name in JOINTS]
    (recording,) = read(tmp_path / "a.json", renamed)
    assert recording.layout == "coco17" and recording.scores.all()

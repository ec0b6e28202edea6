"""Folders of CMU Panoptic Studio: bodies of each frame in centimetres, y down."""

import json

import numpy as np
import pytest

from motion_data.layouts import get_layout
from motion_data.readers import FormatError, ReadOptions, registry
from motion_data.readers.sets.panoptic import read_panoptic

OPTIONS = ReadOptions()
FRAMES = 15
BODIES = np.random.default_rng(0).uniform(-80, 80, (FRAMES, 2, 19, 3))
SCORES = np.full((FRAMES, 2, 19), 0.6)
SCORES[4, 1, 5] = -1  # missing


def write(folder, joints=19, change=lambda frame, content: content):
    folder.mkdir(exist_ok=True)
    for frame in range(FRAMES):
        rows = np.concatenate([BODIES[frame], SCORES[frame, ..., None]], -1)[:, :joints]
        bodies = [{"id": 3 + person, f"joints{joints}": row.ravel().tolist()} for person, row in enumerate(rows)]
        content = {"version": 0.7, "univTime": 53541.5, "fpsType": "hd_29_97", "bodies": bodies}
        (folder / f"body3DScene_{frame + 120:08d}.json").write_text(json.dumps(change(frame, content)))
    return folder


def read(folder, options=OPTIONS):
    assert registry.format_of(folder).name == "panoptic"
    return list(read_panoptic(folder, options))


def test_bodies_are_people_in_metres_with_y_up(tmp_path):
    (recording,) = read(write(tmp_path / "hdPose3d_stage1_coco19"))
    assert (recording.layout, recording.fps, recording.space) == ("panoptic19", 29.97, "world")
    assert (recording.track_ids, recording.first_frame) == ([3, 4], 120)
    expected = BODIES.transpose(1, 0, 2, 3) * [0.01, -0.01, -0.01]
    seen = SCORES.transpose(1, 0, 2) > 0
    np.testing.assert_allclose(recording.keypoints[seen], expected[seen], atol=1e-6)
    np.testing.assert_allclose(recording.scores, np.where(seen, 0.6, 0), atol=1e-6)


def test_the_first_bodies_lack_eyes_and_ears(tmp_path):
    (recording,) = read(write(tmp_path / "hdPose3d_stage1", joints=15))
    layout = get_layout("panoptic19")
    assert not recording.scores[..., [layout.joints.index(f"{side}_ear") for side in ("left", "right")]].any()
    np.testing.assert_allclose(recording.keypoints[0, :, 14, 0], BODIES[:, 0, 14, 0] / 100, atol=1e-6)


def test_people_come_and_go(tmp_path):
    def leave(frame, content):
        return {**content, "bodies": content["bodies"][: 1 if frame % 15 < 14 else 0]}

    (recording,) = read(write(tmp_path / "scene", change=leave), ReadOptions(min_track=1))
    assert recording.keypoints.shape == (1, FRAMES - 1, 19, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame, content: {"version": 1}, "body3DScene_00000120.json: the file lacks 'bodies'"),
        (lambda frame, content: {"bodies": [{"id": 1, "joints": []}]}, "it must have joints19 or joints15"),
        (lambda frame, content: {"bodies": [{"id": 1, "joints19": [1.0, 2.0]}]}, "joints19 has 2 numbers; .* 76"),
        (lambda frame, content: {"bodies": [{"joints19": [0.0] * 76}]}, "a body lacks 'id'"),
        (lambda frame, content: {"bodies": []}, "nobody is in it"),
    ],
)
def test_other_files_are_refused(tmp_path, change, message):
    with pytest.raises(FormatError, match=message):
        read(write(tmp_path / "scene", change=change))


def test_another_layout_only_where_it_overrides(tmp_path):
    folder = write(tmp_path / "scene")
    assert read(folder, ReadOptions(layout="coco17"))[0].layout == "panoptic19"
    with pytest.raises(FormatError, match="19 joints, but layout 'coco17' has 17"):
        read(folder, ReadOptions(layout="coco17", override=("layout",)))

"""What `torch.save` wrote: key-points are read, weights and code are not."""

import io

import numpy as np
import pytest
import torch
from damaged_files import damaged, fuzz, read_damaged
from hypothesis import given

from motion_data.inputs import as_recordings, input_options
from motion_data.layouts import COCO_KEYPOINTS
from motion_data.readers import FormatError, ReadOptions, registry
from motion_data.readers.arrays.torch_tensors import read_torch

COCO = input_options(layout="coco17")
KEYPOINTS = torch.rand(30, 17, 2, generator=torch.Generator().manual_seed(0)) * 100 + 50
SCORES = torch.linspace(0.3, 1, 30 * 17).reshape(30, 17)


def save(path, content):
    torch.save(content, path)
    return path


@pytest.mark.parametrize(
    "content",
    [
        torch.cat((KEYPOINTS, SCORES[..., None]), -1),
        {"keypoints": KEYPOINTS, "scores": SCORES},
        {"vitpose": torch.cat((KEYPOINTS, SCORES[..., None]), -1).requires_grad_()},
        [torch.cat((places, scores[:, None]), -1) for places, scores in zip(KEYPOINTS, SCORES, strict=True)],
    ],
    ids=["tensor", "fields", "field of another name", "frames"],
)
def test_tensors_are_read_as_arrays_are(tmp_path, content):
    (recording,) = as_recordings(save(tmp_path / "clip.pt", content), COCO)
    np.testing.assert_allclose(recording.keypoints[0], KEYPOINTS.numpy(), rtol=1e-6)
    np.testing.assert_allclose(recording.scores[0], SCORES.numpy(), rtol=1e-6)


def test_names_of_joints_decide_and_what_stands_beside_is_read(tmp_path):
    order = list(range(16, -1, -1))
    content = {"keypoints": KEYPOINTS[:, order], "joint_names": [COCO_KEYPOINTS[k] for k in order], "fps": 25}
    (recording,) = as_recordings(save(tmp_path / "named.pth", content))
    assert recording.fps == 25 and recording.layout == "coco17"
    np.testing.assert_allclose(recording.keypoints[0], KEYPOINTS.numpy(), rtol=1e-6)


def test_clips_keep_their_labels(tmp_path):
    clips = [{"keypoints": KEYPOINTS, "label": "walk"}, {"keypoints": KEYPOINTS[:20], "label": "run"}]
    assert [one.label for one in as_recordings(save(tmp_path / "clips.pt", clips), COCO)] == ["walk", "run"]
    whole = {"X": torch.stack([KEYPOINTS] * 3), "y": torch.tensor([0, 1, 1])}
    assert [one.label for one in as_recordings(save(tmp_path / "set.pt", whole), COCO)] == ["0", "1", "1"]


def test_weights_are_of_no_known_format(tmp_path):
    for number, module in enumerate((torch.nn.Linear(3, 8), torch.nn.Conv2d(3, 64, 7), torch.nn.Conv3d(8, 17, 3))):
        assert registry.format_of(save(tmp_path / f"{number}.pt", module.state_dict())) is None
    with pytest.raises(FormatError, match="is of no known format; save a tensor, or a dict with the name keypoints"):
        as_recordings(tmp_path / "0.pt")


class Trap:
    called = False

    def __reduce__(self):
        return setattr, (Trap, "called", True)


def test_code_in_a_file_is_not_run(tmp_path):
    path = save(tmp_path / "trap.pt", {"keypoints": KEYPOINTS, "other": Trap()})
    with pytest.raises(FormatError, match="holds no tensors that can be read"):
        as_recordings(path, COCO)
    assert not Trap.called


def test_tensors_that_are_far_larger_than_their_file_are_refused(tmp_path):
    path = save(tmp_path / "bomb.pt", torch.zeros(1, 17, 2).expand(10**8, 17, 2))
    with pytest.raises(FormatError, match=r"has a tensor \(100000000, 17, 2\), far larger than the file"):
        as_recordings(path, COCO)


def saved(content):
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


@fuzz
@given(content=damaged(saved({"keypoints": KEYPOINTS[:3], "scores": SCORES[:3]})))
def test_damaged_files_are_read_or_refused(tmp_path, content):
    read_damaged(read_torch, tmp_path / "clip.pt", content, ReadOptions(layout="coco17"))

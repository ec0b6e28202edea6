"""The picture of a clip: every slice is drawn, and a ghost is orange."""

import numpy as np
import pytest
import torch
from clips import TINY_GEOMETRY, make_clips

from tokenization_mofm import DVEDConfig, DVEDModel, MoFMTokenizer

pytest.importorskip("matplotlib")


@pytest.mark.parametrize("num_slices", [None, 1])
def test_a_clip_is_drawn(num_slices, tmp_path):
    from tokenization_mofm.drawing import draw_clip

    torch.manual_seed(0)
    tokenizer = MoFMTokenizer(DVEDModel(DVEDConfig(**TINY_GEOMETRY, hidden_size=16, codebook_size=32)))
    keypoints, scores = make_clips(1)
    figure = draw_clip(tokenizer, keypoints[0], scores[0], num_slices)
    slices = num_slices or tokenizer.dved.config.grid_size[0]
    assert len(figure.axes) == 4 * slices + 1  # and the colour bar
    figure.savefig(tmp_path / "clip.png")
    assert (tmp_path / "clip.png").stat().st_size > 5000


def test_a_ghost_is_orange():
    from tokenization_mofm.drawing import _with_ghost

    target = np.zeros((4, 4))
    target[1, 1] = 1
    picture = _with_ghost(np.where(target > 0, 1.0, 0) + np.eye(4)[::-1] * (target == 0), target)
    assert np.allclose(picture[1, 1], 0) and np.allclose(picture[0, 0], 1)
    assert picture[0, 3].argmax() == 0 and picture[0, 3, 2] == 0

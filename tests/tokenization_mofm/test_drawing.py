"""The picture of a clip: every slice is drawn, and a ghost is orange."""

import numpy as np
import pytest
import torch
from clips import TINY_GEOMETRY, make_clips

from tokenization_mofm import DVEDConfig, DVEDModel, MoFMTokenizer
from tokenization_mofm.clip_inputs import ClipInputs
from tokenization_mofm.thermal_cubes import cut_cubes

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


def test_the_motion_book_is_drawn_with_what_its_words_look_like_and_what_follows(tmp_path):
    from tokenization_mofm.gallery import draw_motion_book, word_use

    torch.manual_seed(0)
    tokenizer = MoFMTokenizer(DVEDModel(DVEDConfig(**TINY_GEOMETRY, hidden_size=16, codebook_size=32)))
    keypoints, scores = make_clips(6)
    use = word_use(tokenizer, keypoints, scores, batch_size=4)
    ids = tokenizer.dved.encode(keypoints, scores).input_ids
    clips = ClipInputs.check(tokenizer.dved.config, torch.float32, keypoints, scores)
    heat = cut_cubes(tokenizer.dved.target(clips), (4, 6, 6))
    word = int(use.counts.argmax())
    assert use.counts.tolist() == torch.bincount(ids[ids < 32], minlength=32).tolist()
    torch.testing.assert_close(use.pictures[word], heat[:, :, 0][ids == word].mean(0))
    first, second = ids.view(6, 2, 16).unbind(1)
    after = second[(first == word) & (second < 32)]
    if len(after):
        assert int((after == use.followers[word]).sum()) == torch.bincount(after).max()
    figure = draw_motion_book(tokenizer, keypoints, scores, num_words=5)
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert len(shown) == min(5, int((use.counts > 0).sum())) and shown[0].get_title().startswith(f"{word}  ")
    with pytest.raises(ValueError, match="use no word of the MotionBook"):
        draw_motion_book(tokenizer, keypoints, torch.zeros_like(scores))


def test_time_is_colour():
    from tokenization_mofm.gallery import EARLY, LATE, _in_time

    cube = np.zeros((4, 3, 3))
    cube[0, 0, 0] = cube[3, 2, 2] = 0.5
    picture = _in_time(cube)
    assert np.allclose(picture[0, 0], EARLY) and np.allclose(picture[2, 2], LATE) and np.allclose(picture[1, 1], 1)

"""Repair: what is seen stays, what is missing stands where the decoder says, in the units of the recording."""

import numpy as np
import pytest
import torch
from clips import TINY_GEOMETRY, TINY_SIZES, make_clips

from modeling_mofm import MoFMConfig, MoFMForMaskedMotionModeling
from modeling_mofm.repair import expected_keypoints, repair
from motion_data.keypoints import Motion


def build(weight=5.0):
    torch.manual_seed(3)
    return MoFMForMaskedMotionModeling(
        MoFMConfig(**TINY_GEOMETRY, **TINY_SIZES, codebook_size=32, coordinate_loss_weight=weight)
    ).eval()


class Oracle(torch.nn.Module):
    """Stands in for a decoder that has learnt everything: says that all is in the middle of the map."""

    def forward(self, tokens, attention_mask):
        return torch.zeros(len(tokens), 8, 17, 2)


def motion(people=2, frames=30, seed=0):
    generator = np.random.default_rng(seed)
    keypoints = generator.uniform(100, 300, (people, frames, 17, 2)).astype(np.float32)
    return Motion(keypoints, np.ones((people, frames, 17), np.float32))


@pytest.mark.parametrize("frames", [4, 8, 9, 30])
def test_what_is_seen_stays_and_what_is_missing_is_found(frames):
    seen = motion(frames=frames)
    seen.scores[0, :, 3] = 0
    seen.keypoints[0, :, 3] = -1e6
    seen.scores[1] = 0  # nobody: nothing to go by
    found = repair(build(), seen)
    others = [k for k in range(17) if k != 3]
    np.testing.assert_array_equal(found.keypoints[0][:, others], seen.keypoints[0][:, others])
    assert (found.scores[0] == 1).all() and not found.scores[1].any()
    assert np.isfinite(found.keypoints).all() and np.abs(found.keypoints[0, :, 3]).max() < 2000


def test_people_who_walk_are_repaired_where_they_are():
    """Without a path in the map, what is put back goes along with the person."""
    model = build()
    model.config.center_frames = True
    model.coordinate_decoder = Oracle()
    still = motion(1, 20)
    still.keypoints[:] = still.keypoints[:, :1]
    odd = np.zeros(still.scores.shape, bool)
    odd[0, 5:9, 7] = True
    path = np.linspace(0, 900, 20, dtype=np.float32)[:, None, None] * np.array([1, -0.5], np.float32)
    walking = Motion(still.keypoints + path, still.scores)
    for frame in (5, 8):
        found = [repair(model, one, odd=odd).keypoints[0, frame, 7] for one in (walking, still)]
        np.testing.assert_allclose(found[0] - found[1], path[frame, 0], atol=0.1)


def test_places_are_in_the_units_of_the_recording():
    model = build()
    model.coordinate_decoder = Oracle()
    still = motion(1, 20)
    still.keypoints[:] = still.keypoints[:, :1]
    odd = np.zeros(still.scores.shape, bool)
    odd[0, 5:9, 7] = True
    found = repair(model, still, odd=odd)
    rest = np.delete(still.keypoints[0, 0], 7, 0)
    with_it = still.keypoints[0, 0]
    middles = [(points.min(0) + points.max(0)) / 2 for points in (rest, with_it)]
    np.testing.assert_allclose(found.keypoints[0, 6, 7], middles[1], atol=1)
    untouched = ~odd
    np.testing.assert_array_equal(found.keypoints[untouched], still.keypoints[untouched])


def test_a_repaired_key_point_does_not_hang_on_what_it_was():
    first, second = motion(), motion()
    odd = np.zeros(first.scores.shape, bool)
    odd[0, 10:20, 9] = True
    second.keypoints[0, 10:20, 9] += 500
    model = build()
    np.testing.assert_allclose(
        repair(model, first, odd=odd).keypoints, repair(model, second, odd=odd).keypoints, rtol=1e-5
    )


def test_expected_key_points_are_those_of_pre_training():
    model = build()
    keypoints, scores = make_clips(3)
    scores[:, :, 4] = 0
    clips = model.read_clips(keypoints, scores)
    outputs = model.mofm(clips=clips)
    places = model.coordinate_decoder(outputs.last_hidden_state, outputs.attention_mask)
    found = expected_keypoints(model, keypoints, scores)
    torch.testing.assert_close(found / 23 * 2 - 1, places, rtol=1e-4, atol=1e-5)


def test_a_model_of_words_alone_cannot_repair():
    with pytest.raises(ValueError, match="has not learnt where hidden key-points are.*--coordinate-loss-weight"):
        repair(build(0.0), motion())
    with pytest.raises(ValueError, match=r"odd must be \[2, 30, 17\]"):
        repair(build(), motion(), odd=np.zeros((2, 30), bool))

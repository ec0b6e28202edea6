"""The same motion at another rate."""

import numpy as np
import pytest

from motion_data.keypoints import Motion
from motion_data.resampling import grid_frames, resample, source_frames


def ramp(fps, seconds=2.0):
    """Everything moves by 90 pixels a second."""
    time = np.arange(int(seconds * fps) + 1) / fps
    return Motion(
        np.broadcast_to(10 + 90 * time[None, :, None, None], (1, len(time), 17, 2)).copy(), np.ones((1, len(time), 17))
    )


@pytest.mark.parametrize("fps", [10, 15, 24, 25, 29.97, 60, 120])
def test_a_grid_has_the_same_seconds(fps):
    source, out = ramp(fps), resample(ramp(fps), fps, 30)
    np.testing.assert_allclose(out.keypoints, ramp(30).keypoints[:, : out.keypoints.shape[1]], atol=1e-9)
    assert abs(out.keypoints.shape[1] - 61) <= 1 and (out.scores == 1).all()
    frames = grid_frames(source.scores.shape[1], fps, 30)
    assert frames[0] == 0 and frames[-1] == out.scores.shape[1] - 1
    assert np.abs(frames / 30 - np.arange(len(frames)) / fps).max() < 1 / 30
    assert source_frames(source.scores.shape[1], fps, 30).max() <= source.scores.shape[1] - 1


def test_missing_joints_are_not_interpolated_with_what_is_not_there():
    motion = ramp(10)
    motion.scores[0, 5, 3] = 0
    motion.keypoints[0, 5, 3] = np.nan
    out = resample(motion, 10, 30)
    assert np.isfinite(out.keypoints[out.scores > 0]).all()
    assert np.flatnonzero(out.scores[0, :, 3] == 0).tolist() == [14, 15, 16]  # those that are nearest to frame 5

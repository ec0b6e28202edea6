"""From scores of windows to scores of frames: the protocol of anomaly detection on people's tracks, as pure functions.

Windows slide over each person's track; a window's score stands at its centre, and on a straight line to the next; a
frame takes the maximum over people; a frame without a score takes the minimum; scores are smoothed over time by a
Gaussian (SPARTA and the works before it).
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d

MAX_GAP = 0.4  # seconds out of sight after which a person starts another track
PROGRESS_AFTER = 5.0  # seconds of work on a recording's windows after which progress is shown


def tracks(present: np.ndarray, max_gap: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """List people's tracks.

    A track goes from a frame in which a person is present to another, between which they are never missing for more
    than `max_gap` frames; someone who stays away longer starts another track.

    Args:
        present: bool `[M, F]`, whether a person has any joint in a frame.
        max_gap: frames.

    Returns:
        people, first and last frames, each `[tracks]` int64, in that order.
    """
    person, frame = np.nonzero(present)
    if not len(person):
        return person, frame, frame
    leaves = np.flatnonzero((np.diff(person) > 0) | (np.diff(frame) > max_gap + 1))
    first = np.concatenate(([0], leaves + 1))
    last = np.concatenate((leaves, [len(person) - 1]))
    return person[first], frame[first], frame[last]


def sliding_windows(present: np.ndarray, length: int, stride: int, max_gap: int) -> tuple[np.ndarray, np.ndarray]:
    """List the windows over people's tracks; a track of fewer frames than a window has none.

    Args:
        present: bool `[M, F]`, whether a person has any joint in a frame.
        length: frames of a window.
        stride: frames from one window of a track to the next; the first starts with the track.
        max_gap: frames.

    Returns:
        people `[W]` and first frames `[W]`, int64, in that order.
    """
    person, first, last = tracks(present, max_gap)
    count = np.maximum((last - first + 1 - length) // stride + 1, 0)
    number = np.arange(count.sum()) - np.repeat(count.cumsum() - count, count)
    return np.repeat(person, count), np.repeat(first, count) + number * stride


def follows(people: np.ndarray, starts: np.ndarray, stride: int) -> np.ndarray:
    """Return whether each window `[W]` of `sliding_windows` is the next of the track of the one before it."""
    return np.append(False, (np.diff(people) == 0) & (np.diff(starts) == stride))[: len(people)]


def place_at_centres(
    values: np.ndarray, people: np.ndarray, starts: np.ndarray, length: int, stride: int, shape: tuple[int, int]
) -> np.ndarray:
    """Put what windows have at their centres, and on straight lines between those of a track.

    A window of frames s to s + length - 1 has its centre at s + length // 2. The first and last half window of a track
    have no value, nor have the frames between two windows of which one has none (NaN).

    Args:
        values: `[W, ...]`.
        people, starts: `[W]`, as `sliding_windows` gives them.
        length, stride: of the windows; a stride of at most half a window.
        shape: people M and frames F.

    Returns:
        `[M, F, ...]`, NaN where there is no value.
    """
    placed = np.full((*shape, *values.shape[1:]), np.nan)
    centres = starts + length // 2
    placed[people, centres] = values
    later = np.flatnonzero(follows(people, starts, stride))
    for behind in range(1, stride):
        share = behind / stride
        placed[people[later], centres[later] - behind] = values[later] * (1 - share) + values[later - 1] * share
    return placed


def over_people(scores: np.ndarray) -> np.ndarray:
    """Return the maximum over people `[F]` of scores `[M, F]`; NaN where nobody has one."""
    return np.fmax.reduce(scores, axis=0, initial=np.nan)


def fill_missing(scores: np.ndarray, lowest: float | None = None) -> np.ndarray:
    """Give frames without a score the minimum: frames without people count as normal.

    Args:
        scores: `[F]`, NaN is none.
        lowest: the minimum; None takes that of `scores`. Of recordings that are measured together, give that of all.

    Returns:
        `[F]`; all NaN if there is no score at all.
    """
    if lowest is None:
        lowest = np.fmin.reduce(scores, initial=np.nan)
    return np.where(np.isnan(scores), lowest, scores)


def smooth(scores: np.ndarray, sigma: float) -> np.ndarray:
    """Smooth scores `[F]` by a Gaussian of `sigma` frames, the ends held; 0 leaves them."""
    return gaussian_filter1d(scores, sigma, mode="nearest") if sigma > 0 else scores

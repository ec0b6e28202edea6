"""Action timeline: sliding windows over each person's track are classified and joined to events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from motion_data.keypoints import MIN_FRAMES, Motion, sample_frames
from motion_data.resampling import frames_in, known_rate
from tokenization_mofm.feature_extraction_mofm import MoFMFeatureExtractor

from ..events import Event, join_labels
from ..windows import MAX_GAP, tracks

WINDOW, STRIDE = 2.0, 0.5  # seconds


@dataclass(frozen=True)
class Stretches:
    """Stretches of people's tracks, each with the clip by which it is classified.

    Args:
        clips: W clips of one person each; a clip is longer than its stretch, up to the window.
        people: `[W]`, index of the person, ascending.
        starts, ends: `[W]` seconds from the first frame; the stretches of a track cover it without gaps.
    """

    clips: list[Motion]
    people: np.ndarray
    starts: np.ndarray
    ends: np.ndarray


def cut_stretches(
    motion: Motion,
    fps: float,
    extractor: MoFMFeatureExtractor,
    window: float = WINDOW,
    stride: float = STRIDE,
    max_gap: float = MAX_GAP,
) -> Stretches:
    """Cut each person's track into stretches.

    Args:
        motion: all people, in 2D.
        fps: frames a second; 0 is unknown.
        extractor: makes the clips.
        window: length of a clip, seconds; a shorter track is one clip.
        stride: seconds from the start of one clip to that of the next, at most `window`.
        max_gap: a person out of sight for more seconds starts another track.

    Raises:
        ValueError: seconds out of range.
    """
    if not 0 < stride <= window < np.inf:
        raise ValueError(f"stride must be above 0 and at most window {window:g} seconds, got {stride:g}")
    if not 0 <= max_gap < np.inf:
        raise ValueError(f"max_gap must be 0 or more seconds, got {max_gap}")
    rate = known_rate(fps)
    length, step = frames_in(window, rate, MIN_FRAMES), frames_in(stride, rate)
    clips, people, starts, ends = [], [], [], []
    # a handful of tracks; the windows of each are cut at once
    for person, first, last in zip(*tracks(motion.scores.any(-1), frames_in(max_gap, rate, 0)), strict=True):
        size = min(length, last - first + 1)
        if size < MIN_FRAMES:
            continue
        places = np.arange(first, last - size + 2, step)
        frames = places[:, None] + sample_frames(size, extractor.num_frames)
        cut = extractor.fit(Motion(motion.keypoints[person, frames], motion.scores[person, frames]), shared_box=False)
        middles = places[:-1] + (size - 1 + step) / 2  # between the centre of a clip and that of the next
        clips += [Motion(cut.keypoints[i : i + 1], cut.scores[i : i + 1]) for i in range(len(places))]
        people += [person] * len(places)
        starts += [first / rate, *(middles / rate)]
        ends += [*(middles / rate), last / rate]
    return Stretches(clips, np.array(people, int), np.array(starts, float), np.array(ends, float))


def action_events(
    stretches: Stretches,
    probabilities: np.ndarray,
    names: Sequence[str],
    people: Sequence[int],
    min_confidence: float = 0.0,
) -> list[Event]:
    """Join a person's consecutive stretches of the same action to events.

    Args:
        stretches: W stretches.
        probabilities: `[W, classes]`.
        names: class names.
        people: track ids.
        min_confidence: stretches whose most likely class has a lower probability are in no event.

    Returns:
        events, ordered by their start.
    """
    best, scores = probabilities.argmax(1), probabilities.max(1)
    events = []
    for person in np.unique(stretches.people):
        own = np.flatnonzero(stretches.people == person)
        labels = [names[best[i]] if scores[i] >= min_confidence else None for i in own]
        events += join_labels(stretches.starts[own], stretches.ends[own], labels, scores[own], int(people[person]))
    return sorted(events, key=lambda event: (event.start, event.person))

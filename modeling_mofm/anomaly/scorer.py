"""Score people's motion with a sliding window and a trained detector, a bounded batch of windows at a time.

Each window is fitted into the map by its own box, as clips in training are, so neighbouring windows are different
clips and share no cube. No heat-map is rendered for any of them: key-points are embedded directly, once for all masks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from tqdm import tqdm, trange

from motion_data.keypoints import MIN_FRAMES, Motion, sample_frames
from motion_data.resampling import frames_in, grid_frames, known_rate, resample
from tokenization_mofm.configuration_cubes import SHARED_FIELDS, first_difference
from tokenization_mofm.tokenization_mofm import MoFMTokenizer

from ..configuration_mofm import MoFMConfig
from ..events import JOIN, SHORTEST, find_events, highest_allowed
from ..modeling_mofm import WORD_HEADS, NotFittedError
from ..windows import (
    MAX_GAP,
    PROGRESS_AFTER,
    fill_missing,
    follows,
    over_people,
    place_at_centres,
    sliding_windows,
    smooth,
)
from .explain import Explanation, explain
from .modeling import MoFMForAnomalyDetection, MoFMForAnomalyDetectionOutput

LONGEST = 3600.0  # seconds of a window
# No false alarm in n hours shows that the rate is below 3 / n an hour, with 95 % confidence (the rule of three).
SURE = 3.0


@dataclass
class AnomalyScores:
    """
    Args:
        people: `[M, F]`, the score of the window around each frame; NaN where a person has none.
        frames: `[F]`, the maximum over people, smoothed; frames without a score get the minimum; NaN if no frame has
            one.
        joints: `[M, F, 17]`, the score per joint; NaN where the person has none, 0 where the joint is missing.
    """

    people: np.ndarray
    frames: np.ndarray
    joints: np.ndarray


@dataclass(frozen=True)
class Calibration:
    """
    Args:
        threshold: the threshold of events.
        hours: hours of people with a score from which it was computed.
        false_alarms_per_hour: events at this threshold in these hours, per hour.
    """

    threshold: float
    hours: float
    false_alarms_per_hour: float


def event_threshold(config: MoFMConfig, given: float | None = None) -> float:
    """Return the threshold of events: the one given, else that of the configuration.

    Raises:
        ValueError: there is none.
    """
    threshold = config.event_threshold if given is None else given
    if threshold is None or not np.isfinite(threshold):
        raise ValueError(
            f"threshold of events is {threshold}; give a number, or let `AnomalyScorer.calibrate` set it on normal "
            "motion"
        )
    return float(threshold)


def check_detector(model: MoFMForAnomalyDetection, tokenizer: MoFMTokenizer) -> None:
    """Refuse a detector that was not fitted or trained for its score, and a tokenizer of another model.

    Raises:
        NotFittedError: naming what is missing.
        ValueError: naming what differs.
    """
    config = model.config
    if differing := first_difference(config, tokenizer.dved.config, (*SHARED_FIELDS, "codebook_size")):
        name, ours, theirs = differing
        raise ValueError(f"{name} of the model is {ours}, but the tokenizer's is {theirs}; they must agree")
    words = set(WORD_HEADS)
    needed = {"nll": words, "distance": set(), "combined": words, "classifier": {"anomaly_head"}}
    parts = needed[config.anomaly_score] | ({"mofm", "reference"} if config.reference_size else {"mofm"})
    new = sorted(model.new_parts & parts)
    if new:
        raise NotFittedError(
            f"anomaly_score is {config.anomaly_score!r}, but {model.name_or_path!r} has no weights of "
            f"{', '.join(new)}; train it with run/finetune.py --task anomaly"
        )
    if config.words and config.anomaly_score in ("nll", "combined") and config.words != tokenizer.fingerprint:
        raise ValueError(
            f"the model learnt the words of the tokenizer {config.words}, but this one is "
            f"{tokenizer.fingerprint}; give the one that lies beside the model"
        )
    if config.anomaly_score in ("distance", "combined") and not config.reference_size:
        raise NotFittedError(
            f"anomaly_score is {config.anomaly_score!r}, but the model has no reference of normal motion "
            "(reference_size is 0); fit one with fit_reference or run/finetune.py --task anomaly"
        )


class AnomalyScorer:
    """Score windows of motion.

    Args:
        model: a fitted or trained detector.
        tokenizer: the one whose words the model learnt.
        window: seconds of a window; None takes `config.window_seconds`. Windows of more or fewer frames than the
            model's clips are sampled to their length.
        stride: seconds between windows; None takes one frame at the model's rate, `config.fps`.
        max_gap: a person out of sight for more seconds starts a new track.
        smoothing: standard deviation of the Gaussian over time, seconds; None takes a quarter of a window.
        batch_size: windows at a time.
        gate: see `MoFMForAnomalyDetection.forward`; for the score "combined" only. None computes all likelihoods.

    Attributes:
        fps, window_frames, stride_frames, gap_frames: the model's rate, and the above in frames of it.

    Raises:
        ValueError: an argument out of range, a model that was not fitted, or a tokenizer that is not the model's.
    """

    def __init__(
        self,
        model: MoFMForAnomalyDetection,
        tokenizer: MoFMTokenizer,
        window: float | None = None,
        stride: float | None = None,
        max_gap: float = MAX_GAP,
        smoothing: float | None = None,
        batch_size: int = 32,
        gate: float | None = None,
    ):
        config = model.config
        if gate is not None and (config.anomaly_score != "combined" or not np.isfinite(gate)):
            raise ValueError(
                f"gate is {gate}, and anomaly_score {config.anomaly_score!r}; a gate is a finite number of standard "
                "deviations, and for 'combined' alone"
            )
        window = config.window_seconds if window is None else window
        stride = 1 / config.fps if stride is None else stride
        ranges = {
            "window": (window, MIN_FRAMES / config.fps, LONGEST, " seconds"),
            "stride": (stride, 1 / config.fps, window / 2, " seconds"),
            "max_gap": (max_gap, 0, LONGEST, " seconds"),
            "smoothing": (smoothing or 0, 0, LONGEST, " seconds"),
            "batch_size": (batch_size, 1, np.inf, ""),
        }
        for name, (value, low, high, unit) in ranges.items():
            if not low - 1e-9 <= value <= high + 1e-9:
                limit = f"from {low:.4g} to {high:.4g}" if high < np.inf else f"{low} or more"
                raise ValueError(f"{name} must be {limit}{unit}, got {value}")
        check_detector(model, tokenizer)
        self.model = model.eval()
        self.tokenizer = tokenizer.to(model.device)
        self.fps = config.fps
        self.window_frames = frames_in(window, self.fps, MIN_FRAMES)
        self.stride_frames = min(frames_in(stride, self.fps), self.window_frames // 2)
        self.gap_frames = frames_in(max_gap, self.fps, 0)
        self.smoothing = window / 4 if smoothing is None else smoothing
        self.batch_size = batch_size
        self.gate = gate
        self._sampled = sample_frames(self.window_frames, config.num_frames)
        # where the window's centre frame is in the clip that the model sees
        self._centre = int(np.abs(self._sampled - self.window_frames // 2).argmin())

    def score(self, motion: Motion, fps: float = 0.0) -> AnomalyScores:
        """Score each person in each frame of a recording of any length.

        Args:
            fps: frames a second of the motion; 0 is unknown, and taken for 30. The model sees it at its own rate, and
                each frame has the scores of the time it is nearest to.
        """
        fps = known_rate(fps)
        if fps == self.fps:
            return self._score_frames(motion)
        found = self._score_frames(resample(motion, fps, self.fps))
        frames = grid_frames(motion.scores.shape[1], fps, self.fps)
        return AnomalyScores(found.people[:, frames], found.frames[frames], found.joints[:, frames])

    def explain(self, motion: Motion, fps: float, person: int, time: float, begin: float = 0.0) -> Explanation:
        """Explain the score of a person at a time: the window around it.

        Args:
            motion, fps: as in `score`.
            person: index of the person in the motion.
            time: seconds from the first frame.
            begin: time of the first frame, seconds, for the sentence.

        Raises:
            ValueError: nobody is in sight in that window.
        """
        fps = known_rate(fps)
        if fps != self.fps:
            motion = resample(motion, fps, self.fps)
        last = motion.scores.shape[1] - self.window_frames
        first = int(np.clip(round(time * self.fps) - self.window_frames // 2, 0, max(last, 0)))
        frames = np.minimum(first + self._sampled, motion.scores.shape[1] - 1)
        clip = self.tokenizer.feature_extractor.fit(
            Motion(motion.keypoints[person : person + 1, frames], motion.scores[person : person + 1, frames])
        )
        outputs = self._outputs(clip)
        missing = clip.scores[0] == 0
        if missing.all():
            raise ValueError(f"person {person} has no joint in the window around {time:.2f} s; one must be in sight")
        normal = None
        if self.model.config.reference_size:
            place = self.model.reference.nearest(outputs.parts)[0]
            reference = self.model.reference
            normal = torch.where(reference.scores[place, ..., None] > 0, reference.keypoints[place], torch.nan)
            normal = normal.float().cpu().numpy()
        return explain(
            np.where(missing[..., None], np.nan, clip.keypoints[0]),
            np.where(missing, np.nan, outputs.joint_score[0].float().cpu().numpy()),
            begin + frames / self.fps,
            self.model.config.grid_size[0],
            normal,
        )

    def calibrate(
        self,
        normal: Iterable[tuple[Motion, float]],
        false_alarms_per_hour: float,
        join: float = JOIN,
        shortest: float = SHORTEST,
    ) -> Calibration:
        """Set the threshold of events (`config.event_threshold`) on normal motion that no part was trained on.

        Args:
            normal: recordings and their frames per second, 0 is unknown.
            false_alarms_per_hour: allowed false events per hour of one person.
            join, shortest: as in `events.find_events`.

        Returns:
            the threshold, and how much motion it was computed from.

        Raises:
            ValueError: a rate that is not positive, or too few hours: at least `3 / false_alarms_per_hour` are needed
                to show such a rate with 95 % confidence.
        """
        if not 0 < false_alarms_per_hour < np.inf:
            raise ValueError(f"false_alarms_per_hour must be positive and finite, got {false_alarms_per_hour}")
        recordings = list(normal)
        hours = sum(self._seconds_scored(motion, fps) for motion, fps in recordings) / 3600
        needed = SURE / false_alarms_per_hour
        if hours < needed:  # before anything is scored
            least = SURE / max(hours, 1e-9)
            raise ValueError(
                f"false_alarms_per_hour {false_alarms_per_hour:g} needs {needed:.3g} hours of people with a score, "
                f"and the normal recordings hold {hours:.3g}; give more, or allow at least {least:.3g}"
            )
        found = [
            (np.arange(motion.scores.shape[1]) / known_rate(fps), self.score(motion, fps).people)
            for motion, fps in tqdm(recordings, desc="scoring normal motion", leave=False)
        ]
        threshold = highest_allowed(found, false_alarms_per_hour * hours, join, shortest)
        alarms = sum(len(find_events(times, scores, threshold, None, join, shortest)) for times, scores in found)
        self.model.config.event_threshold = threshold
        return Calibration(threshold, hours, alarms / hours)

    def _seconds_scored(self, motion: Motion, fps: float) -> float:
        """Return for how many seconds people have a score."""
        fps = known_rate(fps)
        present = motion.scores.any(-1) if fps == self.fps else resample(motion, fps, self.fps).scores.any(-1)
        people, starts = sliding_windows(present, self.window_frames, self.stride_frames, self.gap_frames)
        frames = np.where(follows(people, starts, self.stride_frames), self.stride_frames, 1)
        return float(frames.sum()) / self.fps

    def _score_frames(self, motion: Motion) -> AnomalyScores:
        shape = motion.scores.shape[:2]
        window, stride = self.window_frames, self.stride_frames
        people, starts = sliding_windows(motion.scores.any(-1), window, stride, self.gap_frames)
        scores, joints = np.zeros(len(people)), np.zeros((len(people), motion.scores.shape[-1]))
        for first in trange(0, len(people), self.batch_size, desc="scoring", delay=PROGRESS_AFTER, leave=False):
            batch = slice(first, first + self.batch_size)
            frames = starts[batch, None] + np.arange(window)
            who = people[batch, None]
            scores[batch], joints[batch] = self.score_windows(
                motion.keypoints[who, frames], motion.scores[who, frames]
            )
        placed = place_at_centres(scores, people, starts, window, stride, shape)
        explained = place_at_centres(joints, people, starts, window, stride, shape)
        frames = smooth(fill_missing(over_people(placed)), self.smoothing * self.fps)
        return AnomalyScores(placed, frames, explained)

    @torch.no_grad()
    def score_windows(self, keypoints: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Score windows of one person each.

        Args:
            keypoints: `[W, window_frames, 17, 2]`, pixels.
            scores: `[W, window_frames, 17]`.

        Returns:
            the windows' scores `[W]`, NaN for one without a joint, and those of the joints at their centres `[W, 17]`.
        """
        parts = []
        for first in range(0, len(keypoints), self.batch_size):
            batch = slice(first, first + self.batch_size)
            sampled = Motion(keypoints[batch][:, self._sampled], scores[batch][:, self._sampled])
            outputs = self._outputs(self.tokenizer.feature_extractor.fit(sampled))
            joints = outputs.joint_score[:, self._centre]
            parts.append((outputs.anomaly_score.float().cpu().numpy(), joints.float().cpu().numpy()))
        if not parts:
            return np.zeros(0), np.zeros((0, scores.shape[-1]))
        return np.concatenate([score for score, _ in parts]), np.concatenate([joints for _, joints in parts])

    @torch.no_grad()
    def _outputs(self, motion: Motion) -> MoFMForAnomalyDetectionOutput:
        """Return the outputs of the model for prepared clips `[W, F, 17, 2]` of one person each."""
        clips = {"keypoints": motion.keypoints, "scores": motion.scores}
        clips = {
            name: torch.as_tensor(values, dtype=torch.float32, device=self.model.device)
            for name, values in clips.items()
        }
        if self.model.config.anomaly_score in ("nll", "combined"):
            clips["input_ids"] = self.tokenizer.dved.encode(**clips).input_ids
        return self.model(**clips, gate=self.gate)

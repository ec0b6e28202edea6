"""Watch a recording: actions and anomalies of its people, with times, in one call and one picture.

for seen in watch("walk.json"):
    print(seen.lines())
    seen.draw().savefig("walk.png")
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from transformers import pipeline
from transformers.utils import logging

from motion_data.drawing import draw_body
from motion_data.inputs import MotionInput, as_recordings, input_options
from motion_data.keypoints import Motion, NobodyVisibleError
from motion_data.layouts import get_layout
from motion_data.notes import noted_once
from motion_data.recording import Recording
from motion_data.resampling import known_rate
from motion_data.views import EVERYBODY, view

from .actions.pipeline import MotionClassificationPipeline
from .anomaly.pipeline import MotionAnomalyPipeline
from .configuration_mofm import MoFMConfig
from .modeling_mofm import NotFittedError
from .shipped import SHIPPED

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NUM_POSES = 8  # in the strip of a picture
STRIDE = 0.1  # seconds between windows that the detector scores: what a picture shows
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # Okabe and Ito


@dataclass
class Watched:
    """
    Args:
        recording: as it was read.
        motion: all people in 2D, `[M, F, 17, 2]`; None where nobody is in sight.
        actions: events of `motion-classification`; [] without a classifier.
        anomalies: events of `motion-anomaly-detection`; None without a threshold.
        scores: `[M, F]` anomaly scores, NaN where there is none; None without a detector.
        threshold: of the anomalies.
    """

    recording: Recording
    motion: Motion | None
    actions: list[dict]
    anomalies: list[dict] | None = None
    scores: np.ndarray | None = None
    threshold: float | None = None

    @property
    def times(self) -> np.ndarray:
        """Seconds of each frame, `[F]`, on the clock of the source."""
        frames = self.recording.first_frame + np.arange(self.recording.keypoints.shape[1])
        return frames / known_rate(self.recording.fps)

    def to_dict(self) -> dict:
        """Return the events as plain values, for JSON."""
        return {"name": self.recording.name, "actions": self.actions, "anomalies": self.anomalies}

    def lines(self) -> list[str]:
        """Return a line for each event, ordered by their start."""
        if self.motion is None:
            return ["nobody is in sight"]
        events = sorted(self.actions + (self.anomalies or []), key=lambda event: (event["start"], event["person"]))
        return [
            f"{event['start']:7.2f} to {event['end']:6.2f} s  person {event['person']}  {event['label']} "
            f"({event['score']:.2f})" + (f": {event['explanation']}" if "explanation" in event else "")
            for event in events
        ]

    def captions(self) -> list[str]:
        """Return a caption for each frame, `[F]`: what everybody does."""
        found = []
        for time in self.times:
            now = [e for e in self.actions + (self.anomalies or []) if e["start"] <= time <= e["end"]]
            found.append(f"{time:.1f} s  " + ", ".join(dict.fromkeys(event["label"] for event in now)))
        return found

    def tints(self) -> list[float]:
        """Return 1 for frames with an anomaly, else 0, `[F]`."""
        odd = self.anomalies or []
        return [float(any(event["start"] <= time <= event["end"] for event in odd)) for time in self.times]

    def draw(self) -> Figure:
        """Draw poses along time, above what people do and how odd it is. Needs matplotlib (`mofm[plot]`).

        Raises:
            ValueError: nobody is in sight.
        """
        from matplotlib.figure import Figure

        if self.motion is None:
            raise ValueError("nobody is in sight; there is nothing to draw")
        rows = [(self._draw_poses, 2.2)]  # and inches
        if self.actions:
            rows.append((self._draw_actions, 0.5 + 0.35 * len({event["person"] for event in self.actions})))
        if self.scores is not None:
            rows.append((self._draw_scores, 1.6))
        heights = [height for _, height in rows]
        figure = Figure(figsize=(10, sum(heights) + 0.6), layout="constrained")
        axes = figure.subplots(len(rows), 1, sharex=True, height_ratios=heights, squeeze=False)[:, 0]
        for (draw, _), place in zip(rows, axes, strict=True):
            draw(place)
        axes[-1].set_xlabel("time, seconds")
        axes[-1].set_xlim(self.times[0], self.times[-1])
        return figure

    def _draw_poses(self, axes) -> None:
        times, motion = self.times, self.motion
        frames = np.unique(np.linspace(0, len(times) - 1, 2 * NUM_POSES + 1).astype(int)[1::2])
        present = motion.scores > 0
        low, high = (edge(motion.keypoints[present], axis=0) for edge in (np.min, np.max))
        share = (times[-1] - times[0]) / NUM_POSES * 0.95  # seconds that a pose is wide
        wide = share / max((high - low)[0], (high - low)[1], 1e-6)
        for frame in frames:
            for body, scores in zip(motion.keypoints[:, frame], motion.scores[:, frame], strict=True):
                places = np.stack([times[frame] + (body[:, 0] - (low + high)[0] / 2) * wide, body[:, 1]], -1)
                draw_body(axes, get_layout("coco17"), places, scores, width=1.6, dot=3)
        reach = max((high - low)[1], 1e-6)
        axes.set(ylim=(high[1] + 0.05 * reach, low[1] - 0.05 * reach), yticks=[], ylabel="poses")

    def _draw_actions(self, axes) -> None:
        people = sorted({event["person"] for event in self.actions})
        names = sorted({event["label"] for event in self.actions})
        for event in self.actions:
            row = people.index(event["person"])
            colour = COLOURS[names.index(event["label"]) % len(COLOURS)]
            axes.barh(row, event["end"] - event["start"], left=event["start"], color=colour, alpha=0.75, height=0.8)
            middle = (event["start"] + event["end"]) / 2
            text = f"{event['label'].replace('_', ' ')} {event['score']:.2f}"
            axes.text(middle, row, text, ha="center", va="center", fontsize=8, clip_on=True)
        axes.set(yticks=range(len(people)), yticklabels=[f"person {person}" for person in people])
        axes.set_ylim(len(people) - 0.5, -0.5)

    def _draw_scores(self, axes) -> None:
        for row, scores in enumerate(self.scores):
            name = f"person {self.recording.people[row]}"
            axes.plot(self.times, scores, color=COLOURS[row % len(COLOURS)], linewidth=1.5, label=name)
        if len(self.scores) > 1:
            axes.legend(fontsize=8)
        if self.threshold is not None:
            axes.axhline(self.threshold, color="black", linestyle="--", linewidth=1)
        for event in self.anomalies or []:
            axes.axvspan(event["start"], event["end"], color="#D55E00", alpha=0.2)
        axes.set_ylabel("anomaly score")


def load_watchers(
    model: str, device: str | None = None
) -> tuple[MotionClassificationPipeline | None, MotionAnomalyPipeline | None]:
    """Load what names actions and what finds anomalies; None for what a model was not trained or fitted for.

    Raises:
        NotFittedError: it was for neither.
    """
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # a missing head is handled here, without a warning
    try:
        recognise = pipeline("motion-classification", model=model, device=device)
    except NotFittedError:
        recognise = None
    finally:
        logging.set_verbosity(verbosity)
    config = MoFMConfig.from_pretrained(model)
    is_detector = config.reference_size or config.anomaly_score == "classifier"
    detect = pipeline("motion-anomaly-detection", model=model, device=device) if is_detector else None
    if recognise is None and detect is None:
        raise NotFittedError(
            f"{model!r} has neither a head that names actions nor a reference of normal motion; run/finetune.py "
            "fits both"
        )
    return recognise, detect


def watch(
    inputs: MotionInput,
    model: str = str(SHIPPED),
    threshold: float | None = None,
    min_confidence: float = 0.0,
    device: str | None = None,
    **options,
) -> Iterator[Watched]:
    """Say what people do in the recordings of an input and what is odd, as far as the model was trained for it.

    Args:
        inputs: whatever `motion_data.inputs.as_recordings` takes, such as a path.
        model: folder or Hub id that holds a classifier, a detector or both.
        threshold: of anomalies; None takes that of the model, and without one there are scores but no events.
        min_confidence: actions that are less likely are left out.
        device: None takes a GPU where there is one.
        options: what the input does not say itself (`motion_data.inputs.INPUT_OPTIONS`).

    Raises:
        FileNotFoundError, ValueError: see `as_recordings` and `load_watchers`.
    """
    recordings = as_recordings(inputs, input_options(**options))
    recognise, detect = load_watchers(model, device)
    for recording in recordings:
        yield watch_recording(recording, recognise, detect, threshold, min_confidence)


def watch_recording(
    recording: Recording,
    recognise: MotionClassificationPipeline | None,
    detect: MotionAnomalyPipeline | None = None,
    threshold: float | None = None,
    min_confidence: float = 0.0,
) -> Watched:
    """Say what people do in one recording, and what is odd, with what `load_watchers` loaded; else as `watch`."""
    try:
        motion = view(recording, options=EVERYBODY)
    except NobodyVisibleError:
        return Watched(recording, None, [])
    with noted_once():
        actions = recognise(recording, events=True, min_confidence=min_confidence) if recognise else []
        seen = Watched(recording, motion, actions)
        if detect is None:
            return seen
        threshold = detect.model.config.event_threshold if threshold is None else threshold
        told = {} if threshold is None else {"events": True, "explain": True, "threshold": threshold}
        (found,) = detect(recording, stride=STRIDE, **told)
        rows = [[np.nan if score is None else score for score in one["scores"]] for one in found["people"]]
        seen.scores, seen.anomalies, seen.threshold = np.array(rows), found.get("events"), threshold
    return seen

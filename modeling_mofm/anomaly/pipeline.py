"""The "motion-anomaly-detection" pipeline: a score per frame and person, with times."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from motion_data.inputs import MotionInput, as_recordings, input_options
from motion_data.keypoints import Motion, NobodyVisibleError
from motion_data.recording import Recording
from motion_data.resampling import known_rate
from motion_data.views import EVERYBODY, view
from tokenization_mofm.tokenization_mofm import MoFMTokenizer

from ..events import find_events
from ..motion_pipeline import MotionPipeline
from ..windows import MAX_GAP
from .scorer import AnomalyScorer, AnomalyScores, event_threshold
from .stream import MotionStream

SCORER_OPTIONS = ("window", "stride", "max_gap", "smoothing", "gate")
ALARM_OPTIONS = ("events", "threshold", "explain")


class MotionAnomalyPipeline(MotionPipeline):
    """Detect anomalous motion.

        detector = pipeline("motion-anomaly-detection", model="mofm-watch")
        detector("track.json")[0]["frame_scores"]

    The tokenizer is loaded from the model's folder. Windows of all people are scored `batch_size` at a time. A list,
    generator or dataset of inputs gives an answer for each.
    """

    def __init__(self, model, tokenizer: MoFMTokenizer | None = None, batch_size: int | None = None, **kwargs):
        tokenizer = tokenizer or MoFMTokenizer.from_pretrained(model.name_or_path, **model.hub_options)
        super().__init__(model=model, tokenizer=tokenizer, windows_per_batch=batch_size or 32, **kwargs)

    def __call__(self, inputs: MotionInput | Iterable[MotionInput], batch_size: int | None = None, **kwargs):
        """Score recordings.

        Args:
            inputs: a path of any known format, an array `[(M,) F, K, 2 or 3]`, a list of frames as pose models and
                trackers give them, a mapping with `keypoints` and other fields of `Recording` such as `fps` and
                `track_ids`, or whatever else `motion_data.inputs.as_recordings` takes; or a list, a generator or a
                dataset of these.
            batch_size: windows at a time.
            layout, fps, coordinates, frame_size, ...: what the input does not say itself; see `ReadOptions` for these
                and `motion_data.inputs.INPUT_OPTIONS` for all. Arrays of 17 joints are "coco17".
            poses: a `PoseEstimation`, which models see the people in a video.
            window, stride, max_gap, smoothing: seconds; see `AnomalyScorer`.
            gate: skips the likelihood of less suspicious windows; see `AnomalyScorer`.
            joint_scores: whether to return the scores of joints.
            events: whether to return events: who was anomalous from when to when.
            explain: whether to explain each event in a sentence: which joint, when and how (`anomaly.explain`).
            threshold: score from which a frame is part of an event; None takes the one that
                `AnomalyScorer.calibrate` has set.

        Returns:
            of each input a list with one dict for each of its recordings:
            - `name`, `first_frame`;
            - `times`: seconds of each frame; None where the frame rate is unknown;
            - `frame_scores`: the maximum over people, a frame without a score at the minimum, smoothed; None if nobody
              is in sight for a window;
            - `people`: for each `track_id` and `scores` [F], None where there is none, and, if asked for,
              `joint_scores` [F, 17];
            - `events`, if asked for: `person` (track id), `label`, `start` and `end` (seconds), `score` (the highest)
              and, if asked for, `explanation`.
            Of several inputs, `{"error": ...}` for one that cannot be read.

        Raises:
            ValueError: see `AnomalyScorer`, `as_recordings` and `as_motion`.
        """
        if batch_size is not None:
            kwargs["windows_per_batch"] = batch_size
        return super().__call__(inputs, batch_size=1, **kwargs)

    def stream(
        self,
        fps: float | None = None,
        window: float | None = None,
        stride: float | None = None,
        max_gap: float = MAX_GAP,
        threshold: float | None = None,
        gate: float | None = None,
        **options,
    ) -> MotionStream:
        """Return a `MotionStream` that takes frames one by one and never grows.

        Args:
            fps: see `MotionStream`.
            window, stride, max_gap: seconds; see `AnomalyScorer`.
            gate: see `AnomalyScorer`.
            threshold: of events; see `MotionStream`.
            layout, coordinates, frame_size, min_score, max_score: what frames do not say themselves (`ReadOptions`).
        """
        scorer = AnomalyScorer(self.model, self.tokenizer, window, stride, max_gap, gate=gate)
        options = input_options(("fps", "window", "stride", "max_gap", "threshold", "gate"), **options)
        return MotionStream(scorer, fps, options, threshold)

    def _sanitize_parameters(
        self,
        windows_per_batch: int | None = None,
        **given,
    ):
        scorer = {name: given.pop(name) for name in SCORER_OPTIONS if name in given}
        events = {name: given.pop(name) for name in ALARM_OPTIONS if name in given}
        shown = {"joint_scores": given.pop("joint_scores")} if "joint_scores" in given else {}
        input_options(("batch_size", "joint_scores", *ALARM_OPTIONS, *SCORER_OPTIONS), **given)
        if windows_per_batch is not None:
            scorer["batch_size"] = windows_per_batch
        if events.get("events"):  # refused here, before any work
            events["threshold"] = event_threshold(self.model.config, events.get("threshold"))
        elif len(events) > ("events" in events):
            raise ValueError(
                f"{', '.join(name for name in events if name != 'events')} are of events; give events=True"
            )
        return given, {**scorer, **events}, shown

    def preprocess(self, inputs: MotionInput, **options) -> dict:
        default = self.tokenizer.feature_extractor.layout
        return {"recordings": as_recordings(inputs, input_options(**options), default_layout=default)}

    def _forward(
        self,
        model_inputs: dict,
        events: bool = False,
        threshold: float = math.nan,
        explain: bool = False,
        **scorer,
    ) -> dict:
        recordings = model_inputs["recordings"]
        watch = AnomalyScorer(self.model, self.tokenizer, **scorer)
        scores, found = [], []
        for recording in recordings:
            try:
                motion = view(recording, options=EVERYBODY)
            except NobodyVisibleError:
                people, frames = recording.scores.shape[:2]
                motion = Motion(np.zeros((people, frames, 17, 2)), np.zeros((people, frames, 17), np.float32))
            scores.append(watch.score(motion, recording.fps))
            found.append(_events(watch, recording, motion, scores[-1].people, threshold, explain) if events else None)
        return {"recordings": recordings, "scores": scores, "events": found}

    def postprocess(self, model_outputs: dict, joint_scores: bool = False) -> list[dict]:
        rows = zip(model_outputs["recordings"], model_outputs["scores"], model_outputs["events"], strict=True)
        return [self._answer(*row, joint_scores) for row in rows]

    @staticmethod
    def _answer(recording: Recording, scores: AnomalyScores, events: list[dict] | None, joint_scores: bool) -> dict:
        frames = recording.first_frame + np.arange(scores.people.shape[1])
        people = []
        for person, track_id in enumerate(recording.people):
            answer = {"track_id": track_id, "scores": _plain(scores.people[person])}
            if joint_scores:
                answer["joint_scores"] = scores.joints[person]
            people.append(answer)
        return {
            "name": recording.name,
            "first_frame": int(recording.first_frame),
            "times": (frames / recording.fps).tolist() if recording.fps else None,
            "frame_scores": None if np.isnan(scores.frames).all() else scores.frames.tolist(),
            "people": people,
            **({} if events is None else {"events": events}),
        }


def _events(
    watch: AnomalyScorer, recording: Recording, motion: Motion, scores: np.ndarray, threshold: float, explain: bool
) -> list[dict]:
    """Return the events of a recording as plain values, on the clock of its source, explained where asked for."""
    times = np.arange(scores.shape[1]) / known_rate(recording.fps)
    begin = recording.first_frame / known_rate(recording.fps)
    answers = []
    for event in find_events(times, scores, threshold):  # people by their place
        answer = {**event.later(begin).to_dict(), "person": recording.people[event.person]}
        if explain:
            inside = (times >= event.start) & (times <= event.end)
            peak = times[inside][np.nanargmax(scores[event.person, inside])]
            answer["explanation"] = watch.explain(motion, recording.fps, event.person, peak, begin).sentence
        answers.append(answer)
    return answers


def _plain(scores: np.ndarray) -> list[float | None]:
    return [None if np.isnan(score) else float(score) for score in scores]

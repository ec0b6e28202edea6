"""The "motion-anomaly-detection" pipeline: a score per frame and person, with times."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from motion_data.inputs import MotionInput, as_recordings, input_options
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
ANSWER_OPTIONS = ("joint_scores", "events", "threshold")


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
            gate: the words of less suspicious windows are not asked about; see `AnomalyScorer`.
            joint_scores: whether to return what each joint contributes.
            events: whether to return who was anomalous from when to when.
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
            - `events`, if asked for: `person` (track id), `label`, `start` and `end` (seconds), `score` (the highest).
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
        shown = {name: given.pop(name) for name in ANSWER_OPTIONS if name in given}
        input_options(("batch_size", *ANSWER_OPTIONS, *SCORER_OPTIONS), **given)
        if windows_per_batch is not None:
            scorer["batch_size"] = windows_per_batch
        if shown.pop("events", False):  # refused here, before any work
            shown["threshold"] = event_threshold(self.model.config, shown.get("threshold"))
        else:
            shown.pop("threshold", None)
        return given, scorer, shown

    def preprocess(self, inputs: MotionInput, **options) -> dict:
        default = self.tokenizer.feature_extractor.layout
        return {"recordings": as_recordings(inputs, input_options(**options), default_layout=default)}

    def _forward(self, model_inputs: dict, **scorer) -> dict:
        recordings = model_inputs["recordings"]
        watch = AnomalyScorer(self.model, self.tokenizer, **scorer)
        scores = [watch.score(view(recording, options=EVERYBODY), recording.fps) for recording in recordings]
        return {"recordings": recordings, "scores": scores}

    def postprocess(
        self, model_outputs: dict, joint_scores: bool = False, threshold: float | None = None
    ) -> list[dict]:
        pairs = zip(model_outputs["recordings"], model_outputs["scores"], strict=True)
        return [self._answer(recording, scores, joint_scores, threshold) for recording, scores in pairs]

    @staticmethod
    def _answer(recording: Recording, scores: AnomalyScores, joint_scores: bool, threshold: float | None) -> dict:
        num_people, num_frames = scores.people.shape
        frames = recording.first_frame + np.arange(num_frames)
        track_ids = [int(track_id) for track_id in recording.track_ids or range(num_people)]
        people = []
        for person, track_id in enumerate(track_ids):
            answer = {"track_id": track_id, "scores": _plain(scores.people[person])}
            if joint_scores:
                answer["joint_scores"] = scores.joints[person]
            people.append(answer)
        events = {}
        if threshold is not None:
            found = find_events(frames / known_rate(recording.fps), scores.people, threshold, track_ids)
            events["events"] = [event.to_dict() for event in found]
        return {
            "name": recording.name,
            "first_frame": int(recording.first_frame),
            "times": (frames / recording.fps).tolist() if recording.fps else None,
            "frame_scores": None if np.isnan(scores.frames).all() else scores.frames.tolist(),
            "people": people,
            **events,
        }


def _plain(scores: np.ndarray) -> list[float | None]:
    return [None if np.isnan(score) else float(score) for score in scores]

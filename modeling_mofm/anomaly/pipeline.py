"""The "motion-anomaly-detection" pipeline: a score per frame and person, with times."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from motion_data.inputs import MotionInput, as_recordings, input_options
from motion_data.recording import Recording
from motion_data.views import EVERYBODY, view
from tokenization_mofm.tokenization_mofm import MoFMTokenizer

from ..motion_pipeline import MotionPipeline
from .scorer import AnomalyScorer, AnomalyScores
from .stream import MotionStream
from .windows import MAX_GAP

SCORER_OPTIONS = ("window", "stride", "max_gap", "smoothing")


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
            joint_scores: whether to return what each joint contributes.

        Returns:
            of each input a list with one dict for each of its recordings:
            - `name`, `first_frame`;
            - `times`: seconds of each frame; None where the frame rate is unknown;
            - `frame_scores`: the maximum over people, a frame without a score at the minimum, smoothed; None if nobody
              is in sight for a window;
            - `people`: for each `track_id` and `scores` [F], None where there is none, and, if asked for,
              `joint_scores` [F, 17].
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
        **options,
    ) -> MotionStream:
        """Return a `MotionStream` that takes frames one by one and never grows.

        Args:
            fps: see `MotionStream`.
            window, stride, max_gap: seconds; see `AnomalyScorer`.
            layout, coordinates, frame_size, min_score, max_score: what frames do not say themselves (`ReadOptions`).
        """
        scorer = AnomalyScorer(self.model, self.tokenizer, window, stride, max_gap)
        return MotionStream(scorer, fps, input_options(("fps", "window", "stride", "max_gap"), **options))

    def _sanitize_parameters(
        self,
        joint_scores: bool | None = None,
        windows_per_batch: int | None = None,
        **given,
    ):
        scorer = {name: given.pop(name) for name in SCORER_OPTIONS if name in given}
        input_options(("joint_scores", "batch_size", *SCORER_OPTIONS), **given)
        if windows_per_batch is not None:
            scorer["batch_size"] = windows_per_batch
        return given, scorer, {} if joint_scores is None else {"joint_scores": joint_scores}

    def preprocess(self, inputs: MotionInput, **options) -> dict:
        default = self.tokenizer.feature_extractor.layout
        return {"recordings": as_recordings(inputs, input_options(**options), default_layout=default)}

    def _forward(self, model_inputs: dict, **scorer) -> dict:
        recordings = model_inputs["recordings"]
        watch = AnomalyScorer(self.model, self.tokenizer, **scorer)
        scores = [watch.score(view(recording, options=EVERYBODY), recording.fps) for recording in recordings]
        return {"recordings": recordings, "scores": scores}

    def postprocess(self, model_outputs: dict, joint_scores: bool = False) -> list[dict]:
        pairs = zip(model_outputs["recordings"], model_outputs["scores"], strict=True)
        return [self._answer(recording, scores, joint_scores) for recording, scores in pairs]

    @staticmethod
    def _answer(recording: Recording, scores: AnomalyScores, joint_scores: bool) -> dict:
        num_people, num_frames = scores.people.shape
        frames = recording.first_frame + np.arange(num_frames)
        people = []
        for person, track_id in enumerate(recording.track_ids or range(num_people)):
            answer = {"track_id": int(track_id), "scores": _plain(scores.people[person])}
            if joint_scores:
                answer["joint_scores"] = scores.joints[person]
            people.append(answer)
        return {
            "name": recording.name,
            "first_frame": int(recording.first_frame),
            "times": (frames / recording.fps).tolist() if recording.fps else None,
            "frame_scores": None if np.isnan(scores.frames).all() else scores.frames.tolist(),
            "people": people,
        }


def _plain(scores: np.ndarray) -> list[float | None]:
    return [None if np.isnan(score) else float(score) for score in scores]

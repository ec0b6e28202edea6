"""The "motion-classification" pipeline: the most likely actions of a recording."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import numpy as np
import torch
from tqdm import trange

from motion_data.inputs import MotionInput, as_recordings, input_options
from motion_data.keypoints import Motion, NobodyVisibleError
from motion_data.recording import Recording
from motion_data.resampling import known_rate
from motion_data.views import EVERYBODY, view
from tokenization_mofm.feature_extraction_mofm import MoFMFeatureExtractor, collate_people

from ..modeling_mofm import NotFittedError, extractor_beside
from ..motion_pipeline import MotionPipeline, visible_motion
from ..windows import PROGRESS_AFTER
from .clip_views import views_of
from .explain import explain_action
from .timeline import action_events, cut_stretches

EVENT_OPTIONS = ("events", "window", "stride", "max_gap")
MAX_CLIPS = 64  # in one pass; an hour of motion has thousands

Answer = list[dict[str, str | float]]


class MotionClassificationPipeline(MotionPipeline):
    """Recognise actions.

        recognise = pipeline("motion-classification", model="mofm-actions")
        recognise("alphapose.json")[0]["label"]

    All people of a recording are one scene, with one answer. The feature extractor is loaded from the model's folder.

    Raises:
        NotFittedError: a model without a trained head.
    """

    def __init__(self, model, feature_extractor: MoFMFeatureExtractor | None = None, **kwargs):
        config = model.config
        if "classifier" in model.new_parts:
            raise NotFittedError(
                f"{model.name_or_path!r} has no weights of a head that names actions; train one with "
                "run/finetune.py --task classification"
            )
        feature_extractor = feature_extractor or extractor_beside(model)
        for name in ("num_frames", "heatmap_size"):
            if getattr(feature_extractor, name) != getattr(config, name):
                raise ValueError(
                    f"{name} of the feature extractor is {getattr(feature_extractor, name)}, that of the model "
                    f"{getattr(config, name)}; they must agree"
                )
        super().__init__(model=model, feature_extractor=feature_extractor, **kwargs)

    def __call__(self, inputs: MotionInput | Iterable[MotionInput], **kwargs) -> Answer | list[Answer]:
        """Recognise what is done in recordings.

        Args:
            inputs: a path of any known format, an array `[(M,) F, K, 2 or 3]`, a list of frames as pose models and
                trackers give them, a mapping with `keypoints` and other fields of `Recording`, or whatever else
                `motion_data.inputs.as_recordings` takes; or a list, a generator or a dataset of these.
            top_k: how many classes to name; 5. None names all.
            num_clips, flip: views that are averaged; see `views_of`.
            layout, coordinates, frame_size, ...: what the input does not say itself; see `ReadOptions` for these and
                `motion_data.inputs.INPUT_OPTIONS` for all. Arrays of 17 joints are "coco17".
            poses: a `PoseEstimation`, which models see the people in a video.
            batch_size: inputs at a time.
            explain: add to the likeliest class an "explanation", the part of the body and the time by which it is
                recognised (`explain.explain_action`); about 30 more passes.
            events: answer with what each person does from when to when, instead of one answer for the recording.
            window, stride, max_gap, min_confidence: of events; see `timeline.cut_stretches` and `action_events`.

        Returns:
            of each input the most likely classes, `[{"label": ..., "score": ...}, ...]`, [] where nobody is in sight;
            of a file with several recordings a list of such lists. Events are `[{"person": track id, "label": ...,
            "start": ..., "end": ..., "score": mean probability}, ...]`, in seconds. Of several inputs a
            list of these (of a generator, a generator), with `{"error": ...}` for one that cannot be read.

        Raises:
            ValueError: see `as_recordings` and `as_motion`.
        """
        return super().__call__(inputs, **kwargs)

    def _sanitize_parameters(
        self,
        num_clips: int | None = None,
        flip: bool | None = None,
        explain: bool | None = None,
        **options,
    ):
        shown = {name: options.pop(name) for name in ("top_k", "min_confidence") if name in options}
        along = {name: options.pop(name) for name in EVENT_OPTIONS if name in options}
        names = ("top_k", "num_clips", "flip", "explain", "batch_size", *EVENT_OPTIONS, "min_confidence")
        input_options(names, **options)
        if len(along) + ("min_confidence" in shown) and not along.get("events"):
            raise ValueError(f"{', '.join((*along, *shown))} are of events; give events=True as well")
        for name, value in (("top_k", shown.get("top_k")), ("num_clips", num_clips)):
            if value is not None and (value < 1 or value % 1):
                either = ", or None for all" * (name == "top_k")
                raise ValueError(f"{name} must be a whole number, 1 or more{either}, got {value}")
        if explain and along.get("events"):
            raise ValueError("explain is True and so is events; one answer for the recording can be explained")
        if not 0 <= shown.get("min_confidence", 0) <= 1:
            raise ValueError(f"min_confidence must be from 0 to 1, got {shown['min_confidence']}")
        given = {"num_clips": num_clips, "flip": flip, **along, **options}
        if explain is not None:
            shown["explain"] = explain
        return {name: value for name, value in given.items() if value is not None}, {}, shown

    def preprocess(
        self, inputs: MotionInput, num_clips: int = 1, flip: bool = False, events: bool = False, **options
    ) -> dict:
        extractor = self.feature_extractor
        if events:
            return self._cut(inputs, options)
        recordings = as_recordings(inputs, input_options(**options), default_layout=extractor.layout)
        motions = [visible_motion(recording) for recording in recordings]
        views = [[] if one is None else views_of(one, extractor, num_clips, flip) for one in motions]
        return {"views": views, "recordings": recordings}

    def _cut(self, inputs: MotionInput, options: dict) -> dict:
        """Return the clips of all stretches of all recordings of an input, and which they are."""
        seconds = {name: options.pop(name) for name in EVENT_OPTIONS if name in options}
        extractor = self.feature_extractor
        recordings = as_recordings(inputs, input_options(**options), default_layout=extractor.layout)
        cut = [cut_stretches(_everybody(recording), recording.fps, extractor, **seconds) for recording in recordings]
        views = [[clip] for stretches in cut for clip in stretches.clips]
        return {"views": views, "along": list(zip(recordings, cut, strict=True))}

    def forward_group(self, group: list[dict], forward_params: dict) -> list[dict]:
        outputs = self.forward({"views": [views for one in group for views in one["views"]]}, **forward_params)
        rest = iter(outputs["probabilities"])
        return [{**one, "probabilities": list(islice(rest, len(one["views"])))} for one in group]

    def _forward(self, model_inputs: dict) -> dict:
        recordings = model_inputs["views"]
        views = [view for views in recordings for view in views]
        if not views:
            return {**model_inputs, "probabilities": [None for _ in recordings]}
        parts = []
        for start in trange(0, len(views), MAX_CLIPS, desc="naming", delay=PROGRESS_AFTER, leave=False):
            batch = collate_people(views[start : start + MAX_CLIPS])
            batch = {name: values.to(self.model.device) for name, values in batch.items()}
            parts.append(self.model.probabilities(self.model(**batch).logits).cpu())
        probabilities = iter(torch.cat(parts))
        found = [list(islice(probabilities, len(views))) for views in recordings]
        return {**model_inputs, "probabilities": [torch.stack(one).mean(0) if one else None for one in found]}

    def postprocess(
        self, model_outputs: dict, top_k: int | None = 5, min_confidence: float = 0.0, explain: bool = False
    ) -> Answer | list[Answer]:
        if "along" in model_outputs:
            return self._events(model_outputs, min_confidence)
        answers = [
            [] if probabilities is None else self._answer(probabilities, top_k)
            for probabilities in model_outputs["probabilities"]
        ]
        if explain:
            for answer, views, recording in zip(
                answers, model_outputs["views"], model_outputs["recordings"], strict=True
            ):
                if answer:
                    answer[0]["explanation"] = self._explanation(answer[0]["label"], views[0], recording)
        return answers[0] if len(answers) == 1 else answers

    def _events(self, model_outputs: dict, min_confidence: float) -> Answer | list[Answer]:
        names = [self.model.config.id2label[number] for number in range(self.model.config.num_labels)]
        rest = iter(model_outputs["probabilities"])
        answers = []
        for recording, cut in model_outputs["along"]:
            found = list(islice(rest, len(cut.clips)))
            table = torch.stack(found).float().numpy() if found else np.zeros((0, len(names)))
            begin = recording.first_frame / known_rate(recording.fps)
            events = action_events(cut, table, names, recording.people, min_confidence)
            answers.append([event.later(begin).to_dict() for event in events])
        return answers[0] if len(answers) == 1 else answers

    def _explanation(self, label: str, clip: Motion, recording: Recording) -> str:
        """Return the sentence that explains why the clip of a recording is of a class."""
        people = {name: values[0] for name, values in collate_people([clip]).items()}
        number = next(number for number, name in self.model.config.id2label.items() if name == label)
        rate = known_rate(recording.fps)
        found = explain_action(self.model, people["keypoints"], people["scores"], number)
        return found.sentence(recording.scores.shape[1] / rate, recording.first_frame / rate)

    def _answer(self, probabilities: torch.Tensor, top_k: int | None) -> Answer:
        scores, classes = probabilities.topk(min(top_k or len(probabilities), len(probabilities)))
        names = self.model.config.id2label
        return [
            {"label": names[number], "score": score}
            for number, score in zip(classes.tolist(), scores.tolist(), strict=True)
        ]


def _everybody(recording: Recording) -> Motion:
    """Return the people of a recording in their places, or nobody."""
    try:
        return view(recording, options=EVERYBODY)
    except NobodyVisibleError:
        people, frames = recording.scores.shape[:2]
        return Motion(np.zeros((people, frames, 17, 2), np.float32), np.zeros((people, frames, 17), np.float32))

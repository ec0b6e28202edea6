"""The "motion-classification" pipeline: the most likely actions of a recording."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import torch

from motion_data.inputs import MotionInput, input_options
from tokenization_mofm.feature_extraction_mofm import MoFMFeatureExtractor, collate_people

from ..motion_pipeline import MotionPipeline, extractor_beside, visible_motions
from .clip_views import views_of

Answer = list[dict[str, str | float]]


class MotionClassificationPipeline(MotionPipeline):
    """Recognise actions.

        recognise = pipeline("motion-classification", model="mofm-actions")
        recognise("alphapose.json")[0]["label"]

    All people of a recording are one scene, with one answer. The feature extractor is loaded from the model's folder.
    """

    def __init__(self, model, feature_extractor: MoFMFeatureExtractor | None = None, **kwargs):
        config = model.config
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

        Returns:
            of each input the most likely classes, `[{"label": ..., "score": ...}, ...]`, [] where nobody is in sight;
            of a file with several recordings a list of such lists. Of several inputs a list of these (of a generator,
            a generator), with `{"error": ...}` for one that cannot be read.

        Raises:
            ValueError: see `as_recordings` and `as_motion`.
        """
        return super().__call__(inputs, **kwargs)

    def _sanitize_parameters(
        self,
        num_clips: int | None = None,
        flip: bool | None = None,
        **options,
    ):
        shown = {"top_k": options.pop("top_k")} if "top_k" in options else {}
        input_options(("top_k", "num_clips", "flip", "batch_size"), **options)
        for name, value in (("top_k", shown.get("top_k")), ("num_clips", num_clips)):
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1{', or None for all' * (name == 'top_k')}, got {value}")
        given = {"num_clips": num_clips, "flip": flip, **options}
        return {name: value for name, value in given.items() if value is not None}, {}, shown

    def preprocess(self, inputs: MotionInput, num_clips: int = 1, flip: bool = False, **options) -> dict:
        extractor = self.feature_extractor
        motions = visible_motions(inputs, options, extractor.layout)
        return {"views": [[] if one is None else views_of(one, extractor, num_clips, flip) for one in motions]}

    def forward_group(self, group: list[dict], forward_params: dict) -> list[dict]:
        outputs = self.forward({"views": [views for one in group for views in one["views"]]}, **forward_params)
        rest = iter(outputs["probabilities"])
        return [{"probabilities": list(islice(rest, len(one["views"])))} for one in group]

    def _forward(self, model_inputs: dict) -> dict:
        recordings = model_inputs["views"]
        views = [view for views in recordings for view in views]
        if not views:
            return {"probabilities": [None for _ in recordings]}
        batch = {name: values.to(self.model.device) for name, values in collate_people(views).items()}
        probabilities = iter(self.model.probabilities(self.model(**batch).logits).cpu())
        found = [list(islice(probabilities, len(views))) for views in recordings]
        return {"probabilities": [torch.stack(one).mean(0) if one else None for one in found]}

    def postprocess(self, model_outputs: dict, top_k: int | None = 5) -> Answer | list[Answer]:
        answers = [
            [] if probabilities is None else self._answer(probabilities, top_k)
            for probabilities in model_outputs["probabilities"]
        ]
        return answers[0] if len(answers) == 1 else answers

    def _answer(self, probabilities: torch.Tensor, top_k: int | None) -> Answer:
        scores, classes = probabilities.topk(min(top_k or len(probabilities), len(probabilities)))
        names = self.model.config.id2label
        return [
            {"label": names[number], "score": score}
            for number, score in zip(classes.tolist(), scores.tolist(), strict=True)
        ]

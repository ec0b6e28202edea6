"""The "motion-classification" pipeline: the most likely actions of a recording."""

from __future__ import annotations

import os
from collections.abc import Iterable

import torch
from transformers import Pipeline

from motion_data.inputs import MotionInput, as_recordings, input_options, one_or_list
from motion_data.views import view
from tokenization_mofm.feature_extraction_mofm import MoFMFeatureExtractor, collate_people

from .clip_views import views_of

Answer = list[dict[str, str | float]]


class MotionClassificationPipeline(Pipeline):
    """Recognise actions.

        recognise = pipeline("motion-classification", model="mofm-actions")
        recognise("alphapose.json")[0]["label"]

    All people of a recording are one scene, with one answer. The feature extractor is loaded from the model's folder.
    """

    _load_tokenizer = False
    _load_feature_extractor = False
    _load_image_processor = False
    _load_video_processor = False
    _load_processor = False

    def __init__(self, model, feature_extractor: MoFMFeatureExtractor | None = None, **kwargs):
        if feature_extractor is None and os.path.isdir(model.name_or_path):
            feature_extractor = MoFMFeatureExtractor.from_pretrained(model.name_or_path)
        feature_extractor = feature_extractor or MoFMFeatureExtractor.for_config(model.config)
        config = model.config
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
            of each input the most likely classes, `[{"label": ..., "score": ...}, ...]`; of a file with several
            recordings a list of such lists.

        Raises:
            ValueError: see `as_recordings` and `as_motion`.
        """
        return super().__call__(one_or_list(inputs), **kwargs)

    def _sanitize_parameters(
        self,
        top_k: int | None = 5,
        num_clips: int | None = None,
        flip: bool | None = None,
        **options,
    ):
        input_options(("top_k", "num_clips", "flip", "batch_size"), **options)
        if top_k is not None and top_k < 1:
            raise ValueError(f"top_k must be at least 1, or None for all, got {top_k}")
        if num_clips is not None and num_clips < 1:
            raise ValueError(f"num_clips must be at least 1, got {num_clips}")
        given = {"num_clips": num_clips, "flip": flip, **options}
        return {name: value for name, value in given.items() if value is not None}, {}, {"top_k": top_k}

    def preprocess(
        self,
        inputs: MotionInput,
        num_clips: int = 1,
        flip: bool = False,
        **options,
    ) -> dict:
        recordings = as_recordings(inputs, input_options(**options), default_layout=self.feature_extractor.layout)
        motions = [view(recording) for recording in recordings]
        views = [view for motion in motions for view in views_of(motion, self.feature_extractor, num_clips, flip)]
        return {**collate_people(views), "num_recordings": len(motions)}

    def _forward(self, model_inputs: dict) -> dict:
        logits = self.model(model_inputs["keypoints"], model_inputs["scores"]).logits.float()
        multi_label = self.model.config.problem_type == "multi_label_classification"
        probabilities = logits.sigmoid() if multi_label else logits.softmax(-1)
        return {"probabilities": probabilities.unflatten(0, (model_inputs["num_recordings"], -1)).mean(1)}

    def postprocess(self, model_outputs: dict, top_k: int | None = 5) -> Answer | list[Answer]:
        answers = [self._answer(probabilities, top_k) for probabilities in model_outputs["probabilities"]]
        return answers[0] if len(answers) == 1 else answers

    def _answer(self, probabilities: torch.Tensor, top_k: int | None) -> Answer:
        scores, classes = probabilities.topk(min(top_k or len(probabilities), len(probabilities)))
        names = self.model.config.id2label
        return [
            {"label": names[number], "score": score}
            for number, score in zip(classes.tolist(), scores.tolist(), strict=True)
        ]

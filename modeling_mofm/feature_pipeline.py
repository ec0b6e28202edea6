"""The "motion-feature-extraction" pipeline: embeddings of recordings, for search, clusters or a model of your own."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from motion_data.inputs import MotionInput, as_recordings, input_options
from motion_data.keypoints import Motion, NobodyVisibleError
from motion_data.views import view
from tokenization_mofm.feature_extraction_mofm import MoFMFeatureExtractor, collate_people

from .motion_pipeline import MotionPipeline


class MotionFeaturePipeline(MotionPipeline):
    """Embed recordings.

        embed = pipeline("motion-feature-extraction", model="mofm")
        embed("a.json")["vector"] @ embed("b.json")["vector"]  # how alike two recordings are

    Called with an input of any kind (`motion_data.inputs.as_recordings`), `layers` (see `MoFMModel.get_embeddings`)
    and what the input does not say itself, it returns of each recording a dict of float32 arrays, means over people:
    `vector` `[T * K * D]` of length 1, `joints` `[K, D]` and `slices` `[T, D]`; None where nobody is in sight.
    """

    def __init__(self, model, feature_extractor: MoFMFeatureExtractor | None = None, **kwargs):
        if feature_extractor is None and model.name_or_path:
            try:
                feature_extractor = MoFMFeatureExtractor.from_pretrained(model.name_or_path, **model.hub_options)
            except OSError:  # a model without one: that of its sizes
                pass
        extractor = feature_extractor or MoFMFeatureExtractor.for_config(model.config)
        super().__init__(model=model, feature_extractor=extractor, **kwargs)

    def save_pretrained(self, save_directory: str | os.PathLike, **kwargs) -> None:
        """Save the model and the feature extractor; a pipeline of that folder needs nothing else."""
        self.model.save_pretrained(save_directory, **kwargs)
        self.feature_extractor.save_pretrained(save_directory, **kwargs)

    def _sanitize_parameters(self, layers: int | Sequence[int] | None = None, **options):
        input_options(("layers", "batch_size"), **options)
        return options, {} if layers is None else {"layers": layers}, {}

    def preprocess(self, inputs: MotionInput, **options) -> dict:
        recordings = as_recordings(inputs, input_options(**options), default_layout=self.feature_extractor.layout)
        clips: list[Motion | None] = []
        for recording in recordings:
            try:
                clips.append(self.feature_extractor.clip(view(recording)))
            except NobodyVisibleError:
                clips.append(None)
        return {"clips": clips}

    def _forward(self, model_inputs: dict, layers: int | Sequence[int] = -1) -> dict:
        seen = [clip for clip in model_inputs["clips"] if clip is not None]
        if not seen:
            return {"features": [None for _ in model_inputs["clips"]]}
        batch = {name: values.to(self.model.device) for name, values in collate_people(seen).items()}
        found = self.model.get_embeddings(**batch, layers=layers).over_people()
        arrays = {"vector": found.vectors, "joints": found.joints, "slices": found.slices}
        arrays = {name: values.float().cpu().numpy() for name, values in arrays.items()}
        rest = iter(range(len(seen)))
        features: list[dict[str, np.ndarray] | None] = []
        for clip in model_inputs["clips"]:
            row = None if clip is None else next(rest)
            features.append(None if row is None else {name: values[row] for name, values in arrays.items()})
        return {"features": features}

    def forward_group(self, group: list[dict], forward_params: dict) -> list[dict]:
        merged = self.forward({"clips": [clip for one in group for clip in one["clips"]]}, **forward_params)
        rest = iter(merged["features"])
        return [{"features": [next(rest) for _ in one["clips"]]} for one in group]

    def postprocess(self, model_outputs: dict) -> dict | None | list[dict | None]:
        features = model_outputs["features"]
        return features[0] if len(features) == 1 else features

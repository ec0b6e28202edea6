"""The "motion-feature-extraction" pipeline: embeddings of recordings, for search, clusters or a model of your own."""

from __future__ import annotations

from collections.abc import Sequence

from motion_data.inputs import MotionInput, input_options
from tokenization_mofm.feature_extraction_mofm import MoFMFeatureExtractor

from .modeling_mofm import extractor_beside
from .motion_pipeline import MotionPipeline, visible_motions
from .scenes import embed_scenes


class MotionFeaturePipeline(MotionPipeline):
    """Embed recordings.

        embed = pipeline("motion-feature-extraction", model="mofm")
        embed("a.json")["vector"] @ embed("b.json")["vector"]  # how alike two recordings are

    Takes an input of any kind (`motion_data.inputs.as_recordings`), `layers` (see `MoFMModel.get_embeddings`) and
    facts that the input does not state itself. Returns for each recording a dict of float32 arrays, averaged over
    people: `vector` `[T * K * D]` of unit length, `joints` `[K, D]` and `slices` `[T, D]`; None if nobody is in sight.
    """

    def __init__(self, model, feature_extractor: MoFMFeatureExtractor | None = None, **kwargs):
        super().__init__(model=model, feature_extractor=feature_extractor or extractor_beside(model), **kwargs)

    def _sanitize_parameters(self, layers: int | Sequence[int] | None = None, **options):
        input_options(("layers", "batch_size"), **options)
        return options, {} if layers is None else {"layers": layers}, {}

    def preprocess(self, inputs: MotionInput, **options) -> dict:
        motions = visible_motions(inputs, options, self.feature_extractor.layout)
        return {"clips": [None if motion is None else self.feature_extractor.clip(motion) for motion in motions]}

    def _forward(self, model_inputs: dict, layers: int | Sequence[int] = -1) -> dict:
        seen = [clip for clip in model_inputs["clips"] if clip is not None]
        if not seen:
            return {"features": [None for _ in model_inputs["clips"]]}
        found = embed_scenes(self.model, seen, layers)
        arrays = {"vector": found.vectors, "joints": found.joints, "slices": found.slices}
        arrays = {name: values.float().cpu().numpy() for name, values in arrays.items()}
        rows = iter([{name: values[row] for name, values in arrays.items()} for row in range(len(seen))])
        return {"features": [None if clip is None else next(rows) for clip in model_inputs["clips"]]}

    def forward_group(self, group: list[dict], forward_params: dict) -> list[dict]:
        merged = self.forward({"clips": [clip for one in group for clip in one["clips"]]}, **forward_params)
        rest = iter(merged["features"])
        return [{"features": [next(rest) for _ in one["clips"]]} for one in group]

    def postprocess(self, model_outputs: dict) -> dict | None | list[dict | None]:
        features = model_outputs["features"]
        return features[0] if len(features) == 1 else features

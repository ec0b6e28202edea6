"""The base class of the pipelines: inputs of any kind, in batches, where one bad input does not stop the others."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from transformers import Pipeline

from motion_data.inputs import MotionInput, as_recordings, input_options, is_batch, one_or_list
from motion_data.keypoints import Motion, NobodyVisibleError
from motion_data.recording import Recording
from motion_data.views import view
from tokenization_mofm.repository import WholeRepository

from .modeling_mofm import MoFMPreTrainedModel
from .shipped import check_shipped


class MotionPipeline(WholeRepository, Pipeline):
    """A pipeline whose inputs are motion (`motion_data.inputs.as_recordings`), one or several.

    Several inputs are processed `batch_size` at a time, in this process. An input that cannot be read gives
    `{"error": reason}`, and the others go on; a single input raises its error.
    """

    _load_tokenizer = False
    _load_feature_extractor = False
    _load_image_processor = False
    _load_video_processor = False
    _load_processor = False

    def __init__(self, *args, model: MoFMPreTrainedModel, **kwargs):
        check_shipped(model.name_or_path)
        super().__init__(*args, model=model, **kwargs)

    def __call__(self, inputs: MotionInput | Iterable[MotionInput], **kwargs) -> Any:
        batch_size = kwargs.get("batch_size")
        if batch_size is not None and not (isinstance(batch_size, int) and batch_size >= 1):
            raise ValueError(f"batch_size must be a whole number, 1 or more, got {batch_size!r}")
        if isinstance(inputs, (list, tuple)) and not inputs:
            return []
        # such as a `map`; transformers takes generators only
        if isinstance(inputs, Iterator) and is_batch(inputs):
            inputs = (one for one in inputs)
        return super().__call__(one_or_list(inputs), **kwargs)

    def get_iterator(
        self,
        inputs: Iterable[MotionInput],
        num_workers: int,
        batch_size: int,
        preprocess_params: dict,
        forward_params: dict,
        postprocess_params: dict,
    ) -> Iterator[Any]:
        rest = iter(inputs)
        while group := list(islice(rest, batch_size)):
            prepared: list[dict | str] = []
            for item in group:
                try:
                    prepared.append(self.preprocess(item, **preprocess_params))
                except (ValueError, OSError) as error:
                    prepared.append(str(error))
            outputs = iter(self.forward_group([one for one in prepared if isinstance(one, dict)], forward_params))
            for one in prepared:
                yield (
                    {"error": one} if isinstance(one, str) else self.postprocess(next(outputs), **postprocess_params)
                )

    def save_pretrained(self, save_directory: str | os.PathLike, **kwargs) -> None:
        """Save the model with its tokenizer or feature extractor; a pipeline needs nothing else than that folder."""
        self.model.save_pretrained(save_directory, **kwargs)
        (self.tokenizer or self.feature_extractor).save_pretrained(save_directory, **kwargs)

    def forward_group(self, group: list[dict], forward_params: dict) -> list[dict]:
        """Return the outputs of several inputs; overridden by pipelines that can run them as one batch."""
        return [self.forward(one, **forward_params) for one in group]


def visible_motions(inputs: MotionInput, options: dict, layout: str) -> list[Motion | None]:
    """Return the motion of each recording of an input, None where nobody is in sight.

    Args:
        options: facts that the input does not state itself, by name (`motion_data.inputs.INPUT_OPTIONS`).
        layout: layout of arrays, if nothing else states it.
    """
    return [visible_motion(one) for one in as_recordings(inputs, input_options(**options), default_layout=layout)]


def visible_motion(recording: Recording) -> Motion | None:
    """Return the motion of a recording, None where nobody is in sight."""
    try:
        return view(recording)
    except NobodyVisibleError:
        return None

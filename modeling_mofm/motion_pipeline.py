"""What the pipelines share: inputs of any kind, batches of them, and answers that do not hang on each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from transformers import Pipeline

from motion_data.inputs import MotionInput, one_or_list


class MotionPipeline(Pipeline):
    """A pipeline whose inputs are motion (`motion_data.inputs.as_recordings`), one or several.

    Several are answered `batch_size` at a time, in this process. One that cannot be read is answered by
    `{"error": reason}`, and the others are answered all the same; a single one raises its error.
    """

    _load_tokenizer = False
    _load_feature_extractor = False
    _load_image_processor = False
    _load_video_processor = False
    _load_processor = False

    def __call__(self, inputs: MotionInput | Iterable[MotionInput], **kwargs) -> Any:
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

    def forward_group(self, group: list[dict], forward_params: dict) -> list[dict]:
        """Return the outputs of several inputs; a pipeline that can run them at once does so."""
        return [self.forward(one, **forward_params) for one in group]

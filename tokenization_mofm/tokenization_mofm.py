"""`MoFMTokenizer`: motion in, MotionBook ids out, and back to heat-maps.

It holds three parts, each a standard object saved in its standard files of one directory or Hub repository:

    preprocessor_config.json                  MoFMFeatureExtractor, key-points to clips
    tokenizer.json, tokenizer_config.json     the MotionBook, words to ids
    dved/config.json, dved/model.safetensors  DVEDModel, clips to codes

The MoFM model's own config.json and model.safetensors lie beside them, so that one name loads everything.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from copy import copy
from functools import cached_property

import torch
from transformers import BatchFeature, PreTrainedTokenizerFast
from transformers.utils import PushToHubMixin

from motion_data.cameras import Camera, SensorCamera
from motion_data.inputs import MotionInput
from motion_data.keypoints import ArrayLike

from .feature_extraction_mofm import MoFMFeatureExtractor
from .fingerprint import fingerprint
from .modeling_dved import DVEDModel
from .motion_book import build_motion_book, ids_to_text, text_to_ids
from .repository import WholeRepository

DVED_FOLDER = "dved"


class MoFMTokenizer(WholeRepository, PushToHubMixin):
    """Tokenise human motion.

    Args:
        dved: the trained discrete variational encoder-decoder.
        feature_extractor: prepares key-points; by default the one of the dVED's geometry.
        motion_book: the vocabulary; by default the one of the dVED's code book.

    Raises:
        ValueError: the parts do not fit each other.
    """

    def __init__(
        self,
        dved: DVEDModel,
        feature_extractor: MoFMFeatureExtractor | None = None,
        motion_book: PreTrainedTokenizerFast | None = None,
    ):
        self.dved = dved.eval()
        self.feature_extractor = copy(feature_extractor or MoFMFeatureExtractor.for_config(dved.config))
        self.feature_extractor.shared_box = False  # a person's words do not depend on who else is there
        self.motion_book = motion_book or build_motion_book(dved.config.codebook_size)
        for field in ("num_frames", "heatmap_size"):
            ours, theirs = getattr(self.feature_extractor, field), getattr(dved.config, field)
            if ours != theirs:
                raise ValueError(f"{field} of the feature extractor is {ours}; it must be {theirs}, as the dVED's is")
        words = sum(word.startswith("<motion_") for word in self.motion_book.get_vocab())
        if words != dved.config.codebook_size:
            raise ValueError(
                f"the MotionBook has {words} motion words; it must have {dved.config.codebook_size}, "
                "as the dVED has codes"
            )

    @property
    def vocab_size(self) -> int:
        """Motion words and special tokens together."""
        return len(self.motion_book)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the dVED's weights: which words these are. Computed once, since a tokenizer's weights stay."""
        return fingerprint(self.dved)

    @property
    def device(self) -> torch.device:
        return self.dved.device

    def to(self, device: torch.device | str) -> MoFMTokenizer:
        self.dved.to(device)
        return self

    @torch.no_grad()
    def __call__(
        self,
        keypoints: MotionInput | Iterable[MotionInput],
        scores: ArrayLike | None = None,
        layout: str | None = None,
        camera: Camera | SensorCamera | None = None,
        **options,
    ) -> BatchFeature:
        """Tokenise one clip or a batch of clips; for the arguments and errors see `MoFMFeatureExtractor`.

        Returns:
            `input_ids` `[B, M, L]`, `<empty>` where a cube holds no heat, and the prepared `keypoints` and `scores`
            that went in, as the MoFM models take them.
        """
        features = self.feature_extractor(keypoints, scores, layout, camera, **options).to(self.device)
        people = features["keypoints"].shape[:2]
        ids = self.dved.encode(features["keypoints"].flatten(0, 1), features["scores"].flatten(0, 1)).input_ids
        features["input_ids"] = ids.unflatten(0, people)
        return features

    @torch.no_grad()
    def decode(self, input_ids: torch.Tensor) -> torch.Tensor:
        """Draw the heat-maps of `input_ids` `[..., L]`.

        Special tokens, `<empty>` among them, are drawn as nothing.

        Returns:
            `[..., F, H, W]` in [0, 1]; with a dVED that reconstructs every joint, `[..., K, F, H, W]`.
        """
        input_ids = torch.as_tensor(input_ids, device=self.device)
        heat = self.dved.decode(input_ids.reshape(-1, input_ids.shape[-1]))
        if self.dved.config.num_output_channels == 1:
            heat = heat.squeeze(1)
        return heat.unflatten(0, input_ids.shape[:-1]) if input_ids.ndim > 1 else heat[0]

    def to_text(self, input_ids: torch.Tensor | list[int]) -> str:
        """Write the `[L]` ids of one clip as words."""
        return ids_to_text(self.motion_book, input_ids)

    def from_text(self, text: str) -> torch.Tensor:
        """Read words back to ids `[L]`, without loss."""
        return text_to_ids(self.motion_book, text)

    def save_pretrained(
        self,
        save_directory: str | os.PathLike,
        push_to_hub: bool = False,
        max_shard_size: int | str = "50GB",
        **kwargs,
    ) -> None:
        """Save all parts into a directory, beside a MoFM model if there is one.

        Args:
            save_directory: made if it does not exist.
            push_to_hub: push to the Hub afterwards; `kwargs` (`repo_id`, token, ...) go to `push_to_hub`.
            max_shard_size: of the dVED's weights.
        """
        save_directory = os.fspath(save_directory)
        os.makedirs(save_directory, exist_ok=True)
        self.feature_extractor.save_pretrained(save_directory)
        self.motion_book.save_pretrained(save_directory)
        self.dved.save_pretrained(os.path.join(save_directory, DVED_FOLDER), max_shard_size=max_shard_size)
        if push_to_hub:
            repo_id = kwargs.pop("repo_id", os.path.basename(os.path.normpath(save_directory)))
            self.push_to_hub(repo_id, max_shard_size=max_shard_size, **kwargs)

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | os.PathLike,
        subfolder: str = "",
        dtype: torch.dtype | str | None = None,
        **kwargs,
    ) -> MoFMTokenizer:
        """Load all parts from a directory or a Hub repository.

        Args:
            pretrained_model_name_or_path: folder or Hub id.
            subfolder: where in it the parts are.
            dtype: of the dVED; None takes the one that it was saved in.
            kwargs: revision, token, cache_dir, ... for each part.

        Raises:
            OSError: a file is missing or cannot be reached.
            ValueError: the parts do not fit each other.
        """
        name = pretrained_model_name_or_path
        inside = "/".join(part for part in (subfolder, DVED_FOLDER) if part)
        if os.path.isdir(name) and not os.path.isdir(os.path.join(name, inside)):
            raise OSError(f"{str(name)!r} holds no tokenizer: there is no folder {inside} in it")
        precision = {} if dtype is None else {"dtype": dtype}
        dved = DVEDModel.from_pretrained(name, subfolder=inside, **precision, **kwargs)
        extractor = MoFMFeatureExtractor.from_pretrained(name, subfolder=subfolder, **kwargs)
        book = PreTrainedTokenizerFast.from_pretrained(name, subfolder=subfolder, **kwargs)
        return cls(dved, extractor, book)

"""Embeddings of scenes: prepared clips of one or more people."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import PreTrainedModel

from motion_data.keypoints import Motion
from tokenization_mofm.feature_extraction_mofm import collate_people

from .embeddings import MotionEmbeddings


@torch.no_grad()
def embed_scenes(
    model: PreTrainedModel, clips: Sequence[Motion], layers: int | Sequence[int] = -1
) -> MotionEmbeddings:
    """Return the embeddings of prepared clips of one or more people each, averaged over people, without gradients."""
    batch = {name: values.to(model.device) for name, values in collate_people(clips).items()}
    return model.get_embeddings(**batch, layers=layers).over_people()

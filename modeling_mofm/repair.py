"""Repair a motion: predict its missing or wrong key-points from all others.

Needs a model that was pre-trained to predict hidden key-points (`coordinate_loss_weight`).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from motion_data.keypoints import Motion, map_box
from tokenization_mofm.feature_extraction_mofm import MoFMFeatureExtractor

from .pretraining.modeling import MoFMForMaskedMotionModeling


@torch.no_grad()
def expected_keypoints(model: MoFMForMaskedMotionModeling, keypoints: Tensor, scores: Tensor) -> Tensor:
    """Predict the positions of all key-points of clips, both seen and missing ones.

    Args:
        model: in evaluation mode.
        keypoints: `[N, F, K, 2]`, map pixels.
        scores: `[N, F, K]`; 0 is a missing key-point.

    Returns:
        `[N, F, K, 2]`, map pixels.

    Raises:
        ValueError: the model was not pre-trained for coordinates.
    """
    if model.coordinate_decoder is None or "coordinate_decoder" in model.new_parts:
        raise ValueError(
            f"model {model.name_or_path!r} has not learnt where hidden key-points are; pre-train it with "
            "--coordinate-loss-weight 5"
        )
    clips = model.read_clips(keypoints, scores)
    outputs = model.mofm(clips=clips)
    places = model.coordinate_decoder(outputs.last_hidden_state, outputs.attention_mask)
    return (places.float() + 1) * (model.config.heatmap_size - 1) / 2


def repair(
    model: MoFMForMaskedMotionModeling,
    motion: Motion,
    extractor: MoFMFeatureExtractor | None = None,
    odd: np.ndarray | None = None,
    batch_size: int = 32,
) -> Motion:
    """Return a recording with its missing key-points filled in.

    Windows as long as a clip slide over the recording by half their length; where two overlap, their predictions are
    averaged, weighted towards the window whose middle is nearer.

    Args:
        model: pre-trained for coordinates.
        motion: `[M, F', 17, 2]` in any unit; a person without any key-point in a window stays missing there.
        extractor: the model's feature extractor; None makes one for its sizes.
        odd: bool `[M, F', 17]`, key-points that are seen but wrong, such as those with a high `joint_score`; they are
            hidden from the model and replaced.
        batch_size: windows in one forward pass.

    Returns:
        the key-points, seen ones unchanged; scores are 1 for seen and predicted key-points, 0 elsewhere.

    Raises:
        ValueError: the model was not pre-trained for coordinates, or `odd` has another shape.
    """
    extractor = extractor or MoFMFeatureExtractor.for_config(model.config)
    seen = motion.scores > 0
    if odd is not None:
        if odd.shape != seen.shape:
            raise ValueError(f"odd must be {list(seen.shape)} as scores are, got {list(odd.shape)}")
        seen = seen & ~odd
    M, F = seen.shape[:2]
    length = model.config.num_frames
    size = extractor.heatmap_size
    starts = np.unique(np.append(np.arange(0, max(F - length, 0) + 1, max(length // 2, 1)), max(F - length, 0)))
    frames = np.minimum(starts[:, None] + np.arange(length), F - 1)  # W length
    who, window = np.nonzero(seen[:, frames].any((2, 3)))
    total, weight = np.zeros((M, F, 17, 2)), np.zeros((M, F, 1, 1))
    nearness = np.minimum(np.arange(1, length + 1), np.arange(length, 0, -1))[:, None, None].astype(float)
    device = next(model.parameters()).device
    model.eval()
    for first in range(0, len(who), batch_size):
        people, chosen = who[first : first + batch_size, None], frames[window[first : first + batch_size]]
        trusted = seen[people, chosen]
        points, scores = motion.keypoints[people, chosen], np.where(trusted, motion.scores[people, chosen], 0)
        middle, factor = map_box(points, scores, size, extractor.box_scale, extractor.center_frames)
        clip = extractor.fit(Motion(points, scores), shared_box=False)
        tensors = [torch.as_tensor(part, dtype=torch.float32, device=device) for part in (clip.keypoints, clip.scores)]
        places = expected_keypoints(model, *tensors).cpu().numpy()
        np.add.at(total, (people, chosen), ((places - (size - 1) / 2) / factor + middle) * nearness)
        np.add.at(weight, (people, chosen), np.broadcast_to(nearness, (len(people), *nearness.shape)))
    found = np.broadcast_to(weight > 0, (M, F, 17, 1))[..., 0]
    places = np.where(seen[..., None], motion.keypoints, total / np.maximum(weight, 1e-9))
    whole = np.where(seen | found, 1.0, 0.0)
    return Motion(np.where(whole[..., None] > 0, places, 0).astype(np.float32), whole.astype(np.float32))

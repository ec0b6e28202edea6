"""Measure a dVED on held-out clips: reconstruction, steadiness, ghosts, and the use of its code book."""

from __future__ import annotations

import torch
from torch import Tensor

from .modeling_dved import DVEDModel
from .reconstruction_metrics import codebook_use, frame_metrics, ghosting, temporal_std
from .thermal_cubes import join_cubes

FLOOR = 0.02  # heat below this is drawn as none: it is nearer to 0 than the foot of any joint with a score of 1


@torch.no_grad()
def evaluate_dved(model: DVEDModel, clips: dict[str, Tensor], batch_size: int = 32) -> dict[str, float]:
    """Encode and decode clips through their hard ids.

    Args:
        model: put into evaluation mode.
        clips: `keypoints` [N, F, K, 2] and `scores` [N, F, K], as `held_out_clips` gives them.
        batch_size: clips at a time.

    Returns:
        Means over clips: `ssim`, `psnr` (dB), `l1`, `tstd` over all voxels; `active_ssim`, `active_psnr`,
        `active_l1` over the active cubes; `ghost`, the share of drawn heat that lies where there is none;
        `codebook_usage` and `codebook_perplexity` over active cubes.
    """
    model.eval()
    config = model.config
    sums: dict[str, float] = {}
    counts = torch.zeros(config.codebook_size)
    total = len(clips["keypoints"])
    for start in range(0, total, batch_size):
        batch = {name: values[start : start + batch_size].to(model.device) for name, values in clips.items()}
        encoded = model.encode(**batch)
        drawn = model.decode(encoded.input_ids)
        drawn = (drawn * (drawn > FLOOR)).amax(1)
        target = model.target(batch["keypoints"], batch["scores"], None).amax(1)
        frames, rows, columns = config.cube_size
        region = encoded.active[..., None, None, None, None].expand(-1, -1, 1, frames, rows, columns)
        region = join_cubes(region, config.grid_size)[:, 0]
        everywhere = frame_metrics(drawn, target)
        active = frame_metrics(drawn, target, region)
        clip_values = {name: values.mean(-1) for name, values in everywhere.items()}
        clip_values |= {f"active_{name}": values.mean(-1) for name, values in active.items()}
        clip_values |= {"tstd": temporal_std(everywhere), "ghost": ghosting(drawn, target)}
        for name, values in clip_values.items():
            sums[name] = sums.get(name, 0.0) + float(values.sum())
        counts += torch.bincount(encoded.input_ids[encoded.active].cpu(), minlength=config.codebook_size)
    usage, perplexity = codebook_use(counts)
    means = {name: value / total for name, value in sums.items()}
    return means | {"codebook_usage": usage, "codebook_perplexity": perplexity}

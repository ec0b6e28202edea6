"""Measure a dVED on held-out clips: reconstruction, steadiness, ghosts, and the use of its code book."""

from __future__ import annotations

import torch
from torch import Tensor
from tqdm import trange

from tokenization_mofm.clip_inputs import ClipInputs
from tokenization_mofm.modeling_dved import DVEDModel
from tokenization_mofm.reconstruction_metrics import (
    codebook_use,
    ghosting,
    peak_error,
    pixel_metrics,
    pool_frames,
    temporal_std,
)
from tokenization_mofm.thermal_cubes import join_cubes


@torch.no_grad()
def evaluate_dved(model: DVEDModel, clips: dict[str, Tensor], batch_size: int = 32) -> dict[str, float]:
    """Encode and decode clips through their hard ids.

    Args:
        model: put into evaluation mode.
        clips: `keypoints` [N, F, K, 2] and `scores` [N, F, K], as `held_out_clips` gives them.
        batch_size: clips at a time.

    Returns:
        Means over clips, frames without any joint left out: `ssim`, `psnr` (dB), `l1` over all voxels; `active_ssim`,
        `active_psnr`, `active_l1` over the active cubes; `tstd` over clips with a joint in every frame;
        `ghost`, the share of drawn heat that lies more than a pixel from any; `peak_error`, pixels, and `peak_lost`
        (`reconstruction_metrics.peak_error`), with `true_` those of the maps themselves; `codebook_usage` and
        `codebook_perplexity` over active cubes. Beside them what anyone could draw: `black_` and `mean_` with `ssim`,
        `psnr` and `l1`, of maps without heat and of the mean of these very maps. A figure that no clip has is left
        out: `peak_error` where nothing is drawn near any joint, `tstd` without a clip that has a joint in each frame.
    """
    model.eval()
    config = model.config
    sums: dict[str, tuple[float, int]] = {}
    counts = torch.zeros(config.codebook_size)
    mean_map = mean_of_maps(model, clips, batch_size)
    for start in trange(0, len(clips["keypoints"]), batch_size, desc="measuring", leave=False):
        batch = {name: values[start : start + batch_size].to(model.device) for name, values in clips.items()}
        encoded = model.encode(**batch)
        drawn = model.decode(encoded.input_ids).amax(1)
        target = model.target(ClipInputs.check(config, model.dtype, **batch)).amax(1)
        frames, rows, columns = config.cube_size
        full = encoded.input_ids != config.empty_id
        region = full[..., None, None, None, None].expand(-1, -1, 1, frames, rows, columns)
        region = join_cubes(region, config.grid_size)[:, 0]
        pixels = pixel_metrics(drawn, target)
        everywhere, active = pool_frames(pixels), pool_frames(pixels, region)
        heated = target.flatten(2).any(-1)  # N F: an empty frame is drawn perfectly, and says nothing
        values = {name: frame_mean(value, heated) for name, value in everywhere.items()}
        values |= {f"active_{name}": frame_mean(value, heated) for name, value in active.items()}
        for name, drawing in (("black", torch.zeros_like(target)), ("mean", mean_map.expand_as(target))):
            trivial = pool_frames(pixel_metrics(drawing, target))
            values |= {f"{name}_{key}": frame_mean(value, heated) for key, value in trivial.items()}
        values["ghost"] = ghosting(drawn, target)
        for name, drawing in (("", drawn), ("true_", target)):
            error, lost = peak_error(drawing, batch["keypoints"], batch["scores"])
            values |= {f"{name}peak_error": error[lost < 1], f"{name}peak_lost": lost}
        values["tstd"] = temporal_std(everywhere)[heated.all(1)]
        for name, value in values.items():
            total, number = sums.get(name, (0.0, 0))
            sums[name] = total + float(value.sum()), number + len(value)
        counts += torch.bincount(encoded.input_ids[full].cpu(), minlength=config.codebook_size)
    usage, perplexity = codebook_use(counts)
    means = {name: total / number for name, (total, number) in sums.items() if number}
    return means | {"codebook_usage": usage, "codebook_perplexity": perplexity}


def mean_of_maps(model: DVEDModel, clips: dict[str, Tensor], batch_size: int) -> Tensor:
    """Return the mean `[H, W]` of the maps of all frames with a joint."""
    total, count = torch.zeros((), device=model.device), 0
    for start in range(0, len(clips["keypoints"]), batch_size):
        batch = {name: values[start : start + batch_size].to(model.device) for name, values in clips.items()}
        target = model.target(ClipInputs.check(model.config, model.dtype, **batch)).amax(1).float()
        total = total + target.sum((0, 1))
        count += int(target.flatten(2).any(-1).sum())
    return total / max(count, 1)


def frame_mean(values: Tensor, counted: Tensor) -> Tensor:
    """Mean of `[N, F]` values over the frames that count, `[N]`."""
    return (values * counted).sum(1) / counted.sum(1).clamp(min=1)

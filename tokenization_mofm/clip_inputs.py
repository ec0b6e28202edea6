"""What a forward pass needs to know of its clips: checked once, and handed on as one object."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .configuration_cubes import ThermalCubeConfig
from .thermal_cubes import active_cubes, touched_cubes


def known_scores(keypoints: Tensor, scores: Tensor) -> Tensor:
    """Return `scores` [..., K], 0 of joints that are missing: not above 0, or `keypoints` [..., K, 2] not finite.

    The tokenizer refuses some of these; a model that may be compiled cannot look.
    """
    return torch.where((scores > 0) & keypoints.isfinite().all(-1), scores, 0.0)


@dataclass
class ClipInputs:
    """Checked clips, people folded into the batch.

    Args:
        keypoints: `[N, F, K, 2]` map pixels, at least single precision; None where heat-maps were given.
        scores: `[N, F, K]`, 0 or more; 0 is a missing joint.
        heatmaps: `[N, K, F, H, W]` in the model's dtype; None where key-points were given.
        touched: bool `[N, L, K]`, whether key-point k heats cube l.
        people: (B, M) if the clips have a people axis.
        embeds: `[N, L, D]` the embedded cubes, where several passes share them.
    """

    keypoints: Tensor | None
    scores: Tensor | None
    heatmaps: Tensor | None
    touched: Tensor
    people: tuple[int, int] | None = None
    embeds: Tensor | None = None

    @classmethod
    def check(
        cls,
        config: ThermalCubeConfig,
        dtype: torch.dtype,
        keypoints: Tensor | None = None,
        scores: Tensor | None = None,
        heatmaps: Tensor | None = None,
    ) -> ClipInputs:
        """Check what a model was given against its configuration.

        Key-points keep at least single precision, whatever the model's: a pixel of the map needs more than half has.
        A joint whose score is not above 0, or whose coordinates are not finite, is missing.

        Raises:
            ValueError: neither or both of key-points and heat-maps, or a shape that is not the configuration's;
                naming the argument, its shape and the shape that is allowed.
        """
        if (keypoints is None) == (heatmaps is None):
            raise ValueError("give either keypoints or heatmaps, got " + ("neither" if keypoints is None else "both"))
        F, K, S = config.num_frames, config.num_keypoints, config.heatmap_size
        cube = tuple(config.cube_size)
        if heatmaps is not None:
            if heatmaps.ndim not in (5, 6) or tuple(heatmaps.shape[-4:]) != (K, F, S, S):
                raise ValueError(f"heatmaps must be [B, (M,) {K}, {F}, {S}, {S}], got {list(heatmaps.shape)}")
            people = tuple(heatmaps.shape[:2]) if heatmaps.ndim == 6 else None
            heatmaps = heatmaps.reshape(-1, K, F, S, S).to(dtype)
            return cls(None, None, heatmaps, active_cubes(heatmaps[:, :, None], cube).transpose(1, 2), people)
        if keypoints.ndim not in (4, 5) or tuple(keypoints.shape[-3:]) != (F, K, 2):
            raise ValueError(f"keypoints must be [B, (M,) {F}, {K}, 2], got {list(keypoints.shape)}")
        if scores is None:
            scores = torch.ones_like(keypoints[..., 0])
        if scores.shape != keypoints.shape[:-1]:
            raise ValueError(f"scores must be {list(keypoints.shape[:-1])} as keypoints are, got {list(scores.shape)}")
        people = tuple(keypoints.shape[:2]) if keypoints.ndim == 5 else None
        precise = torch.promote_types(keypoints.dtype, torch.float32)
        keypoints = keypoints.reshape(-1, F, K, 2).to(precise)
        scores = scores.reshape(-1, F, K).to(precise)
        scores = known_scores(keypoints, scores)
        touched = touched_cubes(keypoints, scores, S, cube, config.sigma, config.truncate)
        return cls(keypoints, scores, None, touched, people)

    @property
    def number(self) -> int:
        """How many clips N there are; in a graph that is exported it may be any number."""
        return self.touched.shape[0]

    @property
    def active(self) -> Tensor:
        """Which cubes hold heat, bool `[N, L]`."""
        return self.touched.any(-1)

    def touched_in_frames(self, config: ThermalCubeConfig) -> Tensor:
        """Tell which key-points heat which cell of the grid in each single frame, bool `[N, F, cells, K]`."""
        cell = (1, *config.cube_size[1:])
        if self.heatmaps is not None:
            touches = active_cubes(self.heatmaps[:, :, None], cell).transpose(1, 2)
        else:
            gaussian = (config.sigma, config.truncate)
            touches = touched_cubes(self.keypoints, self.scores, config.heatmap_size, cell, *gaussian)
        return touches.unflatten(1, (config.num_frames, -1))

    def select(self, ids: Tensor) -> ClipInputs:
        """Return some of the clips, people folded into the batch; `ids` [n]."""
        chosen = {
            name: value[ids]
            for name in ("keypoints", "scores", "heatmaps", "touched", "embeds")
            if (value := getattr(self, name)) is not None
        }
        return replace(self, people=None, **chosen)

    def without(self, left_out: Tensor, config: ThermalCubeConfig) -> ClipInputs:
        """Return clips some of whose cubes count as if nothing heated them; `left_out` bool `[N, L]`.

        A key-point is missing in the time slices in which it heats no other cube.
        """
        touched = self.touched & ~left_out[..., None]
        if self.scores is None:
            return replace(self, touched=touched)
        seen = touched.unflatten(1, (config.grid_size[0], -1)).any(2)  # N T K
        seen = seen.repeat_interleave(config.cube_size[0], 1)
        return replace(self, touched=touched, scores=torch.where(seen, self.scores, 0.0))

    def repeat_embedded(self, embeds: Tensor, times: int) -> ClipInputs:
        """Return each clip `times` times, with its cubes embedded already: `embeds` [N, L, D]."""
        return replace(
            self,
            keypoints=None,
            scores=None,
            heatmaps=None,
            touched=self.touched.repeat_interleave(times, 0),
            people=None,
            embeds=embeds.repeat_interleave(times, 0),
        )

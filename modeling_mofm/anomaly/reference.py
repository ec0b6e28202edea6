"""Distance of a clip from normal motion: nearest neighbours among normal clips, body part by body part.

A clip is described by the mean of its tokens at each key-point and time slice (part), each scaled to unit length. Two
clips are compared part by part, over the parts that both have, so that undetected joints do not change the distance.
"""

import torch
from torch import Tensor, nn


def part_distances(parts: Tensor, others: Tensor) -> Tensor:
    """Return the mean cosine distance of parts that both clips have, `[N, R]` in [0, 2]; 2 if they share none.

    Args:
        parts, others: `[N, T, K, D]` and `[R, T, K, D]`, of unit length, 0 where missing.
    """
    common = parts.any(-1).flatten(1).to(parts.dtype) @ others.any(-1).flatten(1).to(parts.dtype).T
    similarity = parts.flatten(1) @ others.flatten(1).T
    return torch.where(common > 0, 1 - similarity / common.clamp(min=1), 2.0)


class NormalReference(nn.Module):
    """Normal clips, and the mean and spread of both scores on held-out normal motion.

    Args:
        size: number of clips R; 0 is an empty reference.
        num_slices, num_frames, num_keypoints, hidden_size: sizes of the clips and their parts.
        num_neighbors: nearest clips over which the distance is averaged.
    """

    def __init__(
        self,
        size: int,
        num_slices: int,
        num_frames: int,
        num_keypoints: int,
        hidden_size: int,
        num_neighbors: int,
    ):
        super().__init__()
        self.num_neighbors = num_neighbors
        # the clips, in map pixels, for explanations and drawings of anomalous motion
        shapes = {
            "keypoints": (num_frames, num_keypoints, 2),
            "scores": (num_frames, num_keypoints),
            "parts": (num_slices, num_keypoints, hidden_size),
        }
        for name, shape in shapes.items():
            self.register_buffer(name, torch.zeros(size, *shape) if size else None)
        for name in ("nll", "distance"):
            self.register_buffer(f"{name}_mean", torch.zeros(()))
            self.register_buffer(f"{name}_std", torch.ones(()))

    def forward(self, parts: Tensor) -> tuple[Tensor, Tensor]:
        """Measure clips `[N, T, K, D]`.

        Returns:
            the mean distance to the nearest neighbours `[N]`, and the same per key-point `[N, K]`, 0 where the
            key-point is missing in the clip or in all of these neighbours.
        """
        parts, normal = parts.float(), self.parts.float()
        distances, nearest = part_distances(parts, normal).topk(
            min(self.num_neighbors, len(normal)), dim=-1, largest=False
        )
        neighbors = normal[nearest]  # N k T K D
        both = (parts.any(-1)[:, None] & neighbors.any(-1)).to(parts.dtype)  # N k T K
        apart = (1 - (parts[:, None] * neighbors).sum(-1)) * both
        return distances.mean(-1), apart.sum((1, 2)) / both.sum((1, 2)).clamp(min=1)

    def nearest(self, parts: Tensor) -> Tensor:
        """Return the index of the nearest normal clip of each of `parts` [N, T, K, D], int64 `[N]`."""
        return part_distances(parts.float(), self.parts.float()).argmin(-1)

    def standardise(self, name: str, values: Tensor) -> Tensor:
        """Return a score, "nll" or "distance", in standard deviations above the mean of normal motion."""
        return (values.float() - getattr(self, f"{name}_mean").float()) / getattr(self, f"{name}_std").float()

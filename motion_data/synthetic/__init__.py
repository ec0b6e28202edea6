"""The embedded corpus: generated people, which need no download."""

from .corpus import SyntheticConfig, generate_joints_3d, generate_motion, synthetic_dataset

__all__ = ["SyntheticConfig", "generate_joints_3d", "generate_motion", "synthetic_dataset"]

"""The geometry of Thermal Cubes: what the dVED's and MoFM's configurations have in common."""

from collections.abc import Iterable

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig

from motion_data.notes import note

from .remote_code import without_remote_code

# what MoFM and the tokenizer whose words it learns must agree on: the same cubes
SHARED_FIELDS = ("num_keypoints", "num_frames", "heatmap_size", "cube_size", "center_frames")
GEOMETRY_FIELDS = (*SHARED_FIELDS, "sigma", "truncate")
# of every configuration of transformers, though no fields of its class
COMMON_FIELDS = {"name_or_path", "model_type", "num_labels", "torch_dtype", "use_cache", "tie_word_embeddings"}
COMMON_FIELDS |= {"attn_implementation", "experts_implementation", "output_attentions", "custom_pipelines"}


def first_difference(
    ours: PreTrainedConfig, theirs: PreTrainedConfig, fields: Iterable[str]
) -> tuple[str, object, object] | None:
    """Return the first of these fields in which two configurations differ, and both values; None if they agree."""
    for name in fields:
        values = getattr(ours, name), getattr(theirs, name)
        one, other = (list(value) if isinstance(value, tuple) else value for value in values)  # JSON knows no tuples
        if one != other:
            return name, *values
    return None


@strict
class ThermalCubeConfig(PreTrainedConfig):
    """Geometry of `DVEDConfig` and `MoFMConfig`. The width of the Gaussian is each model's own.

    Args:
        num_keypoints: channels of the heat-map volume, one per joint of the canonical skeleton (COCO-17).
        num_frames: frames F of a clip.
        heatmap_size: height and width of a heat-map, pixels.
        cube_size: frames, rows and columns of a thermal cube; must divide the clip.
        sigma: standard deviation of a joint's Gaussian, pixels (the authors' lab uses 0.45 to 0.75).
        truncate: a Gaussian ends `truncate * sigma` from its joint, in x and in y.
        center_frames: whether people stand in the middle of the map in each frame, or their path remains; see
            `motion_data.keypoints.normalise_clip`.
    """

    num_keypoints: int = 17
    num_frames: int = 48
    heatmap_size: int = 72
    cube_size: list[int] | tuple[int, ...] = (12, 9, 9)
    sigma: float | int = 0.75
    truncate: float | int = 3.0
    center_frames: bool = False

    def __post_init__(self, **kwargs):
        fields = without_remote_code(kwargs)
        unknown = sorted(name for name in fields if name not in COMMON_FIELDS and not name.startswith("_"))
        if unknown:
            note(
                f"{type(self).__name__} has {', '.join(unknown)}, which this version of MoFM does not know; if a "
                "newer version saved it, the model may need that version"
            )
        super().__post_init__(**fields)

    def validate_architecture(self) -> None:
        """Raise a ValueError that names the field, its value and what is allowed."""
        if len(self.cube_size) != 3 or min(self.cube_size) < 1:
            raise ValueError(
                f"cube_size must be three positive integers (frames, rows, columns), got {self.cube_size}"
            )
        for name in ("num_keypoints", "num_frames", "heatmap_size", "sigma", "truncate"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        frames, rows, columns = self.cube_size
        if self.num_frames % frames:
            raise ValueError(f"num_frames must be a multiple of cube_size[0] = {frames}, got {self.num_frames}")
        if self.heatmap_size % rows or self.heatmap_size % columns:
            raise ValueError(f"heatmap_size must be a multiple of {rows} and {columns}, got {self.heatmap_size}")

    @property
    def grid_size(self) -> tuple[int, int, int]:
        """Cubes along time, rows and columns."""
        frames, rows, columns = self.cube_size
        return self.num_frames // frames, self.heatmap_size // rows, self.heatmap_size // columns

    @property
    def num_cubes(self) -> int:
        """Cubes L of a clip."""
        slices, rows, columns = self.grid_size
        return slices * rows * columns

"""Options for facts that a file or an array does not state itself: the same for files, arrays and pipelines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .readers.video.estimation_options import PoseEstimation

COORDINATES = ("xy", "xyc", "xyz", "xyzc", "yx", "yxc")
UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001, "in": 0.0254}
UP_AXES = ("x", "y", "z", "-x", "-y", "-z")
WHOLE = 10**6  # frames, more than a recording has: `max_frames` of this cuts nothing
ORIGINS = ("corner", "lower-left", "elsewhere")
AXES = "MFKC"  # people, frames, joints, coordinates


@dataclass(frozen=True)
class ReadOptions:
    """Facts that a source may not state itself, and how people become tracks.

    What a source states is kept: an option is used only if the source does not state the fact, or if `override` names
    the option.

    Args:
        layout: skeleton layout; None lets the format decide, or fail.
        fps: frames per second; 0 is unknown.
        frame_size: width and height, where coordinates are fractions of the picture; (0, 0) is unknown.
        coordinates: what the last axis of an array holds, one of `COORDINATES` (c is the score; MoveNet and PoseNet
            have y first); None takes the rule of `interpret.choose_coordinates`.
        axes: order of the axes of an array, letters of M (people), F (frames), K (joints) and C (coordinates), such as
            "FKC" or, of ST-GCN, "CFKM"; None takes the rule of `interpret.choose_axes`.
        origin: where (0, 0) of 2D coordinates is, one of `ORIGINS`: the corner of a picture, so that a joint with both
            coordinates negative is missing, its lower left corner, from which y points up (Apple's Vision), or, of
            an array, elsewhere, as in the middle of the body; None takes the rule of `interpret.choose_origin`.
        units: of 3D coordinates, one of `UNITS`; None takes the length of the limbs.
        up_axis: axis of 3D coordinates that points up, one of `UP_AXES`; None takes the rule of
            `interpret.choose_up_axis`.
        min_score: joints with a lower score are missing, from 0 to 1.
        max_score: the highest possible score, such as 100 for percentages; 0 takes the rule of `interpret.as_scores`.
        split: name of a split, such as "xsub", of a file that states several; "" takes the only one.
        override: names of options that take precedence over what a source states.
        max_frames: longer recordings are cut into segments of at most this many frames.
        min_track: tracks with key-points in fewer frames are dropped.
        max_gap: a track goes on after at most this many frames without a detection, which are missing.
        poses: models that estimate poses in videos; None reads no videos.

    Raises:
        ValueError: naming the option, its value and what is allowed.
    """

    layout: str | None = None
    fps: float = 0.0
    frame_size: tuple[int, int] = (0, 0)
    coordinates: str | None = None
    axes: str | None = None
    origin: str | None = None
    units: str | None = None
    up_axis: str | None = None
    min_score: float = 0.0
    max_score: float = 0.0
    split: str = ""
    override: tuple[str, ...] = ()
    max_frames: int = 600
    min_track: int = 12
    max_gap: int = 12
    poses: PoseEstimation | None = None

    def __post_init__(self) -> None:
        lowest = {"fps": 0, "max_frames": 2, "min_track": 1, "max_gap": 0, "min_score": 0, "max_score": 0}
        for name, low in lowest.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value < float("inf"):
                raise ValueError(f"{name} must be a number, {low} or more, got {value!r}")
        if self.min_score > 1:
            raise ValueError(f"min_score must be at most 1, of scores from 0 to 1, got {self.min_score!r}")
        size = tuple(self.frame_size)
        if (
            len(size) != 2
            or not all(isinstance(side, int) and side >= 0 for side in size)
            or (0 in size) != (size == (0, 0))
        ):
            raise ValueError(f"frame_size must be a width and a height in whole pixels, got {self.frame_size}")
        choices = {"coordinates": COORDINATES, "origin": ORIGINS, "units": tuple(UNITS), "up_axis": UP_AXES}
        for name, allowed in choices.items():
            if getattr(self, name) not in (None, *allowed):
                raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {getattr(self, name)!r}")
        if self.axes is not None and (
            len(set(self.axes)) != len(self.axes) or not set("FKC") <= set(self.axes) <= set(AXES)
        ):
            raise ValueError(f"axes must be F, K, C and perhaps M in some order, such as 'MFKC', got {self.axes!r}")
        unknown = [name for name in self.override if name not in self.__dataclass_fields__]
        if unknown:
            raise ValueError(f"override names {unknown[0]!r}; it must name options, such as 'layout'")

    def overrides(self, name: str) -> bool:
        """Tell whether an option takes precedence over what a source states."""
        return name in self.override

    def facts(self, stated: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields that a source states, with the frame rate and picture size to be used.

        Args:
            stated: fields of `Recording`; an `fps` of 0 and a `frame_size` with a 0 are unknown, as if not stated.
        """
        known = {"fps": bool(stated.get("fps")), "frame_size": all(stated.get("frame_size", (0, 0)))}
        said = {name: getattr(self, name) for name in known if not known[name] or self.overrides(name)}
        return {**stated, **said}

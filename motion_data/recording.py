"""The one carrier of motion: people over time, as a file, an array or a row of a corpus has them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from numbers import Real

import numpy as np

SPACES = ("image", "camera", "world")
TRAIN, TEST = "train", "test"  # the splits that everything here knows; a source may state others


@dataclass
class Recording:
    """People over time.

    Args:
        keypoints: `[M, F, K, C]`. In the space "image" (C = 2) pixels, x right, y down. In 3D (C = 3) metres, y up:
            "camera" is what a depth sensor at the origin saw, with z away from it and x to the left of its picture
            (Kinect's convention); "world" has no known camera.
        scores: `[M, F, K]` in [0, 1]; 0 is a missing joint.
        layout: name of the skeleton layout.
        name: which recording of its file this is; "" if it is the only one.
        segment: which part of a longer recording this is, as "000600"; "" if it is whole.
        space: one of `SPACES`; "" takes "image" for 2D and "world" for 3D.
        fps: frames per second; 0 is unknown.
        frame_size: width and height of the picture, pixels; (0, 0) is unknown.
        track_ids: the source's own id of each of the M people, the same of those that are parts of one track; [] is
            unknown.
        first_frame: frame of the source at which the recording starts.
        label: name of the action; "" is none.
        frame_labels: `[F]` uint8, 1 is anomalous; None is none.
        frame_actions: `[F]` name of the action in each frame, "" is none; None where there is but one, the `label`.
        subject: number of the person who acts; -1 is unknown.
        camera: name of the camera; "" is unknown.
        split: split that the source puts it in, such as "train"; "" is none.

    Raises:
        ValueError: a space that key-points of so many dimensions cannot be in, a rate that is no number of 0 or more,
            or ids that are not one for each person.
    """

    keypoints: np.ndarray
    scores: np.ndarray
    layout: str
    name: str = ""
    segment: str = ""
    space: str = ""
    fps: float = 0.0
    frame_size: tuple[int, int] = (0, 0)
    track_ids: list[int] = field(default_factory=list)
    first_frame: int = 0
    label: str = ""
    frame_labels: np.ndarray | None = None
    frame_actions: np.ndarray | None = None
    subject: int = -1
    camera: str = ""
    split: str = ""

    def __post_init__(self) -> None:
        dimensions = self.keypoints.shape[-1]
        self.space = self.space or ("image" if dimensions == 2 else "world")
        if self.space not in SPACES or (self.space == "image") != (dimensions == 2):
            raise ValueError(
                f"space is {self.space!r} of {dimensions}D key-points; it must be 'image' for 2D, 'camera' or 'world' "
                "for 3D"
            )
        if not isinstance(self.fps, Real) or not 0 <= self.fps < np.inf:
            raise ValueError(f"fps must be a finite number, 0 or more, got {self.fps!r}")
        people, ids = len(self.keypoints), list(self.track_ids)
        if len(ids) not in (0, people):
            raise ValueError(f"track_ids must be {people} ids, one for each person, or none, got {ids}")

    @property
    def unit(self) -> str:
        """Unit of the coordinates."""
        return "pixels" if self.space == "image" else "metres"

    @property
    def people(self) -> list[int]:
        """Ids of the M people: those of the source, else their places."""
        return [int(name) for name in self.track_ids] or list(range(len(self.keypoints)))

    def without_unsure(self, min_score: float) -> Recording:
        """Return it with the joints of a lower score missing; itself where there are none."""
        unsure = (self.scores > 0) & (self.scores < min_score)
        return replace(self, scores=np.where(unsure, 0, self.scores)) if unsure.any() else self

    def with_y_down(self, origin: str | None) -> Recording:
        """Return it with y down, where `origin` says that the y of its 2D coordinates pointed up; else itself.

        They are measured from the top of the picture, or from its bottom where its height is unknown.
        """
        if origin != "lower-left" or self.space != "image":
            return self
        turned = self.keypoints * np.array([1, -1], self.keypoints.dtype) + np.array(
            [0, self.frame_size[1]], self.keypoints.dtype
        )
        return replace(self, keypoints=np.where(self.scores[..., None] > 0, turned, self.keypoints))

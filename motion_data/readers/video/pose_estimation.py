"""What every pose estimator gives, and which one the options name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Protocol

import numpy as np

from ..detections import Detections
from .estimation_options import MEDIAPIPE, MOVENET, PoseEstimation


class PoseEstimator(Protocol):
    """Finds people in pictures.

    Attributes:
        layout: skeleton layout of the key-points; None where only their number is known.
        num_joints: of each person.
    """

    layout: str | None
    num_joints: int

    def estimate(self, batches: Iterable[np.ndarray]) -> Iterator[Detections]:
        """Yield for each batch of pictures `[N, H, W, 3]` (uint8, RGB) the people in it.

        Frames are numbered from the first picture of the first batch; key-points and boxes are in pixels of the
        picture. One call is one video: an estimator may carry what it saw from picture to picture.
        """
        ...


@lru_cache(maxsize=1)
def load_estimator(options: PoseEstimation) -> PoseEstimator:
    """Load the estimator that the options name; once for many videos.

    Raises:
        ValueError: a model that cannot be loaded or does not fit, naming the option.
    """
    if options.pose_model == MEDIAPIPE:
        from .mediapipe_pose import MediaPipePose

        return MediaPipePose(options)
    if options.pose_model == MOVENET:
        from .movenet import MoveNet

        return MoveNet(options)
    from .vitpose import ViTPose

    return ViTPose(options)


def concatenate(parts: Iterable[Detections], num_joints: int) -> Detections:
    """Return the detections of a whole video; it may have none."""
    nobody = Detections(
        frames=np.zeros(0, np.int64),
        people=np.zeros(0, np.int64),
        keypoints=np.zeros((0, num_joints, 2), np.float32),
        scores=np.zeros((0, num_joints), np.float32),
        boxes=np.zeros((0, 4), np.float32),
    )
    parts = [nobody, *parts]
    names = ("frames", "people", "keypoints", "scores", "boxes")
    return Detections(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})

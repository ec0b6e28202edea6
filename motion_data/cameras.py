"""Cameras that turn 3D key-points into the 2D picture the model reads.

A camera gives image coordinates at focal length 1 (x right, y down); the model scales every clip to its own box, so
no pixel size is needed. A joint with a NaN coordinate, or behind a pinhole, has no picture: it is NaN, and no other
joint is touched.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

MIN_DEPTH = 1e-6  # metres; nearer to the plane of a pinhole than this has no picture


@dataclass(frozen=True)
class Camera:
    """A camera that turns around the subject and looks at the mean of all present joints of the clip.

    Args:
        yaw: degrees around the vertical axis.
        pitch: degrees around the horizontal axis of the picture, after the yaw.
        distance: metres from the mean joint to the pinhole, or None for an orthographic picture.
        y_up: whether y points up in the recording. If not (x right, y down, z forward, as in camera space), the world
            is turned by 180 degrees about x first, which keeps left and right where they are.
    """

    yaw: float
    pitch: float
    distance: float | None
    y_up: bool = True

    def __post_init__(self) -> None:
        for field in ("yaw", "pitch"):
            if not math.isfinite(getattr(self, field)):
                raise ValueError(f"{field} is {getattr(self, field)}; it must be a finite number of degrees")
        if self.distance is not None and not (math.isfinite(self.distance) and self.distance > 0):
            raise ValueError(
                f"distance is {self.distance}; it must be positive (metres), or None for an orthographic view"
            )

    def project(self, keypoints: np.ndarray, scores: np.ndarray | None = None) -> np.ndarray:
        """Return the picture of one clip.

        Args:
            keypoints: [..., F, K, 3], metres, all people of one clip together (they share the centre of the view).
                A joint with a non-finite coordinate is missing.
            scores: [..., F, K]; a joint whose score is 0 is missing too, and does not move the centre.

        Returns:
            [..., F, K, 2] of the floating dtype of `keypoints`, x right and y down; NaN where a joint is missing or
            behind the camera.
        """
        points, present, dtype = _points(keypoints, scores)
        if not self.y_up:
            points = points * np.array([1.0, -1.0, -1.0])
        if present.any():
            points = points - points[present].mean(0)
        points = points @ self._rotation().T
        x, y = points[..., 0], -points[..., 1]
        if self.distance is not None:
            depth = _visible_depth(self.distance - points[..., 2])
            x, y = x / depth, y / depth
        return np.stack([x, y], -1).astype(dtype)

    def _rotation(self) -> np.ndarray:
        yaw, pitch = math.radians(self.yaw), math.radians(self.pitch)
        turn = np.array([[math.cos(yaw), 0, math.sin(yaw)], [0, 1, 0], [-math.sin(yaw), 0, math.cos(yaw)]])
        tilt = np.array([[1, 0, 0], [0, math.cos(pitch), -math.sin(pitch)], [0, math.sin(pitch), math.cos(pitch)]])
        return tilt @ turn


@dataclass(frozen=True)
class SensorCamera:
    """The pinhole at the origin of a recording in camera space (z is depth, y up): what the depth sensor saw.

    A Kinect's x points to the left of its picture, so it is negated: the left of a person facing the sensor is on the
    right of the picture, as in a photograph.
    """

    def project(self, keypoints: np.ndarray, scores: np.ndarray | None = None) -> np.ndarray:
        """Return the picture of `keypoints` [..., F, K, 3] as [..., F, K, 2]; see `Camera.project`."""
        points, _, dtype = _points(keypoints, scores)
        depth = _visible_depth(points[..., 2])
        return (-points[..., :2] / depth[..., None]).astype(dtype)


def fixed_camera() -> Camera:
    """Return the one view in which results on 3D recordings are compared."""
    return Camera(yaw=30.0, pitch=10.0, distance=4.0)


def random_camera(
    generator: np.random.Generator,
    yaw: tuple[float, float] = (-180.0, 180.0),
    pitch: tuple[float, float] = (-10.0, 30.0),
    distance: tuple[float, float] = (2.5, 8.0),
) -> Camera:
    """Draw a pinhole `Camera`, each value uniform in its range.

    Args:
        generator: source of randomness.
        yaw: range in degrees.
        pitch: range in degrees.
        distance: range in metres.

    Raises:
        ValueError: if a range is not ascending, or the distances are not positive.
    """
    for field, (low, high) in (("yaw", yaw), ("pitch", pitch), ("distance", distance)):
        if not low <= high:
            raise ValueError(f"{field} is {(low, high)}; it must be a range (low, high) with low <= high")
    drawn = [float(generator.uniform(low, high)) for low, high in (yaw, pitch, distance)]
    return Camera(yaw=drawn[0], pitch=drawn[1], distance=drawn[2])


def _points(keypoints: np.ndarray, scores: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.dtype]:
    """Return float64 points with NaN in every missing joint, where joints are present, and the dtype to return."""
    keypoints = np.asarray(keypoints)
    if keypoints.ndim < 3 or keypoints.shape[-1] != 3:
        raise ValueError(f"keypoints has shape {keypoints.shape}; a camera needs [..., frames, joints, 3]")
    dtype = keypoints.dtype if keypoints.dtype in (np.float32, np.float64) else np.dtype(np.float32)
    present = np.isfinite(keypoints).all(-1)
    if scores is not None:
        scores = np.asarray(scores)
        if scores.shape != keypoints.shape[:-1]:
            raise ValueError(f"scores has shape {scores.shape}; it must be {keypoints.shape[:-1]} like keypoints")
        present &= scores > 0
    return np.where(present[..., None], keypoints, np.nan).astype(np.float64), present, dtype


def _visible_depth(depth: np.ndarray) -> np.ndarray:
    return np.where(depth >= MIN_DEPTH, depth, np.nan)

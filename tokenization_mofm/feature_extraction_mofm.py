"""From key-points of any layout and length to the clips that the models take."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from transformers import BatchFeature
from transformers.feature_extraction_utils import FeatureExtractionMixin

from motion_data.cameras import Camera, SensorCamera
from motion_data.inputs import MotionInput, as_recordings, input_options, is_batch
from motion_data.keypoints import ArrayLike, Motion, as_motion, normalise_clip, sample_frames
from motion_data.options import ReadOptions
from motion_data.views import view

from .configuration_cubes import ThermalCubeConfig
from .remote_code import without_remote_code
from .repository import WholeRepository


class MoFMFeatureExtractor(WholeRepository, FeatureExtractionMixin):
    """Check key-points, bring them to COCO-17, sample frames and fit each person into the map.

    Rendering is not done here: the models do it, on their own device.

    Args:
        num_frames: frames of a clip, sampled uniformly over the whole input.
        heatmap_size: side of the map, pixels.
        box_scale: longer side of a person's box over the whole clip, as a part of the map.
        layout: skeleton layout of the input, where a call names none.
        center_frames: take people's paths away; see `motion_data.keypoints.normalise_clip`.
        shared_box: fit the people of a clip by one box, so that where they stand to each other remains; see there.
    """

    model_input_names = ["keypoints", "scores"]

    def __init__(
        self,
        num_frames: int = 48,
        heatmap_size: int = 72,
        box_scale: float = 0.9,
        layout: str = "coco17",
        center_frames: bool = False,
        shared_box: bool = False,
        **kwargs,
    ):
        super().__init__(**without_remote_code(kwargs))
        self.num_frames = num_frames
        self.heatmap_size = heatmap_size
        self.box_scale = box_scale
        self.layout = layout
        self.center_frames = center_frames
        self.shared_box = shared_box

    @classmethod
    def for_config(cls, config: ThermalCubeConfig) -> MoFMFeatureExtractor:
        """Return the extractor that fits a model's geometry."""
        return cls(
            num_frames=config.num_frames,
            heatmap_size=config.heatmap_size,
            center_frames=config.center_frames,
            shared_box=getattr(config, "shared_box", False),  # a dVED looks at one person at a time
        )

    def __call__(
        self,
        keypoints: MotionInput | Iterable[MotionInput],
        scores: ArrayLike | None = None,
        layout: str | None = None,
        camera: Camera | SensorCamera | None = None,
        **options,
    ) -> BatchFeature:
        """Prepare one clip or a batch.

        Args:
            keypoints: `[F, K, 2]` one person, `[M, F, K, 2]` one clip, or whatever else
                `motion_data.inputs.as_recordings` takes; a file with several recordings is as many clips. Or a batch:
                a list of these, or `[B, M, F, K, 2]`. Clips of a batch may differ in length and in people.
            scores: the same without the last axis, in [0, 1], 0 is missing; None: finite joints are present.
            layout: skeleton layout of the input.
            camera: views 3D key-points that are metres with y up; None is the camera of `views.own_camera`.
            options: `coordinates`, `frame_size`, `fps`, ...: `motion_data.inputs.INPUT_OPTIONS`.

        Returns:
            `keypoints` float32 tensor `[B, M, num_frames, 17, 2]` in map pixels and `scores`
            `[B, M, num_frames, 17]`. People that a clip lacks have score 0.

        Raises:
            ValueError: see `as_recordings` and `as_motion`; in a batch the message names the clip.
        """
        read = input_options(layout=layout, **options)
        if not is_batch(keypoints):
            clips = self._clips(keypoints, scores, read, camera)
        else:
            if not hasattr(keypoints, "__len__"):
                keypoints = list(keypoints)
            if scores is not None and len(scores) != len(keypoints):
                raise ValueError(f"scores has {len(scores)} clips; it must have {len(keypoints)}, as keypoints has")
            if not len(keypoints):
                raise ValueError("keypoints is an empty batch; it must hold at least one clip")
            clips = []
            for i, clip in enumerate(keypoints):
                try:
                    clips += self._clips(clip, None if scores is None else scores[i], read, camera)
                except ValueError as error:
                    raise ValueError(f"clip {i}: {error}") from error
        return BatchFeature(collate_people(clips))

    def _clips(
        self,
        inputs: MotionInput,
        scores: ArrayLike | None,
        options: ReadOptions,
        camera: Camera | SensorCamera | None,
    ) -> list[Motion]:
        if camera is not None:
            return [self.clip(as_motion(inputs, scores, options.layout or self.layout, camera))]
        return [self.clip(view(recording)) for recording in as_recordings(inputs, options, scores, self.layout)]

    def sample(self, motion: Motion, generator: np.random.Generator | None = None) -> Motion:
        """Sample `num_frames` frames, with a generator random ones."""
        frames = sample_frames(motion.keypoints.shape[1], self.num_frames, generator)
        return Motion(motion.keypoints[:, frames], motion.scores[:, frames])

    def clip(self, motion: Motion, generator: np.random.Generator | None = None) -> Motion:
        """Sample `num_frames` frames, with a generator random ones, and fit people into the map."""
        return self.fit(self.sample(motion, generator))

    def fit(self, motion: Motion, center_frames: bool | None = None, shared_box: bool | None = None) -> Motion:
        """Fit the people of a clip into the map; `center_frames` and `shared_box` None are the extractor's own."""
        if center_frames is None:
            center_frames = self.center_frames
        if shared_box is None:
            shared_box = self.shared_box
        keypoints = normalise_clip(
            motion.keypoints, motion.scores, self.heatmap_size, self.box_scale, center_frames, shared_box
        )
        return Motion(keypoints, motion.scores)

    def fit_windows(self, motion: Motion, people: np.ndarray, starts: np.ndarray, length: int) -> Motion:
        """Sample windows of a motion, of one person each, and fit each into the map by itself.

        Args:
            people, starts: `[W]`, whose each is and its first frame.
            length: frames of a window.
        """
        frames = starts[:, None] + sample_frames(length, self.num_frames)
        windows = Motion(motion.keypoints[people[:, None], frames], motion.scores[people[:, None], frames])
        return self.fit(windows, shared_box=False)


def collate_people(clips: Sequence[Motion]) -> dict[str, torch.Tensor]:
    """Stack clips to `keypoints` [B, M, F, K, 2] and `scores` [B, M, F, K]; people that a clip lacks have score 0."""
    people = max(len(clip.keypoints) for clip in clips)

    def stack(arrays: list[np.ndarray]) -> torch.Tensor:
        padded = np.zeros((len(arrays), people, *arrays[0].shape[1:]), np.float32)
        for row, array in zip(padded, arrays, strict=True):
            row[: len(array)] = array
        return torch.from_numpy(padded)

    return {"keypoints": stack([c.keypoints for c in clips]), "scores": stack([c.scores for c in clips])}

"""Reader of videos: pictures to people with a pose estimator, people to tracks as everywhere else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ...recording import Recording
from ..data_fields import VIDEO_SUFFIXES
from ..joint_names import given_layout
from ..registry import FormatError, ReadOptions, register_format
from .decoding import VideoError, VideoFile


@register_format(
    "video", "videos, with a pose model (.mp4 .m4v .mov .avi .mkv .webm)", VIDEO_SUFFIXES, needs_poses=True
)
def read_video(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Estimate the key-points of a video, link people over time and cut it into recordings.

    Pictures are decoded and seen a batch at a time; what stays in memory are the key-points. Frame rate and picture
    size are the video's.

    Args:
        options: its `poses` names the models.

    Raises:
        FormatError: no video, one without pictures or damaged on the way, or no pose model is named.
        ValueError: the models cannot be loaded, whatever the video.
        ImportError: PyAV is not installed.
    """
    from ..cutting import cut_recordings
    from .pose_estimation import concatenate, load_estimator  # loads torch models' code

    if options.poses is None:
        raise FormatError(path, "is a video; name a pose model to see the people in it")
    estimator = load_estimator(options.poses)
    stated = None if options.overrides("layout") else estimator.layout
    layout = given_layout(path, stated or options.layout, estimator.num_joints)
    try:
        with VideoFile(path) as video, tqdm(total=video.num_frames or None, unit="frame", leave=False) as bar:

            def pictures() -> Iterator[np.ndarray]:
                for batch in video.batches(options.poses.batch_size):
                    yield batch
                    bar.update(len(batch))

            detections = concatenate(estimator.estimate(pictures()), estimator.num_joints)
            facts = {"fps": video.fps, "frame_size": video.frame_size}
        yield from cut_recordings(detections, layout, options, **facts)
    except VideoError as error:
        raise FormatError(path, str(error)) from error

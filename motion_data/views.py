"""Views of a recording: which segment and which people, and from which camera if it is 3D.

All projection of 3D key-points and all choice of segments is here; training, evaluation, fine-tuning and the pipelines
call `view`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .cameras import Camera, SensorCamera, fixed_camera, random_camera
from .keypoints import MIN_FRAMES, Motion, as_motion
from .recording import Recording
from .resampling import FPS

ROOM = 1.5  # metres between a random camera and the nearest joint
PITCHES = (-10.0, 30.0)  # degrees, of random cameras


@dataclass(frozen=True)
class ViewOptions:
    """Which part of a recording is used, and what is random if a generator is given.

    Args:
        max_seconds: longest segment; None takes the whole recording. Without a generator the segment is the middle.
        min_seconds: shortest random segment of a recording that is longer than `max_seconds`.
        min_fraction: shortest random segment where there is no `max_seconds`, as a fraction of the recording.
        random_camera: use a random camera instead of the recording's own.
        max_turn: 3D bodies are turned about the vertical by a random angle of up to so many degrees.
        one_person: use one random person who is present.
        keep_absent: whether people without a joint in the segment are kept, so that the people are the recording's.
    """

    max_seconds: float | None = None
    min_seconds: float = 0.0
    min_fraction: float = 1.0
    random_camera: bool = False
    max_turn: float = 0.0
    one_person: bool = False
    keep_absent: bool = False


USUAL_VIEW = ViewOptions()
EVERYBODY = ViewOptions(keep_absent=True)
# a clip sampled from a longer segment than this would skip over whole movements
MEASURING = ViewOptions(max_seconds=4.8)
PRETRAINING = ViewOptions(max_seconds=4.8, min_seconds=1.6, random_camera=True, one_person=True)
# an action is sampled uniformly over its whole length (PoseC3D, Duan et al. 2022, section 3.2)
FINETUNING = ViewOptions(min_fraction=0.8, max_turn=20.0)


def view(
    recording: Recording, generator: np.random.Generator | None = None, options: ViewOptions = USUAL_VIEW
) -> Motion:
    """Return the people of a recording in 2D COCO-17 key-points.

    Args:
        recording: in any layout and space.
        generator: source of all random choices; None always gives the same view.
        options: which part of the recording is used.

    Returns:
        The `Motion` of the people who have a joint in the segment (`keep_absent`: of all).

    Raises:
        ValueError: no joint is in sight; see `as_motion`.
    """
    keypoints, scores = _part(recording, generator, options)
    camera = own_camera(recording)
    if camera is not None and generator is not None:
        if options.random_camera:
            camera = _far_enough(random_camera(generator, pitch=PITCHES), keypoints, scores)
        if options.max_turn:
            angle = float(generator.uniform(-options.max_turn, options.max_turn))
            keypoints = turn_bodies(keypoints, scores, angle)
    motion = as_motion(keypoints, scores, recording.layout, camera)
    return motion if options.keep_absent else _who_are_present(motion)


def two_views(
    recording: Recording, generator: np.random.Generator, options: ViewOptions = USUAL_VIEW, max_yaw: float = 75.0
) -> tuple[Motion, Motion]:
    """Return the same segment and people of a recording, seen by two cameras.

    A 2D recording has one picture: both are the same.

    Args:
        recording, generator, options: as in `view`.
        max_yaw: largest angle between two random cameras about the vertical, degrees; their pitches are independent.

    Raises:
        ValueError: no joint is in sight; see `as_motion`.
    """
    keypoints, scores = _part(recording, generator, options)
    first = own_camera(recording)
    if first is None or not options.random_camera:
        motion = _who_are_present(as_motion(keypoints, scores, recording.layout, first))
        return motion, motion
    first = _far_enough(random_camera(generator, pitch=PITCHES), keypoints, scores)
    yaw = first.yaw + float(generator.uniform(-max_yaw, max_yaw))
    second = replace(first, yaw=yaw, pitch=float(generator.uniform(*PITCHES)))
    seen = [as_motion(keypoints, scores, recording.layout, camera) for camera in (first, second)]
    return _who_are_present(seen[0]), _who_are_present(seen[1])


def picture(recording: Recording) -> tuple[np.ndarray, np.ndarray]:
    """Return what the recording's own camera sees, `[M, F, K, 2]` in its own layout, and the scores of the joints."""
    camera = own_camera(recording)
    if camera is None:
        return recording.keypoints, recording.scores
    seen = camera.project(recording.keypoints, recording.scores)
    return seen, np.where(np.isfinite(seen).all(-1), recording.scores, 0)  # what is behind the camera is missing


def own_camera(recording: Recording) -> Camera | SensorCamera | None:
    """Return the camera for evaluation: the sensor's if the space is "camera", else a fixed one; None in 2D."""
    return {"image": None, "camera": SensorCamera(), "world": fixed_camera()}[recording.space]


def choose_segment(num_frames: int, fps: float, options: ViewOptions, generator: np.random.Generator | None) -> slice:
    """Choose the frames of a segment; `fps` 0 is unknown."""
    rate = fps or FPS
    longest = num_frames if options.max_seconds is None else max(round(options.max_seconds * rate), MIN_FRAMES)
    if options.max_seconds is not None and num_frames <= longest:
        return slice(0, num_frames)
    if generator is None:
        start = (num_frames - longest) // 2
        return slice(start, start + longest)
    shortest = round(options.min_fraction * num_frames if options.max_seconds is None else options.min_seconds * rate)
    shortest = min(max(shortest, MIN_FRAMES), longest)
    length = int(generator.integers(shortest, longest + 1))
    start = int(generator.integers(0, num_frames - length + 1))
    return slice(start, start + length)


def turn_bodies(keypoints: np.ndarray, scores: np.ndarray, degrees: float) -> np.ndarray:
    """Turn `[M, F, K, 3]` (y up) about the vertical through the mean of its joints."""
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]], np.float32)
    present = scores > 0
    middle = keypoints[present].mean(0) if present.any() else np.zeros(3, np.float32)
    return (keypoints - middle) @ turn.T + middle


def _part(
    recording: Recording, generator: np.random.Generator | None, options: ViewOptions
) -> tuple[np.ndarray, np.ndarray]:
    """Return the key-points and scores of the chosen segment, and person."""
    part = choose_segment(recording.keypoints.shape[1], recording.fps, options, generator)
    keypoints, scores = recording.keypoints[:, part], recording.scores[:, part]
    if options.one_person and generator is not None:
        present = np.flatnonzero(scores.any((1, 2)))
        person = int(generator.choice(present)) if len(present) else 0
        keypoints, scores = keypoints[person : person + 1], scores[person : person + 1]
    return keypoints, scores


def _who_are_present(motion: Motion) -> Motion:
    present = motion.scores.any((1, 2))
    return Motion(motion.keypoints[present], motion.scores[present])


def _far_enough(camera: Camera, keypoints: np.ndarray, scores: np.ndarray) -> Camera:
    """Move a camera back until no joint is nearer than `ROOM`."""
    present = keypoints[scores > 0]
    reach = float(np.linalg.norm(present - present.mean(0), axis=-1).max()) if len(present) else 0.0
    return Camera(camera.yaw, camera.pitch, max(camera.distance, reach + ROOM))

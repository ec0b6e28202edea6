"""Whether the people of a recording can be people: what a wrong unit, axis, order or identity does to a body.

Nothing is changed and nothing refused here: each doubt names people, frames and joints, and its reader decides.
Preparing counts doubts, an inspection lists them, and what is handed to a tokenizer or pipeline logs them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .interpret import HEIGHTS
from .layouts import COCO_KEYPOINTS, get_layout
from .recording import Recording
from .resampling import FPS

# How long parts of a body are, as a fraction of a person's height (Winter, Biomechanics and Motor Control of Human
# Movement, fig. 4.1).
_PARTS = {
    "left upper arm": ("left_shoulder", "left_elbow", 0.186),
    "right upper arm": ("right_shoulder", "right_elbow", 0.186),
    "left forearm": ("left_elbow", "left_wrist", 0.146),
    "right forearm": ("right_elbow", "right_wrist", 0.146),
    "left side": ("left_shoulder", "left_hip", 0.288),
    "right side": ("right_shoulder", "right_hip", 0.288),
    "left thigh": ("left_hip", "left_knee", 0.245),
    "right thigh": ("right_hip", "right_knee", 0.245),
    "left shin": ("left_knee", "left_ankle", 0.246),
    "right shin": ("right_knee", "right_ankle", 0.246),
}
_ENDS = np.array([[COCO_KEYPOINTS.index(start), COCO_KEYPOINTS.index(end)] for start, end, _ in _PARTS.values()])
_FRACTIONS = np.array([fraction for _, _, fraction in _PARTS.values()])
_ARMS = np.arange(5, 11).reshape(3, 2)  # shoulders, elbows, wrists: each left and right
_LEGS = np.arange(11, 17).reshape(3, 2)  # hips, knees, ankles

SMALLEST = 4.0  # pixels of a person of whom anything can be told
TOO_LONG = 0.75  # of a person's height: no part of a body is as long, even where the height is foreshortened
STRETCH = 2.0  # times its median length: what no bone in 3D does
FASTEST = 12.0  # heights a second: the record of running is 7
NEAR = 0.3  # of the height: what a body may always move from frame to frame
MOST = 0.5  # of the frames
MANY = 0.05  # of the frames
SLIM = 10.0  # times as long as wide
SLOWEST, QUICKEST = 1.0, 1000.0  # frames a second of any camera of people


@dataclass(frozen=True)
class Doubt:
    """Why a recording may not be what it was taken for.

    Args:
        kind: one sentence, the same for every recording of that kind.
        where: people, joints and frames.
    """

    kind: str
    where: str

    def __str__(self) -> str:
        return f"{self.kind} ({self.where})"


def doubts(recording: Recording) -> list[Doubt]:
    """Return what is not plausible about the people of a recording, once for each kind; [] is no doubt.

    Lengths are fractions of the person's height, which is the median of what the parts of the body say. A doubt about
    frames is raised where it holds in more than half of them; for parts that stretch and sides that are exchanged in
    `MANY` (one in twenty, at least two); for jumps in one.
    """
    canonical = np.array(get_layout(recording.layout).canonical)
    known = canonical >= 0
    scores = np.where(known, recording.scores[..., canonical], 0)
    points = recording.keypoints[..., canonical, :].astype(np.float64)
    present = scores > 0
    points = np.where(present[..., None], points, np.nan)
    people, frames = scores.shape[:2]
    found: dict[str, list[str]] = {}  # kind -> where
    if people > max(frames, 2):
        found["there are more people than frames"] = [f"{people} people, {frames} frames; see axes"]
    if recording.fps and not SLOWEST <= recording.fps <= QUICKEST:
        turned = f", {1 / recording.fps:g} if that is the seconds of a frame" if recording.fps < SLOWEST else ""
        found["no camera has this frame rate"] = [f"fps is {recording.fps:g}{turned}"]
    lengths = np.linalg.norm(points[..., _ENDS[:, 1], :] - points[..., _ENDS[:, 0], :], axis=-1)  # M F parts
    height = _heights(lengths)
    metres = points.shape[-1] == 3
    for person in np.flatnonzero(present.any((1, 2)) & np.isfinite(height)):
        body = _Body(points[person], present[person], lengths[person], float(height[person]), known, metres)
        rate = recording.fps or FPS
        for doubt in (
            _size(body, recording.frame_size),
            _stretched(body),
            _one_point(body),
            _jumps(body, rate),
            _posture(body),
            _exchanged(body),
            _halves(body),
        ):
            if doubt is not None:
                where = doubt.where if people == 1 else f"person {person}: {doubt.where}"
                found.setdefault(doubt.kind, []).append(where)
    return [Doubt(kind, "; ".join(places)) for kind, places in found.items()]


@dataclass(frozen=True)
class _Body:
    points: np.ndarray  # F 17 C, NaN is missing
    present: np.ndarray  # F 17
    lengths: np.ndarray  # F parts
    height: float
    known: np.ndarray  # 17
    metres: bool

    @property
    def seen(self) -> np.ndarray:
        """Frames with the person."""
        return np.asarray(self.present.any(-1))


def _heights(lengths: np.ndarray) -> np.ndarray:
    """Return the height of each person, `[M]`, from the parts of the body; NaN where none is ever seen."""
    parts = _median(lengths, 1) / _FRACTIONS
    return _median(parts, -1)


def _size(body: _Body, frame_size: tuple[int, int]) -> Doubt | None:
    if body.metres:
        if HEIGHTS[0] <= body.height <= HEIGHTS[1]:
            return None
        return Doubt(
            f"people are not {HEIGHTS[0]} to {HEIGHTS[1]} m high",
            f"about {body.height:.3g} m; see units and coordinates",
        )
    if body.height < SMALLEST:
        return Doubt(
            f"people are less than {SMALLEST:g} pixels high", f"about {body.height:.3g} pixels; see frame_size"
        )
    if 0 not in frame_size and body.height > 3 * max(frame_size):
        return Doubt("people are far larger than the picture", f"about {body.height:.4g} pixels of {max(frame_size)}")
    joints = np.ascontiguousarray(np.moveaxis(body.points[body.seen], 0, -1))  # 17 C F: numpy is fast over the first
    sides = np.median(np.fmax.reduce(joints) - np.fmin.reduce(joints), -1)
    if body.present.sum(-1).max() > 5 and sides.max() > SLIM * sides.min():
        return Doubt("people are far longer than wide", f"about {sides[0]:.4g} by {sides[1]:.4g} pixels")
    return None


def _stretched(body: _Body) -> Doubt | None:
    with np.errstate(invalid="ignore"):
        bad = body.lengths > TOO_LONG * body.height
        if body.metres:
            bad |= body.lengths > STRETCH * _median(body.lengths, 0)
    frames = np.flatnonzero(bad.any(-1))
    if not _are_many(len(frames), body):
        return None
    parts = [name for name, is_bad in zip(_PARTS, bad.any(0), strict=True) if is_bad]
    return Doubt("parts of bodies change their length", f"{_list(parts)}, {_frames(frames)}")


def _one_point(body: _Body) -> Doubt | None:
    ordered = np.sort(body.points[..., 0], -1)
    # x alone rules most frames out; NaN is never equal
    frames = np.flatnonzero((ordered[:, 1:] == ordered[:, :-1]).sum(-1) >= 2)
    order = np.lexsort(np.moveaxis(body.points[frames], -1, 0), axis=-1)
    ordered = np.take_along_axis(body.points[frames], order[..., None], -2)
    same = (ordered[:, 1:] == ordered[:, :-1]).all(-1)
    is_point = same.sum(-1) >= 2
    frames, order, same = frames[is_point], order[is_point], same[is_point]
    if len(frames) <= MOST * body.seen.sum():
        return None
    joints = sorted({int(k) for at in np.flatnonzero(same[0]) for k in order[0, at : at + 2]})
    return Doubt(
        "several joints are at the same point", f"{_list([COCO_KEYPOINTS[k] for k in joints])}, {_frames(frames)}"
    )


def _jumps(body: _Body, fps: float) -> Doubt | None:
    """Find frames in which most of the body is elsewhere at once."""
    both = body.present[1:] & body.present[:-1]
    moved = np.linalg.norm(np.diff(body.points, axis=0), axis=-1)
    moved = _median(np.where(both, moved, np.nan), -1)
    with np.errstate(invalid="ignore"):
        frames = np.flatnonzero((moved > max(FASTEST / fps, NEAR) * body.height) & (both.sum(-1) >= 3)) + 1
    if not len(frames):
        return None
    return Doubt("bodies jump from frame to frame", _frames(frames))


def _posture(body: _Body) -> Doubt | None:
    shoulders, hips, knees, ankles = (body.points[:, pair].mean(1) for pair in (_ARMS[0], *_LEGS))
    low = np.where(np.isfinite(ankles), ankles, np.where(np.isfinite(knees), knees, hips))
    direction = shoulders - low
    direction = direction[np.isfinite(direction).all(-1)]
    length = np.linalg.norm(direction, axis=-1)
    direction, length = direction[length > 0], length[length > 0]
    if not len(direction):
        return None
    up = direction[:, 1] / length * (1 if body.metres else -1)
    if (up < -0.7).mean() > MOST:
        hint = "see up_axis" if body.metres else "y must point down, or origin be lower-left"
        return Doubt("bodies are upside down", f"in {(up < -0.7).mean():.0%} of the frames; {hint}")
    if (np.abs(up) < 0.5).mean() > MOST:
        hint = "see up_axis" if body.metres else "if y stands before x, see coordinates"
        return Doubt("bodies are lying", f"in {(np.abs(up) < 0.5).mean():.0%} of the frames; {hint}")
    return None


def _exchanged(body: _Body) -> Doubt | None:
    """Find frames in which left and right of shoulders and hips are where the other was before."""
    left, right = np.moveaxis(body.points[:, [_ARMS[0], _LEGS[0]]], 2, 0)  # F 2 C

    def way(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return np.linalg.norm(second[1:] - first[:-1], axis=-1)

    stays, crosses = way(left, left) + way(right, right), way(left, right) + way(right, left)
    with np.errstate(invalid="ignore"):
        swapped = ((stays > 3 * crosses) & (stays > 0.1 * body.height)).all(-1)
    frames = np.flatnonzero(swapped) + 1
    if not _are_many(len(frames), body):
        return None
    return Doubt("left and right are exchanged between frames", f"shoulders and hips, {_frames(frames)}")


def _halves(body: _Body) -> Doubt | None:
    for name, joints in (("below the hips", _LEGS), ("above the hips", _ARMS)):
        joints = joints[body.known[joints]]  # one after the other
        there = body.present[:, joints].any(-1)[body.seen]
        if len(joints) and there.mean() < 1 - MOST:
            return Doubt("half of the body is missing in most frames", f"nothing {name} in {1 - there.mean():.0%}")
    return None


def _are_many(count: int, body: _Body) -> bool:
    return count >= 2 and count > MANY * body.seen.sum()


def _median(values: np.ndarray, axis: int) -> np.ndarray:
    """Return the median of what is not NaN; of nothing, NaN."""
    ordered = np.sort(values, axis)  # NaN last
    count = np.isfinite(values).sum(axis, keepdims=True)
    middle = np.take_along_axis(ordered, np.maximum(count - 1, 0) // 2, axis)
    return middle.squeeze(axis)


def _frames(frames: np.ndarray) -> str:
    """Say which frames, by the first stretch of them."""
    last = int(np.flatnonzero(np.diff(frames, append=frames[-1] + 2) > 1)[0])
    first = f"{frames[0]}" if last == 0 else f"{frames[0]} to {frames[last]}"
    if last == len(frames) - 1:
        return f"frame{'s' if last else ''} {first}"
    return f"{len(frames)} frames, first {first}"


def _list(names: list[str], longest: int = 4) -> str:
    names = [name.replace("_", " ") for name in names]
    return ", ".join(names[:longest]) + (f" and {len(names) - longest} more" if len(names) > longest else "")

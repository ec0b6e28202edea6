"""What a pose estimator saw, in pixels, to recordings: layout, missing joints, scores and units are settled here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from ..body_scale import body_up
from ..interpret import are_fractions, as_scores, is_beyond, is_joint, note_equal_scores
from ..layouts import COCO_KEYPOINTS
from ..notes import note
from ..recording import Recording
from .cutting import cut_recordings
from .detections import Detection, Detections, gather, without_shared_ids
from .joint_names import JointMap, given_layout, layouts_hint, map_joints, one_to_one
from .json_files import MAX_PIXEL
from .registry import FormatError, ReadOptions

# A Halpe body of 136 joints starts with those of halpe26; its face and hands are left out.
HALPE_FULL, HALPE_BODY = 136, "halpe26"
VISION = {f"{side}_{part}_joint" for side in ("left", "right") for part in ("forearm", "upleg")}
RESULT_LAYOUTS = {17: "coco17", 26: "halpe26", 133: "coco-wholebody", HALPE_FULL: HALPE_BODY}


def estimated_recordings(
    path: Path,
    found: Iterable[Detection] | dict[str, Detections],
    layouts: Mapping[int, str],
    options: ReadOptions,
    names: list[str] | None = None,
    states_joints: bool = False,
    **fields,
) -> Iterator[Recording]:
    """Yield the people of a file as recordings (`cut_recordings`), one after the other if it has several videos.

    A joint is missing where its score is 0 or less or below `options.min_score`, where a number is not finite, where
    it is at (0, 0) or (-1, -1) exactly, and where both coordinates are negative: the corner beyond the picture, in
    which some estimators put what they do not find. For scores see `interpret.as_scores`. Fractions of the picture are
    multiplied by the frame size where it is known, and refused where it is not.

    Args:
        found: everybody in the file, one by one or by video.
        layouts: layout by number of joints, of this format.
        options: what the user says.
        names: the file's own names of the joints, if it has them.
        states_joints: whether the format states what its joints are, so that the number of joints is no guess.
        fields: further fields of `Recording`.

    Raises:
        FormatError: nobody is in the file, the layout cannot be told, or coordinates are no pixels.
    """
    videos = found if isinstance(found, dict) else gather(path, found)
    for video, people in videos.items():
        joint_map = choose_joints(path, people.keypoints.shape[1], layouts, options, names, states_joints)
        try:
            detections = _clean(path, people, joint_map, options, options.facts(fields)["frame_size"])
            detections = without_shared_ids(detections)
            turned = "lower-left" if options.origin is None and _points_up(names, detections, joint_map) else None
            cut = cut_recordings(detections, joint_map.layout, options, video or fields.get("name", ""), **fields)
            yield from (recording.with_y_down(turned) for recording in cut)
        except FormatError:
            raise
        except ValueError as error:
            raise FormatError(path, str(error)) from error


def _points_up(names: list[str] | None, detections: Detections, joint_map: JointMap) -> bool:
    """Tell whether joints have the names of Apple's Vision, where y points up, and bodies point up y in most frames.

    Scripts that draw them turn y down before they write it.
    """
    if VISION.isdisjoint(map(str.lower, names or ())):
        return False
    if body_up(detections.keypoints, detections.scores, joint_map.layout) != "y":
        return False
    note("joints have the names of Apple's Vision and bodies point up y, which is taken for up (origin 'lower-left')")
    return True


def _clean(
    path: Path, people: Detections, joint_map: JointMap, options: ReadOptions, frame_size: tuple[int, int]
) -> Detections:
    """Return detections in pixels, with scores in [0, 1] and missing joints at 0."""
    with np.errstate(invalid="ignore", over="ignore"):
        joints = joint_map(np.concatenate([people.keypoints, people.scores[..., None]], -1))
        xy = joints[..., :2]
        present = is_joint(xy) & ~is_beyond(xy)
        scores = np.where(present, as_scores(joints[..., 2], options.max_score), 0)
    scores = np.where(scores >= options.min_score, scores, 0)
    present = scores > 0
    note_equal_scores(scores)
    if not present.any():
        raise FormatError(path, "nobody is in it: all joints are missing")
    boxes = people.boxes
    if are_fractions(xy[present]):
        if 0 in frame_size:
            raise FormatError(
                path,
                f"coordinates reach {np.abs(xy[present]).max():.4g} and nearly all lie within 1: they are fractions "
                "of the picture, not pixels; give frame_size (its width and height), or write pixels",
            )
        if (xy[present] < -0.25).any():
            raise FormatError(path, "coordinates lie in -1 to 1, of which there is no rule; write pixels")
        note(f"coordinates are fractions of the picture and multiplied by frame_size {tuple(frame_size)}")
        xy = xy * frame_size
        boxes = None if boxes is None else boxes * np.tile(frame_size, 2)
    largest = np.abs(xy[present]).max()
    if largest > MAX_PIXEL:
        raise FormatError(path, f"coordinates reach {largest:.3g}; they must be pixels, at most 1e6")
    return Detections(
        frames=people.frames,
        people=people.people,
        keypoints=np.where(present[..., None], xy, 0).astype(np.float32),
        scores=scores.astype(np.float32),
        boxes=None if boxes is None else boxes.clip(-MAX_PIXEL, MAX_PIXEL).astype(np.float32),
        num_frames=people.num_frames,
    )


def check_guessed_depth(path: Path, points: np.ndarray, advice: str) -> None:
    """Refuse x and y `[N, 2]` beside a z unless they are fractions of a picture, where z is a guess.

    Args:
        advice: which option tells what z is.

    Raises:
        FormatError: they are not.
    """
    points = points[is_joint(points)]
    if len(points) and not are_fractions(points):
        raise FormatError(path, f"has x, y and z of joints, where x and y reach {np.abs(points).max():.4g}; {advice}")


def choose_joints(
    path: Path,
    num_joints: int,
    layouts: Mapping[int, str],
    options: ReadOptions,
    names: list[str] | None = None,
    states_joints: bool = False,
) -> JointMap:
    """Return how the joints of a file make a layout.

    1. The file's own names, or a format that says what its joints are, unless `options.override` has "layout".
    2. `options.layout`.
    3. The format's layout of so many joints.

    Raises:
        FormatError: none of these tells it, or they contradict each other.
    """
    wanted = options.layout
    if wanted is not None and (options.overrides("layout") or not (names or states_joints and num_joints in layouts)):
        if (num_joints, wanted) == (HALPE_FULL, HALPE_BODY):
            return one_to_one(wanted)
        return one_to_one(given_layout(path, wanted, num_joints))
    if names is not None:
        if len(names) != num_joints:
            raise FormatError(path, f"people have {num_joints} joints, but {len(names)} joints are named")
        # faces, feet and hands have other names elsewhere; with a COCO body in front, the number tells
        if tuple(names[: len(COCO_KEYPOINTS)]) == COCO_KEYPOINTS and num_joints in layouts:
            return one_to_one(layouts[num_joints])
        return map_joints(path, names)
    if num_joints not in layouts:
        raise FormatError(
            path,
            f"people have {num_joints} joints; this format has {', '.join(map(str, sorted(layouts)))}. "
            f"Name the layout if it is another (with {num_joints} joints: {layouts_hint(num_joints)})",
        )
    return one_to_one(layouts[num_joints])

"""Readers of JSON files with all people of a video: COCO, AlphaPose, MMPose and per-person tracks.

Key-points are pixels. The layout is the one asked for, or else follows from the joints' names, or from their number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import compress
from pathlib import Path

import numpy as np

from ...notes import note
from ...recording import Recording
from ..data_fields import depth_of, label_text, list_of
from ..detections import Detection, Detections, by_video
from ..estimates import RESULT_LAYOUTS, estimated_recordings
from ..frames import picture_frames
from ..json_files import (
    all_boxes,
    all_joint_rows,
    as_list,
    as_mapping,
    box_corners,
    brief,
    frame_number,
    item,
    joint_rows,
    json_head,
    numbers,
    person_number,
    person_numbers,
    picture_side,
    read_json,
)
from ..plain.named_joints import joint_titles
from ..registry import FormatError, ReadOptions, register_format

OPENPOSE_LAYOUTS = {18: "openpose18"}
YOLO_LAYOUTS = {17: "coco17"}


def _is_coco(path: Path) -> bool:
    head = json_head(path)
    is_results = re.match(r"\s*\[\s*\{", head) and '"image_id"' in head and '"keypoints"' in head
    is_annotations = re.match(r"\s*\{", head) and re.search(r'"(images|annotations)"\s*:\s*\[', head)
    return bool(is_results or is_annotations)


@register_format("coco-results", "COCO key-point results or annotations (.json)", (".json",), _is_coco)
def read_coco(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read COCO key-point results, a list with one entry per person, or annotations, which list the images as well.

    The frame is the image's `frame_id` where annotations have it, else the number in its file name, else its id; of
    results the `image_id`, a number or a name (`frames.picture_frames`). Several videos are several recordings.
    Annotations have a visibility instead of a score: a joint that was labelled, seen or hidden, has score 1. Track ids
    are `track_id` or `idx`. Joints are those that the category names; animals are refused.

    Raises:
        FormatError: see `json_files`; or frame ids and file names contradict each other.
    """
    content = read_json(path)
    if isinstance(content, dict):
        yield from _read_annotations(path, content, options)
    else:
        found = _results(path, as_list(path, content, "the file"))
        yield from estimated_recordings(path, found, RESULT_LAYOUTS, options, joint_titles(content))


def _read_annotations(path: Path, content: dict, options: ReadOptions) -> Iterator[Recording]:
    images = [as_mapping(path, image, "an image") for image in as_list(path, content.get("images", []), "images")]
    entries = as_list(path, item(path, content, "annotations", "the file"), "annotations")
    entries = [entry for entry in entries if not isinstance(entry, dict) or "keypoints" in entry]
    names, entries = _category_joints(path, content, entries)
    sizes = {_picture_size(path, image) for image in images}
    fields = {"frame_size": sizes.pop()} if len(sizes) == 1 and (0, 0) not in sizes else {}
    found = _results(path, entries, _image_frames(path, images), has_flags=True)
    yield from estimated_recordings(path, found, RESULT_LAYOUTS, options, names, **fields)


def _image_frames(path: Path, images: list[Mapping]) -> dict[object, tuple[str, int]]:
    """Return (video, frame) of the images that annotations list, by their id."""
    ids = [_image_id(path, item(path, image, "id", "an image")) for image in images]
    if len(set(map(str, ids))) < len(ids):
        raise FormatError(path, "has two images of the same id")
    names = [image.get("file_name") for image in images]
    numbers = [image.get("frame_id", image.get("frame_index")) for image in images]
    try:
        by_name = picture_frames(path, names) if all(isinstance(name, str) for name in names) else {}
    except FormatError:  # names without numbers: the ids tell
        by_name = {}
    if None not in numbers and images:
        frames = [("", frame_number(path, number)) for number in numbers]
        if by_name:
            _check_order(path, frames, [by_name[name] for name in names])
    elif by_name and len(set(by_name.values())) == len(set(names)):
        frames = [by_name[name] for name in names]
    else:
        frames = [("", frame_number(path, number)) for number in ids]
    videos = [str(image.get("video_id", image.get("vid_id", ""))) for image in images]
    if len(set(videos)) > 1:
        frames = [(video, frame) for video, (_, frame) in zip(videos, frames, strict=True)]
    return dict(zip(ids, frames, strict=True))


def _check_order(path: Path, frames: list[tuple[str, int]], named: list[tuple[str, int]]) -> None:
    """Refuse frame ids whose order is not that of the numbers in file names, video by video."""
    order = sorted(range(len(frames)), key=lambda place: (named[place][0], frames[place][1]))
    for before, after in zip(order, order[1:], strict=False):
        if named[before][0] == named[after][0] and named[before][1] > named[after][1]:
            raise FormatError(
                path,
                f"frame ids {frames[before][1]} and {frames[after][1]} are of files numbered {named[before][1]} and "
                f"{named[after][1]}: the orders contradict each other",
            )


def _picture_size(path: Path, image: Mapping) -> tuple[int, int]:
    if image.get("width") is None or image.get("height") is None:
        return 0, 0
    width, height = (picture_side(path, image[key]) for key in ("width", "height"))
    return width, height


def _category_joints(path: Path, content: dict, entries: list) -> tuple[list[str] | None, list]:
    """Return the joint names of the category that people are of, None if there are none, and the people.

    Of several categories with other joints each the one called person counts, and others are left out.

    Raises:
        FormatError: none of several is called so.
    """
    categories = content.get("categories")
    named = {
        str(category.get("id")): category
        for category in (categories if isinstance(categories, list) else [])
        if isinstance(category, dict) and isinstance(category.get("keypoints"), list) and category["keypoints"]
    }
    own = [str(entry.get("category_id")) if isinstance(entry, dict) else "" for entry in entries]
    used = [named[number] for number in dict.fromkeys(own) if number in named] or list(named.values())
    if not used:
        return joint_titles({name: value for name, value in content.items() if name != "categories"}), entries
    joints = {tuple(map(str, category["keypoints"])) for category in used}
    if len(joints) > 1:
        people = [category for category in used if category.get("name") == "person"]
        if len(people) != 1:
            titles = ", ".join(str(category.get("name")) for category in used)[:200]
            raise FormatError(path, f"has categories with other joints each ({titles}); keep one, or call it person")
        kept = [number == str(people[0].get("id")) for number in own]
        note(f"{len(entries) - sum(kept)} annotations are of other categories than person, and left out")
        entries, joints = list(compress(entries, kept)), {tuple(map(str, people[0]["keypoints"]))}
    return list(joints.pop()), entries


def _results(
    path: Path, entries: list, frames: Mapping[object, tuple[str, int]] | None = None, has_flags: bool = False
) -> dict[str, Detections]:
    """Return the entries of a list of results by video.

    Args:
        frames: (video, frame) by image id, where images are listed.
        has_flags: whether the third value of a joint may be a visibility: 0, 1 or 2.
    """
    people = [as_mapping(path, entry, "a person") for entry in entries]
    images = [_image_id(path, item(path, person, "image_id", "a person")) for person in people]
    if frames is None:
        frames = picture_frames(path, images)
    for image in images:
        if image not in frames:
            raise FormatError(path, f"a person is in image {brief(image)}, which is not listed")
    places = [frames[image] for image in images]
    lists = [item(path, person, "keypoints", "a person") for person in people]
    joints = all_joint_rows(path, lists, [frame for _, frame in places])
    if has_flags:
        joints = [_without_flags(rows) for rows in joints]
    tracks = person_numbers(path, [person.get("track_id", person.get("idx")) for person in people])
    boxes = all_boxes(path, [person.get("bbox", person.get("box")) for person in people], has_size=True)
    return by_video(path, places, tracks, joints, boxes)


def _without_flags(joints: np.ndarray) -> np.ndarray:
    """Return joints `[K, 3]` whose third value, if it is a visibility, is 1 where the joint was labelled."""
    if not np.isin(joints[:, 2], (0, 1, 2)).all():
        return joints
    return np.concatenate([joints[:, :2], joints[:, 2:] > 0], 1)


def _image_id(path: Path, value: object) -> str | int | float | None:
    """Return the id of an image, by which images are found; what it means is settled later."""
    if value is not None and not isinstance(value, (str, int, float)):
        raise FormatError(path, f"frame {brief(value)} must be a number or a name")
    return value


def _is_alphapose(path: Path) -> bool:
    head = json_head(path)
    if re.match(r"\s*\[\s*\{", head):
        is_named = re.search(r'"image_id"\s*:\s*"', head) or re.search(r'"(idx|box)"\s*:', head)
        return bool('"image_id"' in head and '"keypoints"' in head and is_named)
    if re.match(r'\s*\{\s*"[^"]*\d[^"]*"\s*:\s*\[', head):  # PoseFlow: a list of people for each picture
        return '"keypoints"' in head and ('"idx"' in head or '"scores"' in head) and '"images"' not in head
    return bool(re.match(r'\s*\{\s*"[^"]*"\s*:\s*\{\s*"version"', head) and re.search(r'"(bodies|people)"', head))


@register_format("alphapose", "AlphaPose results (alphapose-results.json)", (".json",), _is_alphapose)
def read_alphapose(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read AlphaPose results in its default format, those of its options `--format cmu` and `open`, or PoseFlow's.

    `image_id` is the name of a picture, "0.jpg" onwards for videos; `idx` the track id, where tracking was on; `score`
    is a sum beyond 1 and is not used. Of the 136 joints of Halpe the 26 of the body are read. The formats cmu and open
    have one object per picture, 18 joints, and no track ids; PoseFlow's has a list of people per picture.

    Raises:
        FormatError: see `json_files`.
    """
    content = read_json(path)
    if isinstance(content, dict):
        layouts = OPENPOSE_LAYOUTS if any(isinstance(entry, dict) for entry in content.values()) else RESULT_LAYOUTS
        yield from estimated_recordings(path, _pictures(path, content), layouts, options, joint_titles(content))
    else:
        found = _results(path, as_list(path, content, "the file"))
        yield from estimated_recordings(path, found, RESULT_LAYOUTS, options, joint_titles(content))


def _pictures(path: Path, content: dict) -> Iterator[Detection]:
    frames = picture_frames(path, list(content))
    for name, entry in content.items():
        video, frame = frames[name]
        joints = "keypoints"
        if isinstance(entry, dict):
            group, joints = ("bodies", "joints") if "bodies" in entry else ("people", "pose_keypoints_2d")
            entry = item(path, entry, group, f"picture {name!r}")
        for body in as_list(path, entry, f"people of picture {name!r}"):
            person = as_mapping(path, body, "a person")
            rows = joint_rows(path, item(path, person, joints, "a person"), frame)
            box = box_corners(path, person.get("bbox", person.get("box")), has_size=True)
            yield Detection(frame, rows, person_number(path, person.get("idx")), box, video)


def _is_mmpose(path: Path) -> bool:
    head = json_head(path)
    is_demo = re.match(r"\s*\{", head) and re.search(r'"(meta_info|instance_info)"\s*:', head)
    is_inferencer = re.match(r"\s*\[\s*\{", head) and '"frame_id"' in head and '"instances"' in head
    return bool(is_demo or is_inferencer)


@register_format("mmpose", "predictions of MMPose demos and inferencers (.json)", (".json",), _is_mmpose)
def read_mmpose(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read MMPose predictions of a video, with `meta_info` as its demos write them or without as its inferencer does.

    Demos count frames from 1, the inferencer from 0; numbers stay as they are. Track ids are `track_id` or
    `instance_id`, which some tools add.

    Raises:
        FormatError: see `json_files`; 3D predictions are refused.
    """
    content = read_json(path)
    names = joint_titles(content)
    if isinstance(content, dict):
        names = _meta_joints(path, content.get("meta_info")) or names
        content = item(path, content, "instance_info", "the file")
    found = _instances(path, as_list(path, content, "instance_info"))
    yield from estimated_recordings(path, found, RESULT_LAYOUTS, options, names)


def _instances(path: Path, entries: list) -> Iterator[Detection]:
    for entry in entries:
        picture = as_mapping(path, entry, "a frame")
        frame = frame_number(path, item(path, picture, "frame_id", "a frame"))
        for person in as_list(path, item(path, picture, "instances", "a frame"), "instances"):
            yield mmpose_instance(path, frame, as_mapping(path, person, "a person"))


def mmpose_instance(path: Path, frame: int, person: Mapping) -> Detection:
    """Return a person with `keypoints` [K, 2] and `keypoint_scores` [K], as MMPose writes them."""
    xy = numbers(path, item(path, person, "keypoints", "a person"), f"keypoints in frame {frame}")
    scores = numbers(path, item(path, person, "keypoint_scores", "a person"), f"keypoint_scores in frame {frame}")
    if not xy.size and not scores.size:
        return Detection(frame, np.empty((0, 3)))
    if scores.ndim != 1 or xy.shape != (len(scores), 2):
        raise FormatError(
            path,
            f"keypoints in frame {frame} have shape {xy.shape} and keypoint_scores {scores.shape}; they must be "
            "[joints, 2] and [joints]",
        )
    return Detection(
        frame,
        np.concatenate([xy, scores[:, None]], 1),
        person_number(path, person.get("track_id", person.get("instance_id"))),
        box_corners(path, person.get("bbox"), has_size=False),
    )


def _meta_joints(path: Path, meta: object) -> list[str] | None:
    """Return the joint names of MMPose's `meta_info`; None if it has none."""
    by_number = meta.get("keypoint_id2name") if isinstance(meta, dict) else None
    if not isinstance(by_number, dict):
        return None
    names = {frame_number(path, number): str(name) for number, name in by_number.items()}
    return [names[number] for number in sorted(names)]


def _is_tracks(path: Path) -> bool:
    start = r'\s*\{\s*"\d+"\s*:\s*\{\s*"\d+"\s*:\s*(\{\s*"(keypoints|scores?)"\s*:|\[\s*\[)'
    return bool(re.match(start, json_head(path)))


@register_format("person-tracks", "tracks of STG-NF, ShanghaiTech and CHAD as JSON", (".json",), _is_tracks)
def read_person_tracks(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read tracks: person, then frame, then `keypoints` (STG-NF); or frame, then person, then box and joints (CHAD).

    Raises:
        FormatError: see `json_files`; both orders in one file are refused.
    """
    content = as_mapping(path, read_json(path), "the file")
    yield from estimated_recordings(
        path, _tracked_people(path, content), RESULT_LAYOUTS, options, joint_titles(content)
    )


def _tracked_people(path: Path, content: Mapping) -> Iterator[Detection]:
    orders = set()
    for outer, entries in content.items():
        for inner, entry in as_mapping(path, entries, f"entry {outer!r}").items():
            orders.add(isinstance(entry, dict))
            if isinstance(entry, dict):
                person, frame, joints = outer, inner, item(path, entry, "keypoints", "a person")
            else:
                frame, person = outer, inner
                pair = as_list(path, entry, f"person {inner!r} of frame {outer!r}")
                if len(pair) < 2 or len(pair) > 2 and depth_of(pair) != 2:
                    raise FormatError(path, f"person {inner!r} of frame {outer!r} must be a box and joints, or joints")
                joints = pair[1] if len(pair) == 2 else pair
            number = frame_number(path, frame)
            yield Detection(number, joint_rows(path, joints, number), person_number(path, person))
    if len(orders) > 1:
        raise FormatError(path, "has key-points by person and frame and by frame and person; it must be one of them")


def _is_ultralytics(path: Path) -> bool:
    head = json_head(path)
    return bool(re.match(r"\s*\[", head) and re.search(r'"keypoints"\s*:\s*\{\s*"x"', head))


@register_format(
    "ultralytics", "what YOLO's tojson or to_json gives, frame by frame (.json)", (".json",), _is_ultralytics
)
def read_ultralytics(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read a list of frames, each a list of people with `keypoints` x, y and perhaps visible, and perhaps `track_id`.

    Raises:
        FormatError: see `json_files`; a list of people alone, which does not tell their frames.
    """
    frames = as_list(path, read_json(path), "the file")
    if frames and isinstance(frames[0], dict):
        if "frame" not in frames[0]:
            raise FormatError(path, "is a list of people without frames; write a list with a list of people per frame")
        people = [as_mapping(path, entry, "a person") for entry in frames]
        groups = [(frame_number(path, item(path, person, "frame", "a person")), [person]) for person in people]
    else:
        groups = list(enumerate(frames))
    yield from estimated_recordings(path, _yolo_people(path, groups), YOLO_LAYOUTS, options, joint_titles(frames))


def _yolo_people(path: Path, groups: list[tuple[int, object]]) -> Iterator[Detection]:
    """Yield the people of frames (number, list of people)."""
    for frame, people in groups:
        for entry in as_list(path, people, f"frame {frame}"):
            person = as_mapping(path, entry, "a person")
            points = as_mapping(path, item(path, person, "keypoints", "a person"), "keypoints")
            x, y = (numbers(path, item(path, points, axis, "keypoints"), f"{axis} in frame {frame}") for axis in "xy")
            visible = list_of(points, "scores")
            scores = np.ones(x.shape) if visible is None else numbers(path, visible, f"visible in frame {frame}")
            if x.ndim != 1 or x.shape != y.shape or x.shape != scores.shape:
                raise FormatError(path, f"a person in frame {frame} has x, y and visible of different lengths")
            yield Detection(frame, np.stack([x, y, scores], 1), person_number(path, person.get("track_id")))


def _is_kinetics(path: Path) -> bool:
    head = json_head(path)
    return bool(re.match(r"\s*\{", head) and '"skeleton"' in head and '"frame_index"' in head)


@register_format(
    "kinetics-skeleton", "skeletons of ST-GCN's Kinetics, a file a clip (.json)", (".json",), _is_kinetics
)
def read_kinetics(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read OpenPose's 18 joints as fractions of the picture, whose size `options.frame_size` must tell.

    Raises:
        FormatError: see `json_files`.
    """
    content = as_mapping(path, read_json(path), "the file")
    found = _skeletons(path, as_list(path, item(path, content, "data", "the file"), "data"))
    fields = {"label": label_text(content.get("label"))}
    yield from estimated_recordings(
        path, found, OPENPOSE_LAYOUTS, options, joint_titles(content), states_joints=True, **fields
    )


def _skeletons(path: Path, frames: list) -> Iterator[Detection]:
    for entry in frames:
        picture = as_mapping(path, entry, "a frame")
        frame = frame_number(path, item(path, picture, "frame_index", "a frame"))
        for body in as_list(path, item(path, picture, "skeleton", "a frame"), "skeleton"):
            person = as_mapping(path, body, "a person")
            xy = numbers(path, item(path, person, "pose", "a person"), f"pose in frame {frame}")
            scores = numbers(path, item(path, person, "score", "a person"), f"score in frame {frame}")
            if xy.ndim != 1 or scores.ndim != 1 or len(xy) != 2 * len(scores):
                raise FormatError(path, f"a person in frame {frame} has pose {xy.shape} and score {scores.shape}")
            yield Detection(frame, np.concatenate([xy.reshape(-1, 2), scores[:, None]], 1))

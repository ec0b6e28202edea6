"""Readers of JSON files with all people of a video: COCO, AlphaPose, MMPose and per-person tracks.

Key-points are pixels. The layout is the one asked for, or else follows from the joints' names, or from their number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..recording import Recording
from .detections import Detection
from .estimates import HALPE_BODY, HALPE_FULL, estimated_recordings
from .json_files import (
    as_list,
    as_mapping,
    box_corners,
    frame_number,
    item,
    joint_rows,
    json_head,
    numbers,
    person_number,
    picture_side,
    read_json,
)
from .registry import FormatError, ReadOptions, register_format

LAYOUTS = {17: "coco17", 26: "halpe26", 133: "coco-wholebody", HALPE_FULL: HALPE_BODY}
OPENPOSE_LAYOUTS = {18: "openpose18"}


def _is_coco(path: Path) -> bool:
    head = json_head(path)
    is_results = re.match(r"\s*\[\s*\{", head) and '"image_id"' in head and '"keypoints"' in head
    is_annotations = re.match(r"\s*\{", head) and re.search(r'"(images|annotations)"\s*:\s*\[', head)
    return bool(is_results or is_annotations)


@register_format("coco-results", "COCO key-point results or annotations (.json)", (".json",), _is_coco)
def read_coco(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read COCO key-point results, a list with one entry per person, or annotations, which list the images as well.

    `image_id` is the frame number, or the name of a picture that ends with it. Annotations have a visibility instead
    of a score: a joint that was labelled, seen or hidden, has score 1. Track ids are `track_id` or `idx`.

    Raises:
        FormatError: see `json_people`; annotations of several videos are refused.
    """
    content = read_json(path)
    if isinstance(content, dict):
        yield from _read_annotations(path, content, options)
    else:
        yield from estimated_recordings(path, _results(path, as_list(path, content, "the file")), LAYOUTS, options)


def _read_annotations(path: Path, content: dict, options: ReadOptions) -> Iterator[Recording]:
    images = as_list(path, item(path, content, "images", "the file"), "images")
    entries = as_list(path, item(path, content, "annotations", "the file"), "annotations")
    sizes, videos = set(), set()
    for entry in images:
        image = as_mapping(path, entry, "an image")
        sizes.add(_picture_size(path, image))
        videos.add(str(image.get("video_id", image.get("vid_id", ""))))
    if len(videos) > 1:
        raise FormatError(path, f"has images of {len(videos)} videos; split it into one file per video")
    found = _results(path, [entry for entry in entries if not isinstance(entry, dict) or "keypoints" in entry])
    fields = {"frame_size": sizes.pop()} if len(sizes) == 1 and (0, 0) not in sizes else {}
    yield from estimated_recordings(path, found, LAYOUTS, options, _category_joints(content), **fields)


def _picture_size(path: Path, image: dict) -> tuple[int, int]:
    if image.get("width") is None or image.get("height") is None:
        return 0, 0
    width, height = (picture_side(path, image[key]) for key in ("width", "height"))
    return width, height


def _category_joints(content: dict) -> list[str] | None:
    """Return the joint names of the one category that has some."""
    categories = content.get("categories")
    named = [
        category["keypoints"]
        for category in (categories if isinstance(categories, list) else [])
        if isinstance(category, dict) and isinstance(category.get("keypoints"), list)
    ]
    return [str(name) for name in named[0]] if len(named) == 1 else None


def _results(path: Path, entries: list) -> Iterator[Detection]:
    """Yield the entries of a list of results; pictures of one number but of different names are an error."""
    names = {}
    for entry in entries:
        person = as_mapping(path, entry, "a person")
        image = item(path, person, "image_id", "a person")
        frame = frame_number(path, image)
        if names.setdefault(frame, image) != image:
            raise FormatError(path, f"images {names[frame]!r} and {image!r} have the same number; frames must differ")
        yield Detection(
            frame,
            joint_rows(path, item(path, person, "keypoints", "a person"), frame),
            person_number(path, person.get("track_id", person.get("idx"))),
            box_corners(path, person.get("bbox", person.get("box")), has_size=True),
        )


def _is_alphapose(path: Path) -> bool:
    head = json_head(path)
    if re.match(r"\s*\[\s*\{", head):
        is_named = re.search(r'"image_id"\s*:\s*"', head) or re.search(r'"(idx|box)"\s*:', head)
        return bool('"image_id"' in head and '"keypoints"' in head and is_named)
    return bool(re.match(r'\s*\{\s*"[^"]*"\s*:\s*\{\s*"version"', head) and re.search(r'"(bodies|people)"', head))


@register_format("alphapose", "AlphaPose results (alphapose-results.json)", (".json",), _is_alphapose)
def read_alphapose(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read AlphaPose results in its default format or those of its options `--format cmu` and `open`.

    `image_id` is the name of a picture, "0.jpg" onwards for videos; `idx` the track id, where tracking was on; `score`
    is a sum beyond 1 and is not used. Of the 136 joints of Halpe the 26 of the body are read. The formats cmu and open
    have one object per picture, 18 joints, and no track ids.

    Raises:
        FormatError: see `json_people`.
    """
    content = read_json(path)
    if isinstance(content, dict):
        yield from estimated_recordings(path, _pictures(path, content), OPENPOSE_LAYOUTS, options)
    else:
        yield from estimated_recordings(path, _results(path, as_list(path, content, "the file")), LAYOUTS, options)


def _pictures(path: Path, content: dict) -> Iterator[Detection]:
    frames = {}
    for name, entry in content.items():
        frame = frame_number(path, name)
        if frames.setdefault(frame, name) != name:
            raise FormatError(path, f"images {frames[frame]!r} and {name!r} have the same number; frames must differ")
        picture = as_mapping(path, entry, f"picture {name!r}")
        group, joints = ("bodies", "joints") if "bodies" in picture else ("people", "pose_keypoints_2d")
        for body in as_list(path, item(path, picture, group, f"picture {name!r}"), group):
            values = item(path, as_mapping(path, body, "a person"), joints, "a person")
            yield Detection(frame, joint_rows(path, values, frame))


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
        FormatError: see `json_people`; 3D predictions are refused.
    """
    content = read_json(path)
    names = None
    if isinstance(content, dict):
        names = _meta_joints(path, content.get("meta_info"))
        content = item(path, content, "instance_info", "the file")
    found = _instances(path, as_list(path, content, "instance_info"))
    yield from estimated_recordings(path, found, LAYOUTS, options, names)


def _instances(path: Path, entries: list) -> Iterator[Detection]:
    for entry in entries:
        picture = as_mapping(path, entry, "a frame")
        frame = frame_number(path, item(path, picture, "frame_id", "a frame"))
        for person in as_list(path, item(path, picture, "instances", "a frame"), "instances"):
            yield _instance(path, frame, as_mapping(path, person, "a person"))


def _instance(path: Path, frame: int, person: dict) -> Detection:
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
        FormatError: see `json_people`; both orders in one file are refused.
    """
    yield from estimated_recordings(path, _tracks(path), LAYOUTS, options)


def _tracks(path: Path) -> Iterator[Detection]:
    orders = set()
    for outer, entries in as_mapping(path, read_json(path), "the file").items():
        for inner, entry in as_mapping(path, entries, f"entry {outer!r}").items():
            orders.add(isinstance(entry, dict))
            if isinstance(entry, dict):
                person, frame, joints = outer, inner, item(path, entry, "keypoints", "a person")
            else:
                frame, person = outer, inner
                pair = as_list(path, entry, f"person {inner!r} of frame {outer!r}")
                if len(pair) != 2:
                    raise FormatError(path, f"person {inner!r} of frame {outer!r} must be a box and joints")
                joints = pair[1]
            number = frame_number(path, frame)
            yield Detection(number, joint_rows(path, joints, number), person_number(path, person))
    if len(orders) > 1:
        raise FormatError(path, "has key-points by person and frame and by frame and person; it must be one of them")

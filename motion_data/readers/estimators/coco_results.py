"""Reader of COCO's key-point results and annotations, which many tools write."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import compress
from pathlib import Path

import numpy as np

from ...notes import note
from ...recording import Recording
from ..detections import Detections, by_video
from ..estimates import RESULT_LAYOUTS, estimated_recordings
from ..frames import picture_frames
from ..json_files import (
    all_boxes,
    all_joint_rows,
    as_list,
    as_mapping,
    brief,
    frame_number,
    item,
    json_head,
    person_numbers,
    picture_side,
    read_json,
)
from ..plain.named_joints import joint_titles
from ..registry import FormatError, ReadOptions, register_format


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
        found = image_results(path, as_list(path, content, "the file"))
        yield from estimated_recordings(path, found, RESULT_LAYOUTS, options, joint_titles(content))


def _read_annotations(path: Path, content: dict, options: ReadOptions) -> Iterator[Recording]:
    images = [as_mapping(path, image, "an image") for image in as_list(path, content.get("images", []), "images")]
    entries = as_list(path, item(path, content, "annotations", "the file"), "annotations")
    entries = [entry for entry in entries if not isinstance(entry, dict) or "keypoints" in entry]
    names, entries = _category_joints(path, content, entries)
    sizes = {_picture_size(path, image) for image in images}
    fields = {"frame_size": sizes.pop()} if len(sizes) == 1 and (0, 0) not in sizes else {}
    found = image_results(path, entries, _image_frames(path, images), has_flags=True)
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


def image_results(
    path: Path, entries: list, frames: Mapping[object, tuple[str, int]] | None = None, has_flags: bool = False
) -> dict[str, Detections]:
    """Return the people of a list of results, each with the image it is in, by video.

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

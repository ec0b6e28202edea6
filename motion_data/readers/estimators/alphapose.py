"""Reader of AlphaPose's results in each of its formats, and of PoseFlow's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ...recording import Recording
from ..detections import Detection
from ..estimates import RESULT_LAYOUTS, estimated_recordings
from ..frames import picture_frames
from ..json_files import as_list, as_mapping, box_corners, item, joint_rows, json_head, person_number, read_json
from ..plain.named_joints import joint_titles
from ..registry import ReadOptions, register_format
from .coco_results import image_results

CMU_LAYOUTS = {18: "openpose18"}  # of its formats cmu and open


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
        layouts = CMU_LAYOUTS if any(isinstance(entry, dict) for entry in content.values()) else RESULT_LAYOUTS
        yield from estimated_recordings(path, _pictures(path, content), layouts, options, joint_titles(content))
    else:
        found = image_results(path, as_list(path, content, "the file"))
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

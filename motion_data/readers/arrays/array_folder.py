"""Reader of folders with an array for each picture, as loops over pictures save them with `numpy.save`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ...interpret import choose_coordinates, layout_of
from ...recording import Recording
from ..array_files import map_array
from ..detections import Detection, scored
from ..estimates import estimated_recordings
from ..estimators.picture_files import MAX_EMPTY, people_in_files, pictures
from ..registry import FormatError, ReadOptions, register_format

SUFFIX = ".npy"
MIN_PICTURES, MAX_PEOPLE = 5, 4  # a folder of fewer files, or of more rows in them, is one of recordings


def _is_folder(path: Path) -> bool:
    files = pictures(path, SUFFIX)
    if len(files) < MIN_PICTURES:
        return False
    try:
        shapes = [shape for file in files[:MAX_EMPTY] if 0 not in (shape := map_array(file).shape)]
    except FormatError:
        return False
    return bool(shapes) and all(
        shape[-1] in (2, 3) and (len(shape) == 2 or len(shape) == 3 and shape[0] <= MAX_PEOPLE) for shape in shapes
    )


@register_format("npy-folder", "folder of arrays of key-points, one for each picture (.npy)", recognises=_is_folder)
def read_npy_folder(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read arrays `[K, C]` or `[M, K, C]`, x, y and perhaps score of each joint; an empty one is nobody.

    The order is that of the numbers in the names (`frames.picture_frames`); people are linked from picture to picture.

    Raises:
        FormatError: an array of another shape or number of joints, 3D, or a layout that only an option tells.
    """

    def people(file: Path, frame: int) -> Iterator[Detection]:
        array = map_array(file)
        if array.size and (array.ndim not in (2, 3) or array.dtype.kind not in "fiu"):
            raise FormatError(file, f"is {array.dtype} {array.shape}; it must be [people, joints, 2 or 3] numbers")
        bodies = array.reshape(-1, *array.shape[-2:]) if array.size else []
        yield from (Detection(frame, np.asarray(body, np.float64)) for body in bodies)

    found = list(people_in_files(path, SUFFIX, people))
    shapes = sorted({person.joints.shape for person in found})
    if len(shapes) != 1:
        raise FormatError(path, f"has people of shapes {shapes}; all must have the same joints")
    ((joints, _),) = shapes
    try:
        kind = choose_coordinates(np.stack([person.joints for person in found])[None], options)
        layout = layout_of(joints, options.layout)
    except ValueError as error:
        raise FormatError(path, str(error)) from error
    if kind.startswith("xyz"):
        raise FormatError(path, "is 3D; save all frames as one array [frames, joints, 3]")
    yield from estimated_recordings(path, scored(found, kind), {joints: layout}, options)

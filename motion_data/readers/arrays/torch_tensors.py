"""Reader of what `torch.save` writes: a tensor of key-points, or tensors in dicts and lists; weights are none."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

from ...recording import Recording
from ..array_files import BROKEN, most_unpacked
from ..data_fields import NAMES
from ..joint_names import MIN_JOINTS, are_joint_names
from ..pickle_data import HEAD_BYTES, operations
from ..plain.unnamed_keypoints import LOOSE
from ..registry import MAX_FILE_BYTES, FormatError, ReadOptions, register_format
from ..tables.table_content import content_recordings

SUFFIXES = (".pt", ".pth")


def _is_tensors(path: Path) -> bool:
    """Tell key-points, by the names of fields or the form of the first tensor, from weights."""
    try:
        with ZipFile(path) as archive:
            (name,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
            with archive.open(name) as file:
                head = operations(file.read(HEAD_BYTES))
    except (OSError, ValueError, NotImplementedError, RuntimeError, BadZipFile):
        return False
    texts = [text for _, text in head if isinstance(text, str)]
    if not {*NAMES["keypoints"], *LOOSE}.isdisjoint(texts) or are_joint_names(texts):
        return True
    *_, joints, size = (0, 0, *(shape := _first_shape(head)))
    depth = len(shape) + (head[:1] == [("EMPTY_LIST", None)])
    return depth > 2 and joints >= MIN_JOINTS and size in ((2, 3, 4) if len(shape) > 2 else (2, 3))


def _first_shape(head: list[tuple[str, object]]) -> list[int]:
    """Return the shape of the first tensor: the numbers behind its storage, of which the first is its offset."""
    names = [name for name, _ in head]
    place = names.index("BINPERSID") + 1 if "BINPERSID" in names else len(names)
    numbers = takewhile(lambda operation: operation[0].startswith("BININT"), head[place:])
    return [number for _, number in numbers if isinstance(number, int)][1:]


@register_format("torch", "tensors of key-points that torch.save wrote (.pt, .pth)", SUFFIXES, _is_tensors)
def read_torch(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read a tensor as `read_npy` reads an array, and dicts and lists of tensors as `read_any_pickle` does.

    Nothing that the file names is called but what makes tensors (`weights_only`).

    Raises:
        FormatError: it holds anything else, or no key-points.
    """
    import torch  # takes seconds

    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise FormatError(path, f"is larger than {MAX_FILE_BYTES} bytes; split it")
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FormatError:
        raise
    except (*BROKEN, pickle.UnpicklingError) as error:
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        raise FormatError(path, f"holds no tensors that can be read ({reason})") from error
    yield from content_recordings(path, _as_arrays(path, content, most_unpacked(size)), options)


def _as_arrays(path: Path, content: Any, most: int) -> Any:
    """Return content with arrays in place of tensors, each of at most so many bytes."""
    if isinstance(content, Mapping):
        return {name: _as_arrays(path, value, most) for name, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_as_arrays(path, value, most) for value in content]
    if not hasattr(content, "numpy"):
        return content
    if content.numel() * content.element_size() > most:
        raise FormatError(path, f"has a tensor {tuple(content.shape)}, far larger than the file")
    if content.is_complex() or content.is_quantized or content.is_sparse:
        raise FormatError(path, f"has a tensor {content.dtype} {content.layout}; it must be dense, of real numbers")
    content = content.detach()
    content = content.float() if content.is_floating_point() and content.element_size() < 4 else content
    return content.item() if content.ndim == 0 else content.numpy()

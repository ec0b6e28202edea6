"""A table that labels files, and stretches of them: what its columns mean, and which file a row is about.

It is CSV with commas, semicolons, tabs or bars, and titles in its first line; other columns are refused, so that a
slip of the pen is no label that is missing. Cells may be empty:

    file                    which source, see `_Names`; also called filename, file_name, video, clip
    start, end              seconds, or clock times such as 1:05.5; the row is about this stretch alone
    start_frame, end_frame  the same in frames, counted from 0, both included
    frame                   the row is about this frame alone; frames in a row of which the same is said are a stretch
    label                   name of the action; also called action, class
    subject                 number of the person; names are numbered in their order, which is noted
    split                   "train", "test" or any other, in small letters
    anomalous               1 or 0: whether the stretch is anomalous. The file stays whole; its other frames are normal
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from ..notes import note
from ..readers.frames import clock_seconds
from ..readers.registry import FormatError
from ..readers.tables.table_rows import delimiter_of
from ..readers.text_files import read_text

COLUMNS = ("file", "start", "end", "start_frame", "end_frame", "frame", "label", "subject", "split", "anomalous")
_OTHER_TITLES = {
    **dict.fromkeys(("filename", "file_name", "video", "clip"), "file"),
    **dict.fromkeys(("action", "class"), "label"),
    **{"start_time": "start", "end_time": "end"},
    **dict.fromkeys(("frame_number", "frame_id", "frame_index"), "frame"),
}
_DECIMAL_COMMA = re.compile(r"\d+,\d+")
_SHOWN = 5


@dataclass(frozen=True)
class LabelRow:
    """What is said of a file: a row of a table, or a mask.

    Times are seconds, or frames if `in_frames`, the first and the one after the last; `end` is infinite and
    `anomalous` None where a row has none. `single` rows are about one frame. `mask` is the path of a mask and
    `modified` the time of its last change, nanoseconds.
    """

    start: float = 0.0
    end: float = float("inf")
    label: str = ""
    subject: int = -1
    split: str = ""
    anomalous: bool | None = None
    mask: str = ""
    modified: int = 0
    in_frames: bool = False
    single: bool = False

    @property
    def whole(self) -> bool:
        return self.start == 0 and self.end == float("inf")


def read_table(path: Path, names: Sequence[str]) -> dict[str, tuple[LabelRow, ...]]:
    """Return the rows of each source that has any.

    Args:
        names: of the sources.

    Raises:
        ValueError: the file is no text, a title is unknown, a row is about no source or several, a cell is wrong, or
            rows contradict each other.
    """
    try:
        lines = read_text(path).splitlines()
    except FormatError as error:
        raise ValueError(f"labels {str(path)!r} {error.reason}; save it as UTF-8") from error
    table = csv.reader(lines, delimiter=delimiter_of(lines))
    titles = [_OTHER_TITLES.get(title.strip().lower(), title.strip().lower()) for title in next(table, [])]
    if "file" not in titles or set(titles) - set(COLUMNS) or len(set(titles)) < len(titles):
        raise ValueError(
            f"labels {str(path)!r} has columns {titles}; allowed are {', '.join(COLUMNS)}, each once, file needed"
        )
    cells = [
        (number, dict(zip(titles, map(str.strip, row), strict=False)))
        for number, row in enumerate(table, 2)
        if any(map(str.strip, row))
    ]
    subjects = _subject_numbers([row.get("subject", "") for _, row in cells])
    known, found = _Names(names), dict[str, list[tuple[int, LabelRow]]]()
    for number, row in cells:
        try:
            found.setdefault(known.source_of(row["file"]), []).append((number, _row(row, subjects)))
        except ValueError as error:
            raise ValueError(f"labels {str(path)!r}, line {number}: {error}") from error
    if "frame" in titles:
        found = {name: _joined(str(path), rows) for name, rows in found.items()}
    for name, rows in found.items():
        _check_agreement(str(path), name, rows)
    return {name: tuple(dict.fromkeys(row for _, row in rows)) for name, rows in found.items()}


class _Names:
    """Which source a cell names: its name in the corpus, the end of it, or a path that ends with it.

    Each with or without its ending; where no name has the ending that a cell has, such as that of the video, it is
    left out.
    """

    def __init__(self, names: Iterable[str]):
        self.wholes: dict[tuple[str, ...], set[str]] = {}
        self.ends: dict[tuple[str, ...], set[str]] = {}
        for name in names:
            for whole in (PurePosixPath(name).parts, PurePosixPath(name).with_suffix("").parts):
                self.wholes.setdefault(whole, set()).add(name)
                for start in range(len(whole)):
                    self.ends.setdefault(whole[start:], set()).add(name)

    def source_of(self, cell: str) -> str:
        """Return the name of the source; raise a ValueError if there is none, or several."""
        path = PurePosixPath(cell.replace("\\", "/"))
        for parts in (path.parts, path.with_suffix("").parts if path.name else ()):
            longer = (self.wholes.get(parts[start:]) for start in range(len(parts)))
            own = next(filter(None, longer), None) or self.ends.get(parts, set())
            if len(own) > 1:
                raise ValueError(f"{cell!r} may be {' or '.join(sorted(own)[:_SHOWN])}; write more of its path")
            if own:
                return next(iter(own))
        raise ValueError(f"no source is named {cell!r}")


def _subject_numbers(cells: list[str]) -> dict[str, int]:
    """Return the number of each subject; -1 is none."""
    named = sorted(set(filter(None, cells)))
    if all(cell.isdecimal() for cell in named):
        return {"": -1} | {cell: int(cell) for cell in named}
    numbers = {cell: number for number, cell in enumerate(named, 1)}
    shown = ", ".join(f"{cell} is {number}" for cell, number in list(numbers.items())[:_SHOWN])
    note(f"subjects are numbered in the order of their names: {shown}{' ...' if len(numbers) > _SHOWN else ''}")
    return {"": -1} | numbers


def _joined(labels: str, rows: list[tuple[int, LabelRow]]) -> list[tuple[int, LabelRow]]:
    """Return rows of single frames as stretches; frames of which nothing is said are none.

    Raises:
        ValueError: rows of one frame contradict each other.
    """
    joined = [(number, row) for number, row in rows if not row.single]
    last = -1  # the place of the stretch that may go on
    for number, row in sorted(((number, row) for number, row in rows if row.single), key=lambda own: own[1].start):
        before = joined[last][1] if last >= 0 else None
        if before is not None and row.start < before.end:
            if replace(row, start=before.start, end=before.end) != before:
                first = joined[last][0]
                raise ValueError(f"labels {labels!r}, lines {first} and {number}: say different things of a frame")
        elif before is not None and row == replace(before, start=row.start, end=row.end) and row.start == before.end:
            joined[last] = (joined[last][0], replace(before, end=row.end))
        else:
            last = len(joined)
            joined.append((number, row))
    return [(number, row) for number, row in joined if row.whole or row.label or row.anomalous is not None]


def _row(cells: dict[str, str], subjects: dict[str, int]) -> LabelRow:
    in_frames = bool(cells.get("start_frame") or cells.get("end_frame"))
    stretches = [in_frames, bool(cells.get("start") or cells.get("end")), bool(cells.get("frame"))]
    if sum(stretches) > 1:
        raise ValueError("has several of a stretch in seconds, one in frames, and a frame; it must be one of them")
    if cells.get("frame"):
        in_frames, start = True, _whole(cells, "frame", 0)
        end = start + 1
    elif in_frames:
        start = _whole(cells, "start_frame", 0)
        end = _whole(cells, "end_frame", float("inf")) + 1
    else:
        start, end = _seconds(cells, "start", 0.0), _seconds(cells, "end", float("inf"))
    if not start < end:
        raise ValueError(f"the stretch from {start:g} to {end:g} is empty; end must be after start")
    anomalous = cells.get("anomalous", "")
    if anomalous not in ("", "0", "1"):
        raise ValueError(f"anomalous is {anomalous!r}; it must be 0 or 1")
    return LabelRow(
        start,
        end,
        cells.get("label", ""),
        subjects[cells.get("subject", "")],
        cells.get("split", "").lower(),
        anomalous == "1" if anomalous else None,
        in_frames=in_frames,
        single=bool(cells.get("frame")),
    )


def _seconds(cells: dict[str, str], name: str, otherwise: float) -> float:
    text = cells.get(name, "")
    if (seconds := clock_seconds(text)) is not None:
        return seconds
    try:
        value = float(text.replace(",", ".") if _DECIMAL_COMMA.fullmatch(text) else text or otherwise)
    except ValueError:
        value = float("nan")
    if not value >= 0:
        raise ValueError(f"{name} is {text!r}; it must be a number, 0 or more, or a time such as 1:05.5")
    return value


def _whole(cells: dict[str, str], name: str, otherwise: float) -> float:
    text = cells.get(name, "")
    if text and not text.isdecimal():
        raise ValueError(f"{name} is {text!r}; it must be a whole number, 0 or more")
    return float(text) if text else otherwise


def _check_agreement(labels: str, name: str, rows: list[tuple[int, LabelRow]]) -> None:
    """Refuse rows about all of a file that contradict each other, and a label of it beside those of its stretches."""
    whole = [(number, row) for number, row in rows if row.whole]
    for (first, row), (second, other) in zip(whole, whole[1:], strict=False):
        if row != other:
            raise ValueError(f"labels {labels!r}, lines {first} and {second}: say different things of all of {name!r}")
    cut = [(number, row) for number, row in rows if not row.whole and row.anomalous is None]
    if whole and whole[0][1].label and (own := next((number for number, row in cut if row.label), 0)):
        raise ValueError(
            f"labels {labels!r}, lines {whole[0][0]} and {own}: name an action of all of {name!r}, and one of a "
            "stretch; a stretch is cut out, so label the others too"
        )


def of_file(rows: Sequence[LabelRow]) -> LabelRow:
    """Return what rows say of a file that stays whole: a row about all of it, else its anomalous stretches."""
    marked = [row for row in rows if row.whole or row.anomalous is not None]
    if not marked:
        return LabelRow()
    first = next((row for row in marked if row.whole), marked[0])
    if first.whole or len({row.label for row in marked}) == 1:
        return first
    note(f"anomalous stretches have several labels, such as {first.label!r}; a file has one, so none is used")
    return replace(first, label="")

"""Look at a corpus before training on it: counts, problems, and a sheet with pictures.

The sheet is one HTML file with everything in it. Needs matplotlib (`pip install mofm[plot]`).
"""

from __future__ import annotations

import base64
import hashlib
import html
import io
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from datasets import ClassLabel, Dataset
from tqdm import tqdm

from ..drawing import draw_body
from ..layouts import get_layout
from ..plausibility import doubts
from ..rows import decode_row, row_recording
from ..views import picture
from .card import LENGTH_EDGES, CorpusStatistics, card_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHORT = 12  # frames: one time slice of the default clip
STRIP = 8  # frames of a sample that are drawn
MOVIE_FRAMES = 90
SLOWEST = 1.0  # frames a second of a movie
BARS = "#0072B2"


@dataclass
class Inspection:
    """What the inspection of a corpus found.

    Args:
        statistics: counts of all rows.
        problems: number of rows by problem, in words.
        examples: a row with that problem, by its source, and where in it.
        samples: rows to draw, chosen by a seed.
    """

    statistics: CorpusStatistics = field(default_factory=CorpusStatistics)
    problems: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    samples: list[dict] = field(default_factory=list)


def inspect_corpus(splits: Mapping[str, Dataset], num_samples: int = 6, seed: int = 0) -> Inspection:
    """Read every row of a corpus once.

    Args:
        splits: datasets with the columns of `schema.motion_features`, by split.
        num_samples: rows to draw.
        seed: of their choice.
    """
    found = Inspection()
    total = sum(map(len, splits.values()))
    chosen = set(np.random.default_rng(seed).permutation(total)[:num_samples].tolist())
    seen: dict[bytes, str] = {}
    number = 0
    with tqdm(total=total, unit="clip") as bar:
        for split, corpus in splits.items():
            label = corpus.features["label"]
            for batch in corpus.with_format("arrow").iter(batch_size=256):
                rows = _rows(batch)
                for row in rows:
                    row["label"] = _label_name(label, row["label"])
                    for problem in row_problems(row, seen):
                        found.problems[problem] += 1
                        found.examples.setdefault(problem, row["source"])
                    for doubt in doubts(row_recording(row)):
                        found.problems[doubt.kind] += 1
                        found.examples.setdefault(doubt.kind, f"{row['source']} ({doubt.where})")
                    if number in chosen:
                        found.samples.append(row)
                    number += 1
                position = batch.schema.get_field_index("label")
                named = batch.set_column(position, "label", [[row["label"] for row in rows]])
                found.statistics.add(named, split)
                bar.update(len(rows))
    if "test" not in splits:
        found.problems["there is no test split; nothing can be measured"] += 1
    return found


def row_problems(row: dict, seen: dict[bytes, str]) -> list[str]:
    """Return what is wrong with a row; `seen` holds a digest of every row before, and is updated."""
    keypoints, scores = decode_row(row)
    problems = []
    joint_present = (scores > 0) & np.isfinite(keypoints).all(-1)
    frames = keypoints.shape[1]
    digest = hashlib.sha256(keypoints.tobytes()).digest()
    if digest in seen:
        problems.append("the same key-points as another clip")
    seen[digest] = row["source"]
    if frames < SHORT:
        problems.append(f"shorter than {SHORT} frames")
    if not joint_present.any():
        return [*problems, "no joint is present"]
    if not joint_present[scores > 0].all():
        problems.append("coordinates of joints that are present are not finite")
    present = joint_present.any(-1)
    if joint_present[present].mean() < 0.5:
        problems.append("more than half of the joints missing while a person is present")
    if present.any(0).mean() < 0.5:
        problems.append("nobody is present in more than half of the frames")
    if frames > 1:
        both = joint_present[:, 1:] & joint_present[:, :-1]
        if both.any() and not (np.diff(keypoints, axis=1)[both] != 0).any():
            problems.append("nothing moves")
    width, height = row["frame_size"]
    if width and height and keypoints.shape[-1] == 2:
        outside = ((keypoints < 0) | (keypoints > (width, height))).any(-1)
        if outside[joint_present].mean() > 0.1:
            problems.append("more than a tenth of the joints lie outside the picture")
    if not row["fps"]:
        problems.append("the frame rate is unknown")
    return problems


def write_sheet(found: Inspection, path: Path, title: str) -> None:
    """Write the sheet of an inspection, one HTML file: problems, pictures and counts."""
    from matplotlib.figure import Figure

    parts = [f"<h1>{html.escape(title)}</h1>", _problem_list(found), "<h2>Counts</h2>"]
    figure = Figure(figsize=(13, 3.2), layout="constrained")
    draw_counts(found.statistics, figure)
    parts.append(_picture(figure, "joint visibility, clip lengths and scores"))
    parts.append("<h2>Samples</h2>")
    for row in found.samples:
        figure = Figure(figsize=(13, 2.2), layout="constrained")
        draw_strip(row, figure)
        people, frames = row["shape"][:2]
        name = f"{row['source']} - {row['label'] or 'no label'}, {people} people, {frames} frames, {row['layout']}"
        parts.append(f"<h3>{html.escape(name)}</h3>{_picture(figure, name)}")
    if found.samples:
        movie = base64.b64encode(draw_movie(found.samples[0])).decode()
        parts.append(f'<h2>Movie of the first sample</h2><img alt="movie" src="data:image/gif;base64,{movie}">')
    parts.append(f"<h2>Card</h2><pre>{html.escape(card_text(found.statistics))}</pre>")
    style = "body{font-family:sans-serif;margin:2em}img{max-width:100%}h3{font-weight:normal;margin-bottom:0}"
    path.write_text(
        f'<!doctype html><meta charset="utf-8"><title>{html.escape(title)}</title><style>{style}</style>'
        + "\n".join(parts),
        encoding="utf-8",
    )


def draw_counts(statistics: CorpusStatistics, figure: Figure) -> None:
    """Draw how often each joint is present, how long clips are, and the scores."""
    joints, lengths, scores = figure.subplots(1, 3, width_ratios=(2, 1.2, 1))
    missing = statistics.missing
    joints.bar(range(len(missing)), [100 * (1 - share) for share in missing.values()], color=BARS)
    names = [name.replace("left_", "l ").replace("right_", "r ") for name in missing]
    joints.set_xticks(range(len(names)), names, rotation=60, ha="right", fontsize=7)
    joints.set(ylim=(0, 100), ylabel="% of person-frames", title="joint is present")
    edges = [f"< {edge}" for edge in LENGTH_EDGES] + [f">= {LENGTH_EDGES[-1]}"]
    lengths.bar(edges, statistics.lengths, color=BARS)
    lengths.tick_params(axis="x", rotation=60, labelsize=7)
    lengths.set(title="frames of a clip", ylabel="clips")
    scores.bar(np.arange(len(statistics.scores)) / 10 + 0.05, statistics.scores, width=0.09, color=BARS)
    scores.set(title="score of joints that are present", xlim=(0, 1))


def draw_strip(row: dict, figure: Figure) -> None:
    """Draw people in frames spread over a clip."""
    keypoints, scores = picture(row_recording(row))
    frames = np.linspace(0, keypoints.shape[1] - 1, min(STRIP, keypoints.shape[1])).round().astype(int)
    limits = _limits(keypoints, scores)
    for axes, frame in zip(np.atleast_1d(figure.subplots(1, len(frames))), frames, strict=True):
        draw_people(axes, keypoints[:, frame], scores[:, frame], row["layout"], limits)
        axes.set_title(str(frame), fontsize=8)


def draw_movie(row: dict) -> bytes:
    """Return a GIF of the first `MOVIE_FRAMES` frames of a clip, at its own pace."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image

    keypoints, scores = picture(row_recording(row))
    limits = _limits(keypoints, scores)
    pictures = []
    for frame in range(min(keypoints.shape[1], MOVIE_FRAMES)):
        figure = Figure(figsize=(3.2, 3.2), dpi=72, layout="constrained")
        canvas = FigureCanvasAgg(figure)
        draw_people(figure.subplots(), keypoints[:, frame], scores[:, frame], row["layout"], limits)
        canvas.draw()
        pictures.append(Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("P"))
    file = io.BytesIO()
    duration = round(1000 / min(max(row["fps"] or 25, SLOWEST), 50))
    pictures[0].save(file, "GIF", save_all=True, append_images=pictures[1:], duration=duration, loop=0)
    return file.getvalue()


def draw_people(axes: Axes, keypoints: np.ndarray, scores: np.ndarray, layout: str, limits: np.ndarray) -> None:
    """Draw the people `[M, K, 2]` of one frame in their own layout; missing joints are left out."""
    skeleton = get_layout(layout)
    for person, score in zip(keypoints, scores, strict=True):
        draw_body(axes, skeleton, person, score, width=1.2, dot=2)
    (x0, y0), (x1, y1) = limits
    axes.set(xlim=(x0, x1), ylim=(y1, y0), xticks=[], yticks=[], aspect="equal")


def _limits(keypoints: np.ndarray, scores: np.ndarray) -> np.ndarray:
    seen = keypoints[(scores > 0) & np.isfinite(keypoints).all(-1)]
    if not len(seen):
        return np.array([[0, 0], [1, 1]])
    low, high = seen.min(0), seen.max(0)
    middle, half = (low + high) / 2, max((high - low).max() * 0.55, 1e-3)
    return np.stack((middle - half, middle + half))


def _rows(batch: pa.Table) -> list[dict]:
    """Return rows of Arrow columns; the long ones as arrays, a hundred times faster than as Python numbers."""
    long = {name: batch[name].combine_chunks() for name in ("keypoints", "scores")}
    rows = batch.drop_columns(list(long)).to_pylist()
    for number, row in enumerate(rows):
        row |= {name: column[number].values.to_numpy() for name, column in long.items()}
    return rows


def _label_name(label: object, value: int) -> str:
    if value < 0:
        return ""
    return label.int2str(value) if isinstance(label, ClassLabel) else str(value)


def _problem_list(found: Inspection) -> str:
    if not found.problems:
        return "<p>No problems found.</p>"
    entries = (
        f"<li>{count} x {html.escape(problem)}{html.escape(_example(found, problem))}</li>"
        for problem, count in found.problems.most_common()
    )
    return f"<h2>Problems</h2><ul>{''.join(entries)}</ul>"


def _example(found: Inspection, problem: str) -> str:
    return f", such as {found.examples[problem]}" if problem in found.examples else ""


def _picture(figure: Figure, alt: str) -> str:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=90)
    data = base64.b64encode(file.getvalue()).decode()
    return f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{data}">'

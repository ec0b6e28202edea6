"""What is in a corpus, counted while it is written or read, and the dataset card that says it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
from huggingface_hub import DatasetCard, DatasetCardData

from ..layouts import COCO_KEYPOINTS, get_layout

SCORE_BINS = 10
LENGTH_EDGES = (12, 24, 48, 96, 192, 384, 768)  # frames
SIZE_CATEGORIES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


@dataclass
class CorpusStatistics:
    """Counts over the rows of a corpus.

    Args:
        clips, frames: by split.
        person_frames: frames in which a person has any joint, summed over people.
        joint_frames: those in which each COCO key-point is present, 17 numbers.
        scores: histogram of the scores of joints that are present, ten bins over [0, 1].
        lengths: clips with fewer frames than each of `LENGTH_EDGES`, and not fewer than the one before; the last are
            longer.
        layouts, labels, fps, people, sources: clips by layout, label ("" is none), frame rate, number of people, and
            first part of the source's name.
    """

    clips: dict[str, int] = field(default_factory=dict)
    frames: dict[str, int] = field(default_factory=dict)
    person_frames: int = 0
    joint_frames: list[int] = field(default_factory=lambda: [0] * len(COCO_KEYPOINTS))
    scores: list[int] = field(default_factory=lambda: [0] * SCORE_BINS)
    lengths: list[int] = field(default_factory=lambda: [0] * (len(LENGTH_EDGES) + 1))
    layouts: dict[str, int] = field(default_factory=dict)
    labels: dict[str, int] = field(default_factory=dict)
    fps: dict[str, int] = field(default_factory=dict)
    people: dict[str, int] = field(default_factory=dict)

    def add(self, rows: pa.Table, split: str) -> None:
        """Count rows with the columns of a corpus; their labels are names."""
        shapes = np.array(rows["shape"].to_pylist()).reshape(-1, 4)
        self.clips[split] = self.clips.get(split, 0) + len(rows)
        self.frames[split] = self.frames.get(split, 0) + int(shapes[:, 1].sum())
        bins = np.bincount(np.searchsorted(LENGTH_EDGES, shapes[:, 1], side="right"), minlength=len(LENGTH_EDGES) + 1)
        self.lengths = [int(n) for n in np.add(self.lengths, bins)]
        columns = {"layouts": rows["layout"], "labels": rows["label"], "fps": rows["fps"], "people": shapes[:, 0]}
        for name, values in columns.items():
            counts = getattr(self, name)
            for value in values.tolist() if isinstance(values, np.ndarray) else values.to_pylist():
                key = f"{value:g}" if isinstance(value, float) else str(value)
                counts[key] = counts.get(key, 0) + 1
        for shape, layout, scores in zip(
            shapes, rows["layout"].to_pylist(), rows["scores"].combine_chunks(), strict=True
        ):
            self._add_scores(scores.values.to_numpy().reshape(shape[:3]), layout)

    def _add_scores(self, scores: np.ndarray, layout: str) -> None:
        visible = scores[(scores > 0).any(-1)]  # person-frames, K
        self.person_frames += len(visible)
        indices = np.array(get_layout(layout).canonical)
        present = np.where(indices >= 0, (visible > 0).sum(0)[indices], 0)
        self.joint_frames = [int(n) for n in np.add(self.joint_frames, present)]
        histogram, _ = np.histogram(visible[visible > 0], SCORE_BINS, (0, 1))
        self.scores = [int(n) for n in np.add(self.scores, histogram)]

    @property
    def num_clips(self) -> int:
        return sum(self.clips.values())

    @property
    def num_frames(self) -> int:
        return sum(self.frames.values())

    @property
    def missing(self) -> dict[str, float]:
        """Fraction of the person-frames in which each COCO key-point is missing."""
        total = max(self.person_frames, 1)
        return {name: 1 - n / total for name, n in zip(COCO_KEYPOINTS, self.joint_frames, strict=True)}


def write_card(folder: Path, statistics: CorpusStatistics, license: str) -> None:
    """Write the dataset card of a corpus, `README.md`; its header tells `load_dataset` the shards of each split."""
    splits = [{"split": split, "path": f"data/{split}-*.parquet"} for split in sorted(statistics.clips, reverse=True)]
    data = DatasetCardData(
        license=license or None,
        tags=["human-motion", "pose", "key-points", "mofm"],
        size_categories=[next((name for limit, name in SIZE_CATEGORIES if statistics.num_clips < limit), "1M<n<10M")],
        configs=[{"config_name": "default", "data_files": splits}],
    )
    DatasetCard(f"---\n{data.to_yaml()}\n---\n\n{card_text(statistics)}").save(folder / "README.md")


def card_text(statistics: CorpusStatistics) -> str:
    """Describe a corpus in Markdown."""
    lines = ["# Motion corpus", "", "| split | clips | frames |", "| --- | --- | --- |"]
    lines += [f"| {split} | {count} | {statistics.frames[split]} |" for split, count in statistics.clips.items()]
    lines += ["", f"{statistics.person_frames} person-frames. Columns: `motion_data.schema`.", ""]
    for title, counts in (
        ("layout", statistics.layouts),
        ("frames a second (0 is unknown)", statistics.fps),
        ("people in a clip", statistics.people),
        ("label", statistics.labels),
    ):
        if title != "label" or set(counts) != {""}:
            lines += [f"| {title} | clips |", "| --- | --- |"]
            lines += [f"| {name or 'none'} | {count} |" for name, count in sorted(counts.items())] + [""]
    lines += ["| key-point | missing |", "| --- | --- |"]
    lines += [f"| {name.replace('_', ' ')} | {share:.1%} |" for name, share in statistics.missing.items()]
    return "\n".join(lines) + "\n"

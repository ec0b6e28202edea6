"""Training clips of anomaly detectors: sliding windows or whole recordings, and their labels.

They are made in the same way as the clips that a detector scores, from a fixed camera if they are 3D. All functions
take a `datasets.Dataset` and row ids, so that one can loop over folds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor

from modeling_mofm.windows import MAX_GAP, sliding_windows
from motion_data.keypoints import MIN_FRAMES, Motion, NobodyVisibleError, sample_frames
from motion_data.notes import noted_once
from motion_data.resampling import FPS, frames_in, known_rate, resample, source_frames
from motion_data.rows import row_recording
from motion_data.schema import label_names
from motion_data.views import MEASURING, USUAL_VIEW, choose_segment, view
from tokenization_mofm.feature_extraction_mofm import MoFMFeatureExtractor
from tokenization_mofm.tokenization_mofm import MoFMTokenizer

from .pretraining import tokenise
from .samples import report_empty


def row_labels(corpus: Dataset, normal_classes: Sequence[str]) -> np.ndarray:
    """Return 0 for rows of normal classes, 1 for other classes and -1 without a class, `[rows]`.

    Raises:
        ValueError: a class that the corpus does not have, or a corpus whose labels have no names.
    """
    names = label_names(corpus)
    unknown = [name for name in normal_classes if name not in names]
    if unknown:
        raise ValueError(f"normal_classes has {unknown}, which the corpus has not; it has {names}")
    labels = np.asarray(corpus["label"])
    normal = np.isin(labels, [names.index(name) for name in normal_classes])
    return np.where(labels < 0, -1, ~normal)


def view_row(row: dict, window: float, rate: float = FPS) -> Motion:
    """Return the motion of a row in 2D: all of it at `rate` for windows, or the segment of one clip (`window` 0)."""
    recording = row_recording(row)
    motion = view(recording, options=USUAL_VIEW if window else MEASURING)
    return resample(motion, known_rate(recording.fps), rate) if window else motion


def window_rate(corpus: Dataset, rows: Sequence[int]) -> float:
    """Return the frame rate at which rows are cut into windows: their own if all have the same, else 30."""
    rates = {round(float(rate) or FPS, 3) for rate in corpus.select_columns("fps").select(rows)["fps"]}
    return rates.pop() if len(rates) == 1 else FPS


@noted_once()
def normal_clips(
    corpus: Dataset,
    rows: Sequence[int],
    tokenizer: MoFMTokenizer,
    window: float = 0.8,
    stride: float = 0.2,
    rate: float = FPS,
    missing: slice | None = None,
) -> dict[str, Tensor]:
    """Return clips of single people in normal motion, and their words.

    Args:
        corpus: rows with the columns of `motion_features`.
        rows: ids of normal rows; windows that hold a frame labelled anomalous are left out.
        tokenizer: fits clips into the map and tokenises them.
        window: seconds of a sliding window; 0 takes each recording as one clip.
        stride: seconds between windows.
        rate: frames a second to which recordings are brought before windows are cut out (`window_rate`).
        missing: key-points that are treated as missing, such as those below the hips.

    Returns:
        `keypoints` [N, F, 17, 2], `scores` [N, F, 17] and `input_ids` [N, L].

    Raises:
        ValueError: no row gives a clip.
    """
    extractor = tokenizer.feature_extractor
    clips, empty = [], []
    length, step = frames_in(window, rate, MIN_FRAMES), frames_in(stride, rate)
    for number, row in zip(rows, corpus.select(rows).with_format("numpy"), strict=True):
        try:
            motion = view_row(row, window, rate)
        except NobodyVisibleError:
            empty.append(int(number))
            continue
        if missing is not None:
            motion.scores[..., missing] = 0
        if not window:
            clips.append(extractor.clip(motion))
            continue
        people, starts = sliding_windows(motion.scores.any(-1), length, step, frames_in(MAX_GAP, rate, 0))
        anomalous = np.asarray(row.get("frame_labels", ()), bool)
        if len(anomalous):
            anomalous = anomalous[source_frames(len(anomalous), known_rate(float(row["fps"])), rate)]
            normal = ~anomalous[starts[:, None] + np.arange(length)].any(1)
            people, starts = people[normal], starts[normal]
        clips.append(extractor.fit_windows(motion, people, starts, length))
    report_empty(empty, len(rows))
    if not sum(len(clip.keypoints) for clip in clips):
        least = f"{window:g} seconds" if window else "a frame"
        raise ValueError(f"none of {len(rows)} normal rows has a person in sight for {least}; one must")
    tensors = {
        name: torch.from_numpy(np.concatenate([getattr(clip, name) for clip in clips]).astype(np.float32))
        for name in ("keypoints", "scores")
    }
    return {**tensors, "input_ids": tokenise(tokenizer.dved, tensors)}


def hold_out(corpus: Dataset, rows: Sequence[int], share: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Split rows into a part to learn from and a held-out part on which scores are standardised.

    Args:
        share: held-out fraction of the subjects, at least one of them; of the rows if subjects are unknown or there is
            only one; 0 holds none out.

    Returns:
        row ids of both parts, ascending.
    """
    rows = np.asarray(rows)
    groups = np.asarray(corpus["subject"])[rows] if "subject" in corpus.column_names else rows
    if len(np.unique(groups)) < 2 or (groups < 0).any():
        groups = rows
    names = np.random.default_rng(seed).permutation(np.unique(groups))
    count = min(max(round(share * len(names)), 1), len(names) - 1) if share else 0
    held = np.isin(groups, names[:count])
    return np.sort(rows[~held]), np.sort(rows[held])


@noted_once()
def labelled_clips(
    corpus: Dataset,
    rows: Sequence[int],
    extractor: MoFMFeatureExtractor,
    labels: Sequence[int] | None = None,
    window: float = 0.8,
    stride: float = 0.2,
    rate: float = FPS,
) -> tuple[list[Motion], np.ndarray]:
    """Return clips of all people together, and their labels.

    Args:
        corpus, rows: as in `normal_clips`.
        labels: 1 (anomalous), 0 or -1 (unknown) for each of the rows; None takes the corpus's `frame_labels`.
        window, stride, rate: as in `normal_clips`.

    Returns:
        clips `[M, F, 17, 2]` and labels `[N]`, or `[N, F]` from `frame_labels`.

    Raises:
        ValueError: labels that are missing, out of range, or all the same.
    """
    if labels is not None and (len(labels) != len(rows) or not np.isin(labels, (-1, 0, 1)).all()):
        raise ValueError(f"labels must be one of -1, 0 and 1 for each of {len(rows)} rows, got {list(labels)[:8]}")
    clips, targets, empty = [], [], []
    for number, row in enumerate(corpus.select(rows).with_format("numpy")):
        try:
            motion = view_row(row, window, rate)
        except NobodyVisibleError:
            empty.append(int(rows[number]))
            continue
        num_frames = motion.scores.shape[1]
        of_frames = np.asarray(row.get("frame_labels", ()), np.int64)
        if labels is None and len(of_frames) != np.asarray(row["shape"])[1]:
            raise ValueError(
                f"row {rows[number]} has {len(of_frames)} frame_labels for {row['shape'][1]} frames; each frame needs "
                "one, or each row a label"
            )
        if not window and labels is None:
            of_frames = of_frames[choose_segment(len(of_frames), float(row["fps"]), MEASURING, None)]
        elif window and len(of_frames):
            of_frames = of_frames[source_frames(len(of_frames), known_rate(float(row["fps"])), rate)]
        length = frames_in(window, rate, MIN_FRAMES) if window else num_frames
        for start in range(0, num_frames - length + 1, frames_in(stride, rate)):
            frames = start + sample_frames(length, extractor.num_frames)
            seen = motion.scores[:, frames].any((1, 2))
            if seen.any():
                clips.append(extractor.fit(Motion(motion.keypoints[seen][:, frames], motion.scores[seen][:, frames])))
                targets.append(of_frames[frames] if labels is None else labels[number])
    report_empty(empty, len(rows))
    known = np.asarray(targets, np.int64)
    if not ((known == 0).any() and (known == 1).any()):
        raise ValueError(
            f"labels of {len(known)} clips hold {np.unique(known).tolist()}; both 0 (normal) and 1 (anomalous) "
            "are needed"
        )
    return clips, known

"""Clips to train and to measure on.

Sample i of a training is a pure function of (data, seed, i): which row, which segment of it, which camera and every
other augmentation. A run that resumes, or that is split over processes and workers, sees exactly the same samples.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Protocol

import numpy as np
import torch
from datasets import Dataset, IterableDataset
from datasets.distributed import split_dataset_by_node
from tqdm import tqdm

from motion_data.corpora.mixing import Mixture, recording_weights
from motion_data.keypoints import Motion, NobodyVisibleError
from motion_data.rows import row_recording
from motion_data.schema import VIEW_COLUMNS, first_row
from motion_data.views import FINETUNING, MEASURING, PRETRAINING, ViewOptions, two_views, view
from tokenization_mofm.feature_extraction_mofm import MoFMFeatureExtractor, collate_people

from .augmentation import Augmentation

MAX_DRAWS = 100  # rows without anybody in sight that may be drawn one after the other before the corpus is refused
MAX_MISSING = 0.5  # fraction of rows without anybody in sight, above which a corpus cannot be measured
SHUFFLE_BUFFER = 1000  # clips of a stream among which the next is chosen

Sample = dict[str, np.ndarray | torch.Tensor]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ClipMaker:
    """Makes clips in map pixels of motion, with augmentation where there is one.

    Args:
        extractor: samples frames and fits people into the map.
        augmentation: None varies only which frames are sampled.
    """

    extractor: MoFMFeatureExtractor
    augmentation: Augmentation | None = None

    def clip(self, motion: Motion, generator: np.random.Generator) -> Motion:
        """Sample the frames of a clip from `motion`, `[M, F', 17, 2]` in any unit."""
        if self.augmentation is not None:
            motion = Motion(*self.augmentation.vary_picture(motion.keypoints, motion.scores, generator))
        return self._into_map(self.extractor.sample(motion, generator), generator)

    def pair(self, motions: tuple[Motion, Motion], generator: np.random.Generator) -> tuple[Motion, Motion]:
        """Sample clips of two views of a motion: both mirrored or neither, both centred or neither, else varied."""
        maker = self
        if self.augmentation is not None:
            same = {"flip_prob": float(generator.random() < self.augmentation.flip_prob)}
            if self.augmentation.center_prob:
                same["center_prob"] = float(generator.random() < self.augmentation.center_prob)
            maker = replace(self, augmentation=replace(self.augmentation, **same))
        return maker.clip(motions[0], generator), maker.clip(motions[1], generator)

    def vary(self, motion: Motion, generator: np.random.Generator) -> Motion:
        """Vary a clip whose frames were sampled before."""
        if self.augmentation is None:
            return motion
        varied = self.augmentation.vary_picture(motion.keypoints, motion.scores, generator)
        return self._into_map(Motion(*varied), generator)

    def _into_map(self, motion: Motion, generator: np.random.Generator) -> Motion:
        if self.augmentation is None:
            return self.extractor.fit(motion)
        centred = None
        if self.augmentation.center_prob and generator.random() < self.augmentation.center_prob:
            centred = True
        fitted = self.extractor.fit(motion, centred)
        size = self.extractor.heatmap_size
        return Motion(self.augmentation.vary_map(fitted.keypoints, size, generator), fitted.scores)


class ClipSource(Protocol):
    """A source of samples: rows that are made into clips, or stored clips."""

    def draw(self, index: int, generator: np.random.Generator) -> Sample:
        """Return sample `index`; all random choices come from the generator."""
        ...


class RandomRows:
    """Pre-training clips: one random person each, from rows drawn with replacement.

    Args:
        corpora: the corpora that rows are drawn from.
        maker: makes the clips.
        options: how segment and camera are chosen.
        pairs: whether a sample is two views of a motion.
    """

    def __init__(self, corpora: Mixture, maker: ClipMaker, options: ViewOptions = PRETRAINING, pairs: bool = False):
        self.corpora, self.maker, self.options, self.pairs = corpora, maker, options, pairs

    def draw(self, index: int, generator: np.random.Generator) -> Sample:
        """Return `keypoints` [F, 17, 2] and `scores` [F, 17]; of pairs `other_keypoints` and `other_scores` as well;
        and `action_labels`, a number, if rows have labels.

        Raises:
            ValueError: nobody is in sight in any of `MAX_DRAWS` rows, or a row is not a motion.
        """
        for _ in range(MAX_DRAWS):
            try:
                row = self.corpora.draw(generator)
                sample = one_person(row, self.maker, self.options, generator, self.pairs)
                return sample if self.corpora.labels is None else sample | {"action_labels": np.array(row["label"])}
            except NobodyVisibleError as error:  # in this segment: draw another
                reason = error
        raise ValueError(f"none of {MAX_DRAWS} rows drawn from the corpus can be a clip; the last: {reason}")


class EveryRow:
    """Fine-tuning clips: all people of every row with its label, in another order each epoch.

    The epoch is part of the index: sample i is of epoch `i // len(corpus)`.

    Args:
        corpus: rows with the columns of `motion_features`.
        labels: `[rows]`, or `[rows, num_labels]`.
        maker: of the clips.
        seed: of the order.
        options: segment and camera.
    """

    def __init__(
        self,
        corpus: Dataset,
        labels: np.ndarray,
        maker: ClipMaker,
        seed: int,
        options: ViewOptions = FINETUNING,
    ):
        self.corpus = corpus.select_columns(VIEW_COLUMNS).with_format("arrow")
        self.labels, self.maker, self.seed, self.options = labels, maker, seed, options

    def draw(self, index: int, generator: np.random.Generator) -> Sample:
        """Return `keypoints` [M, F, 17, 2], `scores` [M, F, 17] and `labels`."""
        epoch, place = divmod(index, len(self.corpus))
        row = int(_order(self.seed, epoch, len(self.corpus))[place])
        recording = row_recording(first_row(self.corpus[row]))
        try:
            motion = view(recording, generator, self.options)
        except NobodyVisibleError:  # in this segment: the whole recording has someone
            motion = view(recording)
        motion = self.maker.clip(motion, generator)
        return {"keypoints": motion.keypoints, "scores": motion.scores, "labels": self.labels[row]}


class StoredClips:
    """Precomputed clips, drawn with replacement.

    Args:
        clips: `keypoints`, `scores` and any other array whose first axis is the clip, such as `labels`; lists where
            clips differ in people.
        maker: varies a clip `[M, F, 17, 2]`; None leaves clips as they are.
    """

    def __init__(self, clips: dict[str, Sequence], maker: ClipMaker | None = None):
        self.clips, self.maker = clips, maker

    def draw(self, index: int, generator: np.random.Generator) -> Sample:
        """Return the fields of a random clip, varied if there is a maker."""
        chosen = int(generator.integers(len(self.clips["keypoints"])))
        sample = {name: values[chosen] for name, values in self.clips.items()}
        if self.maker is not None:
            motion = self.maker.vary(Motion(sample["keypoints"], sample["scores"]), generator)
            sample |= {"keypoints": motion.keypoints, "scores": motion.scores}
        return sample


class MotionSamples(torch.utils.data.Dataset):
    """The samples of a whole training.

    Args:
        source: gives the clips.
        num_samples: length of the training in clips.
        seed: seed of all random choices.
        noise_shape: shape of the `mask_noise` of each sample, from which masks are made; None adds none.
    """

    def __init__(self, source: ClipSource, num_samples: int, seed: int, noise_shape: tuple[int, ...] | None = None):
        self.source, self.num_samples, self.seed, self.noise_shape = source, num_samples, seed, noise_shape

    def __len__(self) -> int:
        return self.num_samples

    def __getitem__(self, index: int) -> Sample:
        generator = np.random.default_rng([self.seed, index])
        return with_noise(self.source.draw(index, generator), self.noise_shape, generator)


@dataclass
class StreamProgress:
    """State of a stream: the largest weight of a row so far, and the number of rows since the last usable one."""

    heaviest: float = 0.0
    unusable: int = 0


class StreamedSamples(torch.utils.data.IterableDataset):
    """Endless, streaming version of `MotionSamples` over `RandomRows`: one random clip per row.

    A process reads its own part of the shards, and so does each of its workers; the order follows from the seed, the
    processes and the workers. Rows of recordings that were cut into many are left out as often as `Mixture` would.

    Args:
        corpus: rows with the columns of `motion_features`.
        maker: as in `RandomRows`.
        seed, noise_shape: as in `MotionSamples`.
        process_index, num_processes: which part of the stream is read.
        options, pairs: as in `RandomRows`.

    Raises:
        ValueError: the process has no row to read, or nobody is in sight in 100 rows one after the other.
    """

    def __init__(
        self,
        corpus: IterableDataset,
        maker: ClipMaker,
        seed: int,
        noise_shape: tuple[int, ...] | None = None,
        process_index: int = 0,
        num_processes: int = 1,
        options: ViewOptions = PRETRAINING,
        pairs: bool = False,
    ):
        self.pairs = pairs
        self.corpus = split_dataset_by_node(corpus, process_index, num_processes).with_format("arrow")
        self.maker, self.seed, self.noise_shape, self.options = maker, seed, noise_shape, options
        self.process_index, self.num_processes = process_index, num_processes

    def __iter__(self) -> Iterator[Sample]:
        worker = torch.utils.data.get_worker_info()
        seed = [self.seed, self.process_index, worker.id if worker else 0]
        progress = StreamProgress()
        for epoch in itertools.count():
            self.corpus.set_epoch(epoch)
            rows = map(first_row, self.corpus)
            first = next(rows, None)
            if first is None:
                if worker and worker.num_workers > 1:  # fewer shards than workers
                    return
                raise ValueError(
                    f"the streamed corpus has no row for process {self.process_index} of {self.num_processes}; "
                    "it must have at least one for each"
                )
            samples = self._samples(itertools.chain([first], rows), [*seed, epoch], progress)
            yield from shuffle_with_buffer(samples, SHUFFLE_BUFFER, np.random.default_rng([*seed, epoch]))

    def _samples(self, rows: Iterator[dict], seed: list[int], progress: StreamProgress) -> Iterator[Sample]:
        for index, row in enumerate(rows):
            generator = np.random.default_rng([*seed, index])
            weight = float(recording_weights(row["num_segments"]))
            progress.heaviest = max(progress.heaviest, weight)
            if generator.random() >= weight / progress.heaviest:
                continue
            try:
                sample = one_person(row, self.maker, self.options, generator, self.pairs)
                sample = with_noise(sample, self.noise_shape, generator)
            except NobodyVisibleError as error:
                progress.unusable += 1
                if progress.unusable == MAX_DRAWS:
                    raise ValueError(
                        f"{MAX_DRAWS} rows of the corpus in a row cannot be clips; the last: {error}"
                    ) from error
                continue
            progress.unusable = 0
            yield sample


def shuffle_with_buffer(samples: Iterator, size: int, generator: np.random.Generator) -> Iterator:
    """Yield all samples in a random order, drawn from a buffer of `size` samples."""
    waiting = []
    for sample in samples:
        if len(waiting) < size:
            waiting.append(sample)
            continue
        chosen = int(generator.integers(size))
        yield waiting[chosen]
        waiting[chosen] = sample
    for chosen in generator.permutation(len(waiting)):
        yield waiting[chosen]


def one_person(
    row: dict, maker: ClipMaker, options: ViewOptions, generator: np.random.Generator, pair: bool = False
) -> Sample:
    """Return `keypoints` [F, 17, 2] and `scores` [F, 17] of a random clip of one person of a row.

    Of a pair also `other_keypoints` and `other_scores`, the same motion from another camera.
    """
    if not pair:
        return _arrays(maker.clip(view(row_recording(row), generator, options), generator))
    first, second = maker.pair(two_views(row_recording(row), generator, options), generator)
    return _arrays(first) | {f"other_{name}": values for name, values in _arrays(second).items()}


def _arrays(motion: Motion) -> Sample:
    return {"keypoints": motion.keypoints[0].astype(np.float32), "scores": motion.scores[0].astype(np.float32)}


def with_noise(sample: Sample, noise_shape: tuple[int, ...] | None, generator: np.random.Generator) -> Sample:
    """Add the random numbers from which the mask of a sample is made."""
    if noise_shape is not None:
        sample["mask_noise"] = generator.random(noise_shape, np.float32)
    return sample


def collate_samples(samples: Sequence[Sample]) -> dict[str, torch.Tensor]:
    """Return `keypoints` [B, M, F, 17, 2] and `scores` [B, M, F, 17] of clips with any number of people, and the rest.

    People that a clip lacks have score 0.
    """
    clips = [Motion(np.asarray(sample["keypoints"]), np.asarray(sample["scores"])) for sample in samples]
    rest = [name for name in samples[0] if name not in ("keypoints", "scores")]
    return {
        **collate_people(clips),
        **{name: torch.as_tensor(np.stack([sample[name] for sample in samples])) for name in rest},
    }


def held_out_clips(
    corpus: Dataset, extractor: MoFMFeatureExtractor, num_clips: int | None = None, seed: int = 0
) -> dict[str, torch.Tensor]:
    """Return evaluation clips of a corpus, one per person and row, of all rows or a seeded choice of them.

    Args:
        corpus: rows with the columns of `motion_features`.
        extractor: fits clips into the map.
        num_clips: at most this many rows; None takes all.
        seed: of the choice.

    Returns:
        `keypoints` [N, F, 17, 2] in map pixels and `scores` [N, F, 17] of the people who are present.

    Raises:
        ValueError: nobody is in sight in the clips of more than half of the rows, or a row that is no motion.
    """
    order = np.random.default_rng(seed).permutation(len(corpus))[:num_clips]
    corpus = corpus.select_columns(VIEW_COLUMNS).with_format("numpy")
    clips, empty = [], []
    for index in tqdm(sorted(order), desc="reading clips", leave=False):
        try:
            clips.append(extractor.clip(view(row_recording(corpus[int(index)]), options=MEASURING)))
        except NobodyVisibleError:
            empty.append(int(index))
    report_empty(empty, len(order))
    return {
        name: torch.from_numpy(np.concatenate([getattr(clip, name) for clip in clips]).astype(np.float32))
        for name in ("keypoints", "scores")
    }


def report_empty(empty: Sequence[int], num_rows: int) -> None:
    """Say how many rows have nobody in sight; a few are left out, many are refused.

    Raises:
        ValueError: more than `MAX_MISSING` of the rows, or all of them.
    """
    if not empty:
        return
    message = f"{len(empty)} of {num_rows} rows have nobody in sight in their clip, such as row {empty[0]}"
    if len(empty) == num_rows or len(empty) > MAX_MISSING * num_rows:
        raise ValueError(f"{message}; at most {MAX_MISSING:.0%} may be left out")
    logger.warning("%s; they are left out", message)


@lru_cache(maxsize=2)
def _order(seed: int, epoch: int, num_rows: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(num_rows)

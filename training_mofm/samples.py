"""Clips to train and to measure on, drawn from a corpus.

Sample i of a training is a pure function of (corpus, seed, i): which row, which stretch of it, which camera and every
other augmentation. A run that resumes, or that is split over processes and workers, sees exactly the same samples.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from datasets import Dataset, IterableDataset
from datasets.distributed import split_dataset_by_node
from tqdm import tqdm

from motion_data.cameras import Camera, random_camera
from motion_data.corpora.mixing import COLUMNS, Mixture, take_weights
from motion_data.keypoints import Motion, as_motion
from motion_data.readers.packed import packed_camera
from motion_data.schema import decode_row, first_row
from tokenization_mofm.feature_extraction_mofm import MoFMFeatureExtractor

from .augmentation import Augmentation

MAX_SECONDS = 4.8  # a clip sampled from a longer stretch than this would skip over whole movements
FPS = 30.0  # where the frame rate is unknown
MAX_DRAWS = 100  # rows that may be unusable in a row before the corpus is
SHUFFLE_BUFFER = 1000  # clips of a stream among which the next is chosen
ROOM = 1.5  # metres between a random camera and the nearest joint


def crop(num_frames: int, fps: float, shortest: int, generator: np.random.Generator | None) -> slice:
    """Choose at most `MAX_SECONDS` of a recording: the middle, or with a generator a random stretch.

    Args:
        num_frames, fps: of the recording; 0 frames per second are unknown.
        shortest: frames that a random stretch has at least, if the recording does.
        generator: of random numbers.
    """
    longest = max(round(MAX_SECONDS * (fps or FPS)), 1)
    if num_frames <= longest:
        return slice(0, num_frames)
    if generator is None:
        start = (num_frames - longest) // 2
        return slice(start, start + longest)
    length = int(generator.integers(min(shortest, longest), longest + 1))
    start = int(generator.integers(0, num_frames - length + 1))
    return slice(start, start + length)


def held_out_clip(row: dict, extractor: MoFMFeatureExtractor) -> Motion:
    """Return the one clip by which a row is measured: its middle, uniformly sampled, in the fixed view if it is 3D."""
    keypoints, scores = decode_row(row)
    stretch = crop(keypoints.shape[1], float(row["fps"]), extractor.num_frames, None)
    keypoints, scores = keypoints[:, stretch], scores[:, stretch]
    camera = packed_camera(row["source"].split("/")[0]) if keypoints.shape[-1] == 3 else None
    return extractor.clip(as_motion(keypoints, scores, row["layout"], camera))


def held_out_clips(
    corpus: Dataset, extractor: MoFMFeatureExtractor, num_clips: int | None = None, seed: int = 0
) -> dict[str, torch.Tensor]:
    """Return the clips by which a corpus is measured, one per person and row, or a seeded choice of rows.

    Args:
        corpus: rows with the columns of `motion_features`.
        extractor: fits clips into the map.
        num_clips: at most this many rows; None takes all.
        seed: of the choice.

    Returns:
        `keypoints` [N, F, 17, 2] in map pixels and `scores` [N, F, 17]; people never seen are left out.

    Raises:
        ValueError: no row has a joint in its clip.
    """
    order = np.random.default_rng(seed).permutation(len(corpus))[:num_clips]
    corpus = corpus.select_columns(COLUMNS).with_format("numpy")
    keypoints, scores = [], []
    for index in tqdm(sorted(order), desc="reading clips", leave=False):
        try:
            motion = held_out_clip(corpus[int(index)], extractor)
        except ValueError:  # no joint in sight in this stretch
            continue
        seen = motion.scores.any((1, 2))
        keypoints.append(motion.keypoints[seen])
        scores.append(motion.scores[seen])
    if not keypoints:
        raise ValueError(f"none of the {len(order)} rows has a joint in its clip; at least one must")
    return {
        "keypoints": torch.from_numpy(np.concatenate(keypoints).astype(np.float32)),
        "scores": torch.from_numpy(np.concatenate(scores).astype(np.float32)),
    }


def training_clip(
    row: dict, extractor: MoFMFeatureExtractor, augmentation: Augmentation | None, generator: np.random.Generator
) -> Motion:
    """Return a random clip of one person of a row: stretch, frames, camera and augmentation from the generator."""
    keypoints, scores = decode_row(row)
    stretch = crop(keypoints.shape[1], float(row["fps"]), extractor.num_frames, generator)
    keypoints, scores = keypoints[:, stretch], scores[:, stretch]
    present = np.flatnonzero(scores.any((1, 2)))
    person = int(generator.choice(present)) if len(present) else 0
    keypoints, scores = keypoints[person : person + 1], scores[person : person + 1]
    camera = None
    if keypoints.shape[-1] == 3:
        camera = random_camera(generator)
        seen = keypoints[scores > 0]
        reach = float(np.linalg.norm(seen - seen.mean(0), axis=-1).max()) if len(seen) else 0.0
        camera = Camera(camera.yaw, camera.pitch, max(camera.distance, reach + ROOM))
    motion = as_motion(keypoints, scores, row["layout"], camera)
    if augmentation is None:
        return extractor.clip(motion, generator)
    motion = Motion(*augmentation.vary_picture(motion.keypoints, motion.scores, generator))
    motion = extractor.clip(motion, generator)
    return Motion(augmentation.vary_map(motion.keypoints, extractor.heatmap_size, generator), motion.scores)


class TrainingClips(torch.utils.data.Dataset):
    """`num_samples` random clips of corpora, with the random numbers from which masks follow.

    Args:
        corpora: what rows are drawn from.
        extractor: fits clips into the map.
        num_samples: length of the training in clips; the corpus is drawn from with replacement.
        seed: of everything random.
        augmentation: None shows every row in its own view with random frames only.
        noise_shape: shape of the `mask_noise` of each sample, if any.
    """

    def __init__(
        self,
        corpora: Mixture,
        extractor: MoFMFeatureExtractor,
        num_samples: int,
        seed: int,
        augmentation: Augmentation | None = None,
        noise_shape: tuple[int, ...] | None = None,
    ):
        self.corpora = corpora
        self.extractor = extractor
        self.num_samples = num_samples
        self.seed = seed
        self.augmentation = augmentation
        self.noise_shape = noise_shape

    def __len__(self) -> int:
        return self.num_samples

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        generator = np.random.default_rng([self.seed, index])
        for _ in range(MAX_DRAWS):
            row = self.corpora.draw(generator)
            try:
                return make_sample(row, self.extractor, self.augmentation, self.noise_shape, generator)
            except ValueError as error:  # all joints of this stretch are missing: draw another
                reason = error
        raise ValueError(f"none of {MAX_DRAWS} rows drawn from the corpus can be a clip; the last: {reason}")


class FixedClips(torch.utils.data.Dataset):
    """Clips that never change, and the tokens that go with them, with fresh `mask_noise` for each of `num_samples`.

    Args:
        clips: tensors whose first axis is the clip: `keypoints`, `scores` and, tokenised once, `labels`.
        num_samples, seed, noise_shape: as in `TrainingClips`.
    """

    def __init__(
        self, clips: dict[str, torch.Tensor], num_samples: int, seed: int, noise_shape: tuple[int, ...] | None = None
    ):
        self.clips = clips
        self.num_samples = num_samples
        self.seed = seed
        self.noise_shape = noise_shape

    def __len__(self) -> int:
        return self.num_samples

    def __getitem__(self, index: int) -> dict[str, np.ndarray | torch.Tensor]:
        generator = np.random.default_rng([self.seed, index])
        row = int(generator.integers(len(self.clips["keypoints"])))
        sample = {name: values[row] for name, values in self.clips.items()}
        if self.noise_shape is not None:
            sample["mask_noise"] = torch.from_numpy(generator.random(self.noise_shape, np.float32))
        return sample


@dataclass
class StreamProgress:
    """What the reader of a stream remembers: the largest weight of a row, and rows since the last that was a clip."""

    heaviest: float = 0.0
    unusable: int = 0


class StreamedClips(torch.utils.data.IterableDataset):
    """The same from a streamed corpus, without an end: one random clip per row, in the order of the stream.

    A process reads its own part of the shards, and so does each of its workers; the order follows from the seed, the
    processes and the workers. Rows of takes that were cut into many are left out as often as `Mixture` would.

    Args:
        corpus: rows with the columns of `motion_features`.
        extractor, seed, augmentation, noise_shape: as in `TrainingClips`.
        process_index, num_processes: which part of the stream is read.

    Raises:
        ValueError: the process has no row to read, or 100 rows in a row cannot be clips.
    """

    def __init__(
        self,
        corpus: IterableDataset,
        extractor: MoFMFeatureExtractor,
        seed: int,
        augmentation: Augmentation | None = None,
        noise_shape: tuple[int, ...] | None = None,
        process_index: int = 0,
        num_processes: int = 1,
    ):
        self.corpus = split_dataset_by_node(corpus, process_index, num_processes).with_format("arrow")
        self.extractor = extractor
        self.seed = seed
        self.augmentation = augmentation
        self.noise_shape = noise_shape
        self.process_index = process_index
        self.num_processes = num_processes

    def __iter__(self) -> Iterator[dict[str, np.ndarray]]:
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

    def _samples(
        self, rows: Iterator[dict], seed: list[int], progress: StreamProgress
    ) -> Iterator[dict[str, np.ndarray]]:
        for index, row in enumerate(rows):
            generator = np.random.default_rng([*seed, index])
            weight = float(take_weights(row["num_stretches"]))
            progress.heaviest = max(progress.heaviest, weight)
            if generator.random() >= weight / progress.heaviest:
                continue
            try:
                sample = make_sample(row, self.extractor, self.augmentation, self.noise_shape, generator)
            except ValueError as error:
                progress.unusable += 1
                if progress.unusable == MAX_DRAWS:
                    raise ValueError(
                        f"{MAX_DRAWS} rows of the corpus in a row cannot be clips; the last: {error}"
                    ) from error
                continue
            progress.unusable = 0
            yield sample


def shuffle_with_buffer(samples: Iterator, size: int, generator: np.random.Generator) -> Iterator:
    """Yield all samples; each waits among `size` others until it is chosen at random."""
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


def make_sample(
    row: dict,
    extractor: MoFMFeatureExtractor,
    augmentation: Augmentation | None,
    noise_shape: tuple[int, ...] | None,
    generator: np.random.Generator,
) -> dict[str, np.ndarray]:
    """Return `keypoints` [F, 17, 2], `scores` [F, 17] and, with a `noise_shape`, `mask_noise` of one training clip."""
    motion = training_clip(row, extractor, augmentation, generator)
    sample = {"keypoints": motion.keypoints[0].astype(np.float32), "scores": motion.scores[0].astype(np.float32)}
    if noise_shape is not None:
        sample["mask_noise"] = generator.random(noise_shape, np.float32)
    return sample

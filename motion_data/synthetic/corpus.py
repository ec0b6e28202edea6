"""The embedded corpus: people who walk, sit down or fall, as a 2D pose estimator would see them, or in 3D.

Each action is a set of joint angles over time (`actions.py`), drawn anew for every clip and person, put through the
kinematics of `body.py`, a random camera and the noise of `estimator_noise.py`. Nothing is downloaded; clip `i` depends
only on the seed, the configuration and `i`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from datasets import Dataset, DatasetInfo, Features, IterableDataset
from datasets.table import InMemoryTable

from ..schema import corpus_table, encode_row, motion_features
from .actions import (
    ACTIONS,
    ACTORS,
    HANDEDNESS,
    LEFT_HANDED,
    TEMPO,
    VIGOUR,
    WOBBLE,
    Takes,
    smooth_noise,
)
from .body import (
    LIMB_LIMITS,
    ROOT_CHANNELS,
    TRUNK_LIMITS,
    body_lengths,
    clamp_angles,
    follow_ground,
    forward_kinematics,
    mirror_angles,
    subject_traits,
)
from .estimator_noise import EstimatorNoise, apply_noise, check_range, hidden_by_body

LAYOUT = "coco17"
CHUNK_CLIPS = 128  # clips made together, from one generator; changing it changes the corpus
MAX_SHARDS = 64
MIN_FRAMES = 8
MIN_SECONDS = 1.0  # shorter than this, no action can be told
IMAGE_SIZE = (1280, 720)


@dataclass(frozen=True)
class SyntheticConfig:
    """What the corpus is made of.

    Args:
        num_frames: fewest and most frames of a clip.
        fps: frames per second; the shortest clip must last at least `MIN_SECONDS`.
        subjects: first person id and the one after the last. Corpora that share no id share no person.
        noise: strengths of the estimator noise; of pictures only.
        actions: the actions to make, a choice of `ACTORS`; the label of a clip is the index into it.
        space: "image", as an estimator sees it in a camera's pixels, or "world", the joints in metres (y up).
    """

    num_frames: tuple[int, int] = (40, 96)
    fps: float = 30.0
    subjects: tuple[int, int] = (0, 64)
    noise: EstimatorNoise = field(default_factory=EstimatorNoise)
    actions: tuple[str, ...] = ACTIONS
    space: str = "image"

    def __post_init__(self) -> None:
        check_range("num_frames", self.num_frames, MIN_FRAMES)
        if not (math.isfinite(self.fps) and 0 < self.fps <= self.num_frames[0] / MIN_SECONDS):
            raise ValueError(
                f"fps is {self.fps}; it must be positive, and at most {self.num_frames[0] / MIN_SECONDS} so that "
                f"{self.num_frames[0]} frames last {MIN_SECONDS} s"
            )
        check_range("subjects", self.subjects, 0)
        if self.subjects[0] == self.subjects[1]:
            raise ValueError(f"subjects is {self.subjects}, which is nobody; the second must be above the first")
        if not isinstance(self.noise, EstimatorNoise):
            raise ValueError(f"noise is {self.noise!r}; it must be an EstimatorNoise")
        if self.space not in ("image", "world"):
            raise ValueError(f"space is {self.space!r}; it must be 'image' or 'world'")
        unknown = [name for name in self.actions if name not in ACTORS]
        if isinstance(self.actions, str) or not self.actions or unknown or len(set(self.actions)) < len(self.actions):
            raise ValueError(f"actions is {self.actions!r}; it must be different names out of {', '.join(ACTORS)}")

    @property
    def num_subjects(self) -> int:
        """Number of people."""
        return self.subjects[1] - self.subjects[0]


@dataclass(frozen=True)
class _Chunk:
    """`CHUNK_CLIPS` clips: `joints` [N, F, 17, 3] of F = the most frames, of which the first `lengths` [N] count."""

    joints: np.ndarray
    labels: np.ndarray
    subjects: np.ndarray
    lengths: np.ndarray


def generate_joints_3d(
    num_clips: int, seed: int, config: SyntheticConfig | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Make motions before any camera, all of the most frames that `config` allows.

    Args:
        num_clips: number of clips `N`.
        seed: 0 or more.
        config: what to make.

    Returns:
        `joints` [N, F, 17, 3] float32 in metres, y up from the ground; `labels` [N] and `subjects` [N].
    """
    config = config or SyntheticConfig()
    chunks = [_act(seed, chunk, config, full_length=True) for chunk in _chunks(num_clips, seed)]
    columns = zip(*((c.joints, c.labels, c.subjects) for c in chunks), strict=True)
    joints, labels, subjects = (np.concatenate(column)[:num_clips] for column in columns)
    return joints, labels, subjects


def generate_motion(num_clips: int, seed: int, config: SyntheticConfig | None = None) -> list[dict]:
    """Make corpus rows (`schema.encode_row`), one person each, of layout "coco17".

    Args:
        num_clips: number of rows.
        seed: 0 or more; the same seed gives the same rows to the bit.
        config: what to make.

    Raises:
        ValueError: if `num_clips` or `seed` is out of range.
    """
    config = config or SyntheticConfig()
    return list(_rows(_chunks(num_clips, seed), num_clips, seed, config))


def synthetic_dataset(
    num_clips: int, seed: int = 0, config: SyntheticConfig | None = None, streaming: bool = False
) -> Dataset | IterableDataset:
    """Make the corpus of `generate_motion` as a dataset with the columns of `motion_features`.

    Args:
        num_clips: number of rows.
        seed: 0 or more. Another seed gives other clips; another range of `config.subjects` other people.
        config: what to make.
        streaming: whether to make the rows while they are read, in up to `MAX_SHARDS` shards that workers and nodes
            share, instead of holding them in memory (about 10 kB each). The rows and their order are the same.

    Raises:
        ValueError: if `num_clips` or `seed` is out of range.
    """
    config = config or SyntheticConfig()
    features = motion_features(list(config.actions))
    chunks = _chunks(num_clips, seed)
    if streaming:
        # `datasets` splits the lists among these arguments into shards.
        shards = [part.tolist() for part in np.array_split(chunks, min(len(chunks), MAX_SHARDS))]
        arguments = {"shards": shards, "num_clips": num_clips, "seed": seed, "config": config}
        return IterableDataset.from_generator(_stream, features=features, gen_kwargs=arguments)
    tables = [_table(chunk, num_clips, seed, config, features) for chunk in chunks]
    # One block per column, which random reads need to be quick.
    table = pa.concat_tables(tables).combine_chunks()
    return Dataset(InMemoryTable(table), info=DatasetInfo(features=features))


def _chunks(num_clips: int, seed: int) -> list[int]:
    if num_clips < 1:
        raise ValueError(f"num_clips is {num_clips}; it must be at least 1")
    if seed < 0:
        raise ValueError(f"seed is {seed}; it must not be negative")
    return list(range(math.ceil(num_clips / CHUNK_CLIPS)))


def _stream(shards: list[list[int]], num_clips: int, seed: int, config: SyntheticConfig) -> Iterator[dict]:
    for chunks in shards:
        for row in _rows(chunks, num_clips, seed, config):
            # `datasets` would make a list of NumPy scalars of an array, which a `DataLoader` is slow to collate.
            yield row | {name: row[name].tolist() for name in ("keypoints", "scores")}


def _rows(chunks: list[int], num_clips: int, seed: int, config: SyntheticConfig) -> Iterator[dict]:
    for chunk in chunks:
        clips, keypoints, scores = _film(seed, chunk, config)
        first = chunk * CHUNK_CLIPS
        for i in range(min(CHUNK_CLIPS, num_clips - first)):
            yield encode_row(
                keypoints[None, i, : clips.lengths[i]],
                scores[None, i, : clips.lengths[i]],
                LAYOUT,
                space=config.space,
                fps=config.fps,
                frame_size=list(_frame_size(config)),
                label=int(clips.labels[i]),
                subject=int(clips.subjects[i]),
                recording=(source := _source(config.actions[clips.labels[i]], seed, first + i)),
                source=source,
            )


def _table(chunk: int, num_clips: int, seed: int, config: SyntheticConfig, features: Features) -> pa.Table:
    """Return the rows of one chunk as Arrow columns, without a Python object per number."""
    clips, keypoints, scores = _film(seed, chunk, config)
    first = chunk * CHUNK_CLIPS
    num_rows = min(CHUNK_CLIPS, num_clips - first)
    lengths, labels = clips.lengths[:num_rows], clips.labels[:num_rows]
    used = np.arange(keypoints.shape[1]) < lengths[:, None]
    shape = [np.ones_like(lengths), lengths, np.full_like(lengths, 17), np.full_like(lengths, keypoints.shape[-1])]
    shape = np.stack(shape, axis=1)

    def flat_lists(values: np.ndarray) -> pa.ListArray:
        per_frame = math.prod(values.shape[2:])
        offsets = np.concatenate([[0], np.cumsum(lengths * per_frame)]).astype(np.int32)
        return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values[:num_rows][used].reshape(-1)))

    sources = pa.array([_source(config.actions[k], seed, first + i) for i, k in enumerate(labels)], pa.string())
    columns = {
        "keypoints": flat_lists(keypoints),
        "scores": flat_lists(scores),
        "shape": pa.FixedSizeListArray.from_arrays(pa.array(shape.reshape(-1).astype(np.int32)), 4),
        "layout": pa.array([LAYOUT] * num_rows, pa.string()),
        "space": pa.array([config.space] * num_rows, pa.string()),
        "unit": pa.array(["pixels" if config.space == "image" else "metres"] * num_rows, pa.string()),
        "fps": pa.array(np.full(num_rows, config.fps, np.float32)),
        "frame_size": pa.FixedSizeListArray.from_arrays(
            pa.array(np.tile(_frame_size(config), num_rows).astype(np.int32)), 2
        ),
        "label": pa.array(labels.astype(np.int64)),
        "subject": pa.array(clips.subjects[:num_rows].astype(np.int32)),
        "recording": sources,
        "source": sources,
    }
    return corpus_table(columns, features)


def _source(action: str, seed: int, clip: int) -> str:
    return f"synthetic/{action}/{seed}-{clip}"


def _frame_size(config: SyntheticConfig) -> tuple[int, int]:
    return IMAGE_SIZE if config.space == "image" else (0, 0)


def _film(seed: int, chunk: int, config: SyntheticConfig) -> tuple[_Chunk, np.ndarray, np.ndarray]:
    """Return a chunk, its key-points [N, F, 17, 2] in noisy pixels, or in metres, and its scores [N, F, 17]."""
    clips = _act(seed, chunk, config)
    if config.space == "world":
        return clips, clips.joints, np.ones(clips.joints.shape[:-1], np.float32)
    generator = np.random.default_rng([seed, chunk, 1])
    pixels, depth = _project(clips, generator)
    return clips, *apply_noise(pixels, hidden_by_body(clips.joints, depth), config.noise, generator)


def _act(seed: int, chunk: int, config: SyntheticConfig, full_length: bool = False) -> _Chunk:
    """Choose the actions and people of a chunk and move them."""
    generator = np.random.default_rng([seed, chunk, 0])
    N, F = CHUNK_CLIPS, config.num_frames[1]
    # Every run of as many clips as there are actions has each of them once.
    decks = np.tile(np.arange(len(config.actions)), (math.ceil(N / len(config.actions)), 1))
    labels = generator.permuted(decks, axis=1).reshape(-1)[:N]
    subjects = generator.integers(*config.subjects, N)
    lengths = generator.integers(config.num_frames[0], F + 1, N)
    lengths = np.full_like(lengths, F) if full_length else lengths
    traits = np.stack([subject_traits(int(subject)) for subject in subjects])

    time = np.arange(F) / config.fps + 0.04 * smooth_noise((N,), F, config.fps, generator)
    moods = generator.standard_normal((2, N, 1), np.float32)
    tempo = np.exp(0.09 * traits[:, TEMPO, None] + 0.07 * moods[0])
    vigour = np.exp(0.09 * traits[:, VIGOUR, None] + 0.07 * moods[1])
    takes = (time.astype(np.float32), (lengths[:, None] / config.fps).astype(np.float32), tempo, vigour, traits)

    pose = {name: np.zeros((N, F), np.float32) for name in (*TRUNK_LIMITS, *ROOT_CHANNELS)}
    pose |= {name: np.zeros((2, N, F), np.float32) for name in LIMB_LIMITS}
    for label, action in enumerate(config.actions):
        clips = np.flatnonzero(labels == label)
        if len(clips):
            chosen = [part[clips] for part in takes]
            for name, values in ACTORS[action](Takes(*chosen, generator=generator)).items():
                pose[name][..., clips, :] = values

    strength = generator.uniform(0.5, 1.5, (N, 1)).astype(np.float32)
    angles = {}
    for name, spread in WOBBLE.items():
        shape = pose[name].shape[:-1]
        wobble = smooth_noise(shape, F, config.fps, generator) + generator.standard_normal((*shape, 1), np.float32)
        angles[name] = pose[name] + spread * strength * wobble / np.float32(math.sqrt(2))
    mirrored = (traits[:, HANDEDNESS] < LEFT_HANDED) ^ (generator.random(N) < 0.3)
    angles = clamp_angles(mirror_angles(angles, mirrored))

    lengths_of_body = body_lengths(traits)
    joints, contacts = forward_kinematics(angles, lengths_of_body)
    root = {name: pose[name] for name in ROOT_CHANNELS}
    joints += follow_ground(contacts, lengths_of_body["stature"], angles["yaw"], root, config.fps)
    return _Chunk(np.ascontiguousarray(joints.transpose(2, 3, 0, 1)), labels, subjects, lengths)


def _project(clips: _Chunk, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Look at each clip through its own pinhole camera.

    Returns:
        pixels [N, F, 17, 2], x right and y down, and depth [N, F, 17] in metres.
    """
    N, F = clips.joints.shape[:2]
    used = (np.arange(F) < clips.lengths[:, None])[:, :, None]
    xyz = np.ascontiguousarray(np.moveaxis(clips.joints, -1, 0))  # 3 N F 17
    low = np.where(used, xyz, np.inf).min((2, 3), keepdims=True)
    high = np.where(used, xyz, -np.inf).max((2, 3), keepdims=True)
    x, y, z = xyz - (low + high) / 2

    def draw(low: float, high: float) -> np.ndarray:
        return generator.uniform(low, high, (N, 1, 1)).astype(np.float32)

    yaw, pitch, roll = draw(0, 2 * np.pi), np.deg2rad(draw(-10, 30)), np.deg2rad(draw(-3, 3))
    distance, focal = draw(2.5, 8), draw(0.9, 1.3) * IMAGE_SIZE[1]
    x, z = np.cos(yaw) * x + np.sin(yaw) * z, np.cos(yaw) * z - np.sin(yaw) * x
    y, z = np.cos(pitch) * y - np.sin(pitch) * z, np.cos(pitch) * z + np.sin(pitch) * y
    x, y = np.cos(roll) * x + np.sin(roll) * y, np.cos(roll) * y - np.sin(roll) * x

    # A camera that would have the person run past it, or out of its picture, stands farther away.
    nearest = (z * used).max((1, 2), keepdims=True)
    aside, above = (np.abs(side * used).max((1, 2), keepdims=True) for side in (x, y))
    fitting = focal * np.maximum(aside / (0.45 * IMAGE_SIZE[0]), above / (0.45 * IMAGE_SIZE[1]))
    distance = np.maximum(distance, nearest + np.maximum(fitting, 1.2))
    # Frames beyond the end of a clip, which nobody sees, may lie behind the camera.
    depth = np.maximum(distance - z, 0.1)
    centre = np.array(IMAGE_SIZE, np.float32) / 2 + np.concatenate([draw(-50, 50), draw(-30, 30)], -1)[:, :, None]
    pixels = centre + np.stack([x, -y], axis=-1) * (focal / depth)[..., None]
    return pixels.astype(np.float32), depth.astype(np.float32)

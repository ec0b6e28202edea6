"""Words of a teacher: clusters of a pre-trained MoFM's features, for another model to predict.

The MotionBook's words describe what a cube holds. A teacher has seen the whole clip, so its words describe a cube in
context (as HuBERT's units, Hsu et al. 2021, section II, and BEiT v2's codes, Peng et al. 2022, section 2.2). The
teacher may be of another size, or an earlier training of the same model.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from sklearn.cluster import MiniBatchKMeans
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm
from transformers import TrainingArguments

from modeling_mofm.configuration_mofm import MoFMConfig
from modeling_mofm.modeling_mofm import MoFMModel
from tokenization_mofm.configuration_cubes import SHARED_FIELDS, first_difference

from .arguments import last_checkpoint
from .samples import Sample
from .weight_files import write_weights

FILE = "teacher_words.safetensors"
NUM_CLIPS = 1024  # clips of the training whose tokens are clustered
BATCH_SIZE = 32
NO_WORD = -100  # of cubes without heat


class TeacherWords(nn.Module):
    """The words of cubes: the number of the cluster that is nearest to the teacher's feature of each.

    Args:
        teacher: a pre-trained encoder of width D.
        mean, std: `[D]` of its layer-normalised tokens.
        centers: `[W, D]`, cluster centres of the standardised tokens.
    """

    def __init__(self, teacher: MoFMModel, mean: Tensor, std: Tensor, centers: Tensor):
        super().__init__()
        self.teacher = teacher.eval().requires_grad_(False)
        for name, values in (("mean", mean), ("std", std), ("centers", centers)):
            self.register_buffer(name, values.to(teacher.device, torch.float32))

    @classmethod
    def fit(
        cls, teacher: MoFMModel, batches: Iterable[tuple[Tensor, Tensor]], num_words: int, seed: int
    ) -> TeacherWords:
        """Cluster a teacher's features of clips' cubes by k-means.

        Args:
            teacher: a pre-trained encoder.
            batches: key-points `[N, F, K, 2]` and scores `[N, F, K]`.
            num_words: clusters W.
            seed: seed of k-means.

        Raises:
            ValueError: fewer cubes with heat than clusters.
        """
        parts = []
        for keypoints, scores in batches:
            tokens, kept, _ = _features(teacher, keypoints, scores)
            parts.append(tokens[kept].cpu())
        tokens = torch.cat(parts)
        if len(tokens) < num_words:
            raise ValueError(
                f"num_teacher_words is {num_words}, but the clips of the training have {len(tokens)} cubes with heat; "
                "it must be at most as many"
            )
        mean, std = tokens.mean(0), tokens.std(0).clamp(min=1e-6)
        clusters = MiniBatchKMeans(num_words, batch_size=4096, max_iter=60, n_init=1, random_state=seed)
        clusters.fit(((tokens - mean) / std).numpy())
        return cls(teacher, mean, std, torch.from_numpy(clusters.cluster_centers_))

    @torch.no_grad()
    def forward(self, keypoints: Tensor, scores: Tensor) -> Tensor:
        """Return the words of clips' cubes, int64 `[N, L]`, -100 for cubes without heat."""
        tokens, kept, cube_ids = _features(self.teacher, keypoints, scores)
        tokens = (tokens - self.mean) / self.std
        nearness = 2 * tokens @ self.centers.T - self.centers.square().sum(-1)  # up to a term all have
        words = torch.where(kept, nearness.argmax(-1), NO_WORD)
        grid = words.new_full((len(words), self.teacher.config.num_cubes), NO_WORD)
        # padding stands at cubes that were left out: it has no word either
        return grid.scatter(1, cube_ids, words)

    def save(self, folder: str | os.PathLike) -> None:
        """Save the clusters; the teacher is not saved."""
        tensors = {name: getattr(self, name).cpu().contiguous() for name in ("mean", "std", "centers")}
        write_weights(tensors, Path(folder) / FILE)

    @classmethod
    def load(cls, teacher: MoFMModel, folder: str | os.PathLike) -> TeacherWords:
        """Load the clusters that `save` wrote."""
        return cls(teacher, **load_file(Path(folder) / FILE))


@torch.no_grad()
def _features(teacher: MoFMModel, keypoints: Tensor, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return layer-normalised tokens `[N, P, D]`, bool `[N, P]` for cubes with heat, and cube ids `[N, P]`."""
    clips = teacher.read_clips(keypoints.to(teacher.device), scores.to(teacher.device))
    found = teacher(clips=clips)
    kept = (found.attention_mask > 0) & clips.active.gather(1, found.cube_ids)
    tokens = found.last_hidden_state.float()
    return F.layer_norm(tokens, tokens.shape[-1:]), kept, found.cube_ids


def load_teacher(name: str, config: MoFMConfig) -> MoFMModel:
    """Load a teacher, which must have the same cubes as the model to be trained, but may have another size.

    Raises:
        ValueError: other cubes, naming the field and both values.
        OSError: it cannot be loaded.
    """
    if differing := first_difference(config, MoFMConfig.from_pretrained(name), SHARED_FIELDS):
        field, here, there = differing
        raise ValueError(f"{field} of teacher {name!r} is {there}, but this run's is {here}; they must be the same")
    return MoFMModel.from_pretrained(name)


def teacher_words(
    teacher: MoFMModel, samples: Iterable[Sample], num_words: int, args: TrainingArguments
) -> TeacherWords:
    """Return a teacher's words: loaded if the training resumes, else clustered on the first clips of the training.

    One process saves the clusters in `args.output_dir`, and all others load them.
    """
    with args.main_process_first(local=False, desc="words of the teacher"):
        fits = args.process_index == 0 and last_checkpoint(args.output_dir) is None
        if fits or not (Path(args.output_dir) / FILE).is_file():
            TeacherWords.fit(teacher, _batches(samples), num_words, args.seed).save(args.output_dir)
    return TeacherWords.load(teacher, args.output_dir)


def _batches(samples: Iterable[Sample]) -> Iterator[tuple[Tensor, Tensor]]:
    clips = iter(tqdm(islice(samples, NUM_CLIPS), total=NUM_CLIPS, desc="words of the teacher", leave=False))
    while batch := list(islice(clips, BATCH_SIZE)):
        yield tuple(torch.from_numpy(np.stack([clip[name] for clip in batch])) for name in ("keypoints", "scores"))

"""Words of a teacher: what a pre-trained MoFM says of cubes, sorted into groups, for another one to predict.

The MotionBook's words tell what a cube holds. A teacher has seen the whole clip, so that its words tell what a cube
means in it (as HuBERT's units, Hsu et al. 2021, section II, and BEiT v2's codes, Peng et al. 2022, section 2.2). The
teacher may be of another size, or an earlier training of the same model.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
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

FILE = "teacher_words.safetensors"
NUM_CLIPS = 1024  # of the training, whose tokens are sorted into groups
BATCH_SIZE = 32
NO_WORD = -100  # of cubes without heat


class TeacherWords(nn.Module):
    """Tell the words of cubes: the number of the group that is nearest to what the teacher says of them.

    Args:
        teacher: pre-trained, of D numbers a token.
        mean, std: `[D]` of its normalised tokens.
        centers: `[W, D]` of the groups, standardised by both.
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
        """Sort what a teacher says of the cubes of clips into groups (k-means).

        Args:
            teacher: pre-trained.
            batches: key-points `[N, F, K, 2]` and scores `[N, F, K]`.
            num_words: groups W.
            seed: of the first centres.

        Raises:
            ValueError: fewer cubes with heat than groups.
        """
        parts = []
        for keypoints, scores in batches:
            tokens, kept, _ = _say(teacher, keypoints, scores)
            parts.append(tokens[kept].cpu())
        tokens = torch.cat(parts)
        if len(tokens) < num_words:
            raise ValueError(
                f"num_teacher_words is {num_words}, but the clips of the training have {len(tokens)} cubes with heat; "
                "it must be at most as many"
            )
        mean, std = tokens.mean(0), tokens.std(0).clamp(min=1e-6)
        groups = MiniBatchKMeans(num_words, batch_size=4096, max_iter=60, n_init=1, random_state=seed)
        groups.fit(((tokens - mean) / std).numpy())
        return cls(teacher, mean, std, torch.from_numpy(groups.cluster_centers_))

    @torch.no_grad()
    def forward(self, keypoints: Tensor, scores: Tensor) -> Tensor:
        """Return the words `[N, L]` of clips' cubes, -100 where a cube has no heat."""
        tokens, kept, cube_ids = _say(self.teacher, keypoints, scores)
        tokens = (tokens - self.mean) / self.std
        nearness = 2 * tokens @ self.centers.T - self.centers.square().sum(-1)  # less what is the same of all groups
        words = torch.where(kept, nearness.argmax(-1), NO_WORD)
        grid = words.new_full((len(words), self.teacher.config.num_cubes), NO_WORD)
        # padding stands at cubes that were left out: it has no word either
        return grid.scatter(1, cube_ids, words)

    def save(self, folder: str | os.PathLike) -> None:
        """Write the groups; the teacher stays where it is."""
        tensors = {name: getattr(self, name).cpu().contiguous() for name in ("mean", "std", "centers")}
        unfinished = Path(folder) / f"{FILE}.unfinished"
        save_file(tensors, unfinished)
        os.replace(unfinished, Path(folder) / FILE)

    @classmethod
    def load(cls, teacher: MoFMModel, folder: str | os.PathLike) -> TeacherWords:
        """Read the groups that `save` wrote."""
        return cls(teacher, **load_file(Path(folder) / FILE))


@torch.no_grad()
def _say(teacher: MoFMModel, keypoints: Tensor, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return normalised tokens `[N, P, D]`, which are of cubes with heat, bool `[N, P]`, and their cubes `[N, P]`."""
    clips = teacher.read_clips(keypoints.to(teacher.device), scores.to(teacher.device))
    found = teacher(clips=clips)
    kept = (found.attention_mask > 0) & clips.active.gather(1, found.cube_ids)
    tokens = found.last_hidden_state.float()
    return F.layer_norm(tokens, tokens.shape[-1:]), kept, found.cube_ids


def load_teacher(name: str, config: MoFMConfig) -> MoFMModel:
    """Load a teacher whose cubes are those of a model to be trained; it may be of another size.

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
    """Return the words of a teacher: those of the training that goes on, else of the first clips of a new one.

    Groups are saved in `args.output_dir` by one process and read by the others.
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

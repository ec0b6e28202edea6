"""Pre-train MoFM: the frozen dVED gives the words of a clip, and MoFM predicts those of masked cubes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from tqdm import trange

from modeling_mofm.configuration_mofm import MoFMConfig
from modeling_mofm.masking import noise_shape
from modeling_mofm.pretraining.modeling import MoFMForMaskedMotionModeling
from tokenization_mofm.configuration_cubes import SHARED_FIELDS, first_difference
from tokenization_mofm.modeling_dved import DVEDModel
from tokenization_mofm.tokenization_mofm import MoFMTokenizer

from .action_labels import merge_labels, renamed
from .arguments import (
    DataArguments,
    MotionTrainingArguments,
    check_checkpoint,
    check_run,
    check_space,
    fixed_clips,
    last_checkpoint,
    training_corpora,
    training_samples,
)
from .evaluation.dved import evaluate_dved
from .evaluation.pretraining import evaluate_mofm
from .motion_trainer import MotionTrainer
from .probing import ProbeArguments, ProbeCallback, validation_protocols
from .publishing import publish
from .run_identity import check_identity, digest_of, read_rows
from .samples import MotionSamples, StoredClips
from .seen_rows import record_rows
from .teacher import TeacherWords, load_teacher, teacher_words

TERMS = ("word_loss", "teacher_loss", "action_loss", "coordinate_loss", "coordinate_error", "view_loss")
SIZE_FIELDS = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
OWN_INPUT = ("sigma", "truncate", "input_stride", "cube_embedding")  # not the tokenizer's
KEPT = (*OWN_INPUT, "predictor_layers")  # of the model to go on from, where an option is left out
INPUT_FIELDS = ("num_frames", "heatmap_size", "cube_size", *OWN_INPUT)


@dataclass
class MoFMArguments:
    """Which MoFM to pre-train, and with which words."""

    tokenizer: str = field(metadata={"help": "Folder or Hub id of a trained MoFMTokenizer."})
    model: str | None = field(
        default=None, metadata={"help": "Folder or Hub id of a pre-trained MoFM to go on from; None starts anew."}
    )
    preset: str | None = field(
        default=None, metadata={"help": "Size: tiny, small, base or large. None: that of the model, or tiny."}
    )
    center_frames: bool | None = field(
        default=None,
        metadata={"help": "Whether people stand in the middle of the map in each frame. None: as the tokenizer says."},
    )
    sigma: float | None = field(
        default=None,
        metadata={"help": "Width of a joint's Gaussian that MoFM sees, pixels. None: the model's, or 3; so below."},
    )
    truncate: float | None = field(
        default=None, metadata={"help": "How many sigmas from its joint that Gaussian ends; 3."}
    )
    cube_embedding: str | None = field(
        default=None, metadata={"help": "How cubes become tokens: linear, or frames (velocities, non-linear); linear."}
    )
    input_stride: int | None = field(
        default=None, metadata={"help": "MoFM looks at its maps in steps of so many pixels; 3."}
    )
    masking: str = field(default="keypoint", metadata={"help": "keypoint, uniform or tube."})
    mask_ratio: float = field(default=0.4, metadata={"help": "Target fraction of active cubes to mask."})
    mask_span: int = field(default=2, metadata={"help": "Time slices for which a key-point is masked in one go."})
    predictor_layers: int | None = field(
        default=None,
        metadata={
            "help": "Layers that predict masked cubes; the encoder then reads visible ones alone, which is faster. "
            "0: masked cubes go through the encoder. None: the model's, or 0."
        },
    )
    word_loss_weight: float = field(default=1.0, metadata={"help": "Weight of the words of masked cubes; 0 is none."})
    teacher: str | None = field(
        default=None,
        metadata={
            "help": "Folder or Hub id of a pre-trained MoFM, of any size, whose words are predicted too: clusters "
            "of its features. With teacher_loss_weight."
        },
    )
    teacher_loss_weight: float = field(default=0.0, metadata={"help": "Weight of the teacher's words; 0 is none."})
    num_teacher_words: int = field(default=512, metadata={"help": "Clusters of the teacher's features."})
    action_loss_weight: float = field(
        default=0.0, metadata={"help": "Weight of the actions of labelled corpora; 0 is none."}
    )
    rename: list[str] = field(
        default_factory=list, metadata={"help": "old=new: names under which actions of several corpora are one."}
    )
    coordinate_loss_weight: float = field(
        default=0.0, metadata={"help": "Weight of the coordinates of hidden key-points; 0 is none."}
    )
    view_loss_weight: float = field(
        default=0.0, metadata={"help": "Weight of what two views of a motion share; 0 is none."}
    )

    def __post_init__(self) -> None:
        if (self.teacher is None) != (self.teacher_loss_weight == 0):
            raise ValueError(
                f"teacher is {self.teacher!r} and teacher_loss_weight {self.teacher_loss_weight}; a teacher needs a "
                "weight above 0, and a weight a teacher"
            )
        renamed(self.rename)

    def config(self, dved: DVEDModel, action_names: Sequence[str] = ()) -> MoFMConfig:
        """Return the configuration; its geometry and vocabulary are the tokenizer's.

        Sizes and input that were left out are those of the model to go on from; without one, of the preset.
        """
        sizes: dict[str, object] = {name: getattr(dved.config, name) for name in SHARED_FIELDS}
        if self.model:
            theirs = MoFMConfig.from_pretrained(self.model)
            kept = KEPT if self.preset else (*SIZE_FIELDS, *KEPT)
            sizes |= {name: getattr(theirs, name) for name in kept}
        sizes |= {name: getattr(self, name) for name in KEPT if getattr(self, name) is not None}
        span = min(self.mask_span, dved.config.grid_size[0])
        return MoFMConfig.from_preset(
            self.preset or "tiny",
            **sizes,
            codebook_size=dved.config.codebook_size,
            masking=self.masking,
            mask_ratio=self.mask_ratio,
            mask_span=span,
            word_loss_weight=self.word_loss_weight,
            teacher_loss_weight=self.teacher_loss_weight,
            num_teacher_words=self.num_teacher_words,
            action_loss_weight=self.action_loss_weight,
            action_names=action_names,
            coordinate_loss_weight=self.coordinate_loss_weight,
            view_loss_weight=self.view_loss_weight,
        )

    def check_model(self, config: MoFMConfig) -> None:
        """Refuse a model to go on from that is not of the sizes that are asked for.

        Raises:
            ValueError: naming the field and both values.
        """
        theirs = MoFMConfig.from_pretrained(self.model)
        if differing := first_difference(config, theirs, (*SIZE_FIELDS, *INPUT_FIELDS)):
            name, here, there = differing
            raise ValueError(
                f"{name} of model {self.model!r} is {there}, but this run's is {here}; to go on from it they must be "
                "the same"
            )


class MoFMTrainer(MotionTrainer):
    """`Trainer` that tokenises each batch on its device, unless words are cached, and evaluates predictions.

    Args:
        dved: gives the words of cubes.
        teacher: gives a teacher's words; None without one.
        clips: held-out clips for the evaluation.
    """

    def __init__(
        self,
        *args,
        dved: DVEDModel,
        teacher: TeacherWords | None = None,
        clips: dict[str, Tensor] | None = None,
        **kwargs,
    ):
        super().__init__(*args, **kwargs)
        self.dved = dved.to(self.args.device).eval()
        self.teacher = teacher
        self.clips = clips
        self.terms: dict[str, list[Tensor]] = {}  # since the last line of the log

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        if "labels" not in inputs and self.model.config.word_loss_weight:
            with torch.no_grad():
                labels = self.dved.encode(inputs["keypoints"], inputs["scores"]).input_ids
            inputs = {**inputs, "labels": labels}
        if self.teacher is not None and "teacher_labels" not in inputs:
            inputs = {**inputs, "teacher_labels": self.teacher(inputs["keypoints"], inputs["scores"])}
        outputs = model(**inputs)
        for name in TERMS:
            if outputs.get(name) is not None:
                self.terms.setdefault(name, []).append(outputs[name].detach())
        return (outputs.loss, outputs) if return_outputs else outputs.loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log the terms of the loss beside it, where there are several."""
        if "loss" in logs:
            if len(self.terms) > 1:
                logs = logs | {name: float(torch.stack(values).mean()) for name, values in self.terms.items()}
            self.terms = {}
        super().log(logs, start_time)

    def evaluate(self, eval_dataset=None, ignore_keys=None, metric_key_prefix: str = "eval") -> dict[str, float]:
        metrics = evaluate_mofm(self.model, self.dved, self.clips)
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in metrics.items()}
        self.log(metrics)
        return metrics


def check_views(config: MoFMConfig, data: DataArguments) -> None:
    """Refuse to compare two views of clips that never change.

    Raises:
        ValueError: naming both options.
    """
    if config.view_loss_weight and not data.augment:
        raise ValueError(
            f"augment is false and view_loss_weight {config.view_loss_weight}: two views of a clip that never changes "
            "are the same; leave augment on, or view_loss_weight at 0"
        )


def check_actions(data: DataArguments, weight: float) -> None:
    """Refuse to predict the actions of clips that carry no labels: of streams, and those that never change.

    Raises:
        ValueError: naming both options.
    """
    if data.streaming or not data.augment:
        name, value, other = ("streaming", True, False) if data.streaming else ("augment", False, True)
        raise ValueError(
            f"{name} is {value} and action_loss_weight {weight}: such clips carry no labels; set {name} to {other}, "
            "or action_loss_weight to 0"
        )


def check_words(output_dir: str, tokenizer: MoFMTokenizer) -> None:
    """Refuse to go on from a model that learnt the words of another dVED.

    Raises:
        ValueError: naming both.
    """
    if last_checkpoint(output_dir) is None:
        return
    if MoFMTokenizer.from_pretrained(output_dir).fingerprint != tokenizer.fingerprint:
        raise ValueError(
            f"tokenizer is {tokenizer.dved.name_or_path!r}, but the checkpoints in output_dir {output_dir!r} learnt "
            "the words of another one (it lies beside them); they must be the same, or output_dir be another folder"
        )


def pretrain(
    model_args: MoFMArguments,
    data: DataArguments,
    args: MotionTrainingArguments,
    probes: ProbeArguments | None = None,
) -> dict[str, float]:
    """Pre-train MoFM on a corpus, save it beside its tokenizer to `args.output_dir`, and return its held-out figures.

    An interrupted run goes on from its last checkpoint. Without augmentation every row is one clip that never
    changes, and is tokenised once. Where corpora are named to probe it, `ProbeCallback` asks them along the training.

    Raises:
        ValueError: a configuration or a corpus that cannot work, before training starts.
        OSError: a tokenizer that cannot be loaded, or an output directory that cannot be written.
    """
    check_run(args, has_epochs=False)
    tokenizer = MoFMTokenizer.from_pretrained(model_args.tokenizer).to(args.device)
    dved, extractor = tokenizer.dved, tokenizer.feature_extractor
    if model_args.center_frames is not None:  # a word is of a cube, wherever it lies
        dved.config.center_frames = extractor.center_frames = model_args.center_frames
    corpora = training_corpora(data)
    names, action_labels = [], None
    if model_args.action_loss_weight:
        check_actions(data, model_args.action_loss_weight)
        names, action_labels = merge_labels(corpora, renamed(model_args.rename))
    config = model_args.config(dved, names)
    config.words = tokenizer.fingerprint
    check_views(config, data)
    if model_args.model:
        model_args.check_model(config)
    teacher_model = load_teacher(model_args.teacher, config) if model_args.teacher else None
    check_checkpoint(args.output_dir, config, SIZE_FIELDS)
    check_words(args.output_dir, tokenizer)
    rows = read_rows(data)
    said = {} if action_labels is None else {"actions": digest_of(names, *action_labels)}
    check_identity(args, rows, model=model_args, data=data, **said)
    asked = validation_protocols(probes.probe, rows) if probes is not None else []
    torch.manual_seed(args.seed)
    if model_args.model:
        model = MoFMForMaskedMotionModeling.from_pretrained(model_args.model, config=config)
    else:
        model = MoFMForMaskedMotionModeling(config)
    check_space(model, args)
    clips = fixed_clips(data, extractor, "test", data.eval_clips or None)
    shape = noise_shape(config.masking, config.grid_size, config.num_keypoints)
    samples = training_samples(corpora, data, args, extractor, shape, config.view_loss_weight > 0, action_labels)
    teacher = None
    if teacher_model is not None:
        teacher = teacher_words(teacher_model.to(args.device), samples, config.num_teacher_words, args)
    if not data.augment and not data.streaming:
        stored = tokenised_clips(fixed_clips(data, extractor, "train"), dved, teacher)
        samples = MotionSamples(stored, len(samples), args.seed, shape)
    trainer = MoFMTrainer(model=model, args=args, train_dataset=samples, dved=dved, teacher=teacher, clips=clips)
    if asked:
        trainer.add_callback(ProbeCallback(asked, probes, trainer.log))
    if trainer.is_world_process_zero() and last_checkpoint(args.output_dir) is None:
        tokenizer.save_pretrained(args.output_dir)  # first: a checkpoint means nothing without its words
    trainer.train(resume_from_checkpoint=args.resume_from_checkpoint or last_checkpoint(args.output_dir))
    metrics = trainer.evaluate()
    metrics |= {f"eval_dved_{name}": value for name, value in evaluate_dved(dved, clips).items()}
    if trainer.is_world_process_zero():
        trainer.save_model(args.output_dir)
        learnt_from = [name for name in (model_args.tokenizer, model_args.model, model_args.teacher) if name]
        record_rows(args.output_dir, rows, *learnt_from)
        trainer.save_metrics("eval", metrics, combined=False)
        publish(args, data.dataset, {name.removeprefix("eval_"): value for name, value in metrics.items()})
    return metrics


def tokenised_clips(clips: dict[str, Tensor], dved: DVEDModel, teacher: TeacherWords | None) -> StoredClips:
    """Return fixed clips with their words, computed once for the whole training."""
    words = {"labels": tokenise(dved, clips)}
    if teacher is not None:
        words["teacher_labels"] = in_batches(teacher, clips, teacher.teacher.device)
    return StoredClips(clips | words)


def tokenise(dved: DVEDModel, clips: dict[str, Tensor], batch_size: int = 64) -> Tensor:
    """Return the MotionBook's words `[N, L]` of clips, a batch at a time."""
    return in_batches(lambda **batch: dved.encode(**batch).input_ids, clips, dved.device, batch_size)


@torch.no_grad()
def in_batches(
    words_of: Callable[..., Tensor], clips: dict[str, Tensor], device: torch.device, batch_size: int = 64
) -> Tensor:
    """Return the words of many clips, a batch at a time."""
    parts = []
    for start in trange(0, len(clips["keypoints"]), batch_size, desc="tokenising"):
        batch = {name: values[start : start + batch_size].to(device) for name, values in clips.items()}
        parts.append(words_of(**batch).cpu())
    return torch.cat(parts)

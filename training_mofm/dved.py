"""Train a dVED and save it as a `MoFMTokenizer`."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from tokenization_mofm.configuration_dved import DVEDConfig
from tokenization_mofm.feature_extraction_mofm import MoFMFeatureExtractor
from tokenization_mofm.modeling_dved import DVEDModel
from tokenization_mofm.reconstruction_metrics import codebook_use
from tokenization_mofm.tokenization_mofm import MoFMTokenizer

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
from .motion_trainer import MotionTrainer
from .publishing import publish
from .run_identity import check_identity, read_rows
from .seen_rows import record_rows

SIZE_FIELDS = (
    "quantizer",
    "levels",
    "reconstruction",
    "code_size",
    "hidden_size",
    "num_encoder_blocks",
    "num_decoder_blocks",
)


@dataclass
class DVEDArguments:
    """Which dVED to train; fields left out keep the preset's values."""

    preset: str = field(default="tiny", metadata={"help": "Size: tiny, small, base or large."})
    codebook_size: int | None = field(default=None, metadata={"help": "Words T of the MotionBook."})
    quantizer: str | None = field(default=None, metadata={"help": "gumbel, vq, rvq or fsq."})
    levels: list[int] | None = field(
        default=None,
        metadata={
            "help": "Levels of each number of fsq, codes of each step of rvq; their product is the codebook_size."
        },
    )
    reconstruction: str | None = field(default=None, metadata={"help": "max or joints."})
    num_encoder_blocks: int | None = field(default=None, metadata={"help": "Repeats r of the encoder."})
    num_decoder_blocks: int | None = field(default=None, metadata={"help": "Repeats r of the decoder."})
    num_frames: int | None = field(default=None, metadata={"help": "Frames of a clip."})
    heatmap_size: int | None = field(default=None, metadata={"help": "Side of the map, pixels."})
    center_frames: bool | None = field(
        default=None, metadata={"help": "Whether people stand in the middle of the map in each frame."}
    )

    def config(self) -> DVEDConfig:
        fields = dataclasses.asdict(self)
        preset = fields.pop("preset")
        return DVEDConfig.from_preset(preset, **{name: value for name, value in fields.items() if value is not None})


class AnnealTemperature(TrainerCallback):
    """Lower the quantiser's temperature geometrically; a function of the step alone, so that a resumed run agrees."""

    def __init__(self, config: DVEDConfig):
        self.start, self.end = config.initial_temperature, config.final_temperature

    def on_step_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: nn.Module | None = None,
        **kwargs,
    ) -> None:
        progress = state.global_step / max(state.max_steps, 1)
        model = getattr(model, "module", model)
        model.quantizer.temperature = self.start * (self.end / self.start) ** progress


class DVEDTrainer(MotionTrainer):
    """`Trainer` that logs the parts of the loss and the use of the code book, and evaluates with `evaluate_dved`."""

    def __init__(self, *args, clips: dict[str, Tensor] | None = None, **kwargs):
        super().__init__(*args, **kwargs)
        self.clips = clips
        self.parts: dict[str, Tensor] = {}
        self.add_callback(AnnealTemperature(self.model.config))

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        outputs = model(**inputs)
        for name in ("reconstruction_loss", "kl", "usage", "commitment"):
            self.parts[name] = outputs[name].detach()
        return (outputs.loss, outputs) if return_outputs else outputs.loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        if "loss" in logs:
            logs |= {name: round(float(value), 4) for name, value in self.parts.items()}
            share = self.model.quantizer.share.cpu()
            in_use = share > self.model.config.restart_threshold  # a moving average never falls to 0
            logs |= {"codebook_usage": round(float(in_use.double().mean()), 3)}
            logs |= {"codebook_perplexity": round(codebook_use(share)[1], 1)}
        super().log(logs, start_time)

    def evaluate(self, eval_dataset=None, ignore_keys=None, metric_key_prefix: str = "eval") -> dict[str, float]:
        metrics = evaluate_dved(self.model, self.clips)
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in metrics.items()}
        self.log(metrics)
        return metrics


def train_dved(model_args: DVEDArguments, data: DataArguments, args: MotionTrainingArguments) -> dict[str, float]:
    """Train a dVED on a corpus, save it with its MotionBook to `args.output_dir`, and return its held-out figures.

    An interrupted run goes on from its last checkpoint.

    Raises:
        ValueError: a configuration or a corpus that cannot work, before training starts.
        OSError: an output directory that cannot be written.
    """
    check_run(args, has_epochs=False)
    config = model_args.config()
    check_checkpoint(args.output_dir, config, SIZE_FIELDS)
    rows = read_rows(data)
    check_identity(args, rows, model=model_args, data=data)
    extractor = MoFMFeatureExtractor.for_config(config)
    torch.manual_seed(args.seed)
    model = DVEDModel(config)
    check_space(model, args)
    clips = fixed_clips(data, extractor, "test", data.eval_clips or None)
    samples = training_samples(training_corpora(data), data, args, extractor)
    trainer = DVEDTrainer(model=model, args=args, train_dataset=samples, clips=clips)
    trainer.train(resume_from_checkpoint=args.resume_from_checkpoint or last_checkpoint(args.output_dir))
    metrics = trainer.evaluate()
    if trainer.is_world_process_zero():
        MoFMTokenizer(trainer.model, extractor).save_pretrained(args.output_dir)
        record_rows(args.output_dir, rows)
        trainer.save_metrics("eval", metrics, combined=False)
        publish(args, data.dataset, {name.removeprefix("eval_"): value for name, value in metrics.items()})
    return metrics

"""While a model is pre-trained: what its frozen features know, on validation parts, and when to stop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from accelerate.utils import extract_model_from_parallel
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from motion_data.corpora.load import load_corpus

from .evaluation.frozen import METHODS, Encoder, measure, read_features
from .evaluation.protocol_files import read_protocols
from .evaluation.protocols import Protocol
from .row_digests import row_digests

VALIDATION = "/validation"  # end of the names of protocols that choices may be made on


@dataclass
class ProbeArguments:
    """How the frozen encoder is evaluated while it is pre-trained."""

    probe: list[str] = field(
        default_factory=list, metadata={"help": "Corpora on whose validation protocols it is evaluated."}
    )
    probe_steps: int = field(default=200, metadata={"help": "Steps between two evaluations."})
    probe_patience: int = field(
        default=0, metadata={"help": "Stop after so many times without a better mean; 0 never stops."}
    )

    def __post_init__(self) -> None:
        if self.probe_steps < 1:
            raise ValueError(f"probe_steps must be at least 1, got {self.probe_steps}")
        if self.probe_patience < 0:
            raise ValueError(f"probe_patience must be 0 or more, got {self.probe_patience}")
        if self.probe_patience and not self.probe:
            raise ValueError(f"probe_patience is {self.probe_patience}, but probe names no corpus")


def validation_protocols(folders: Sequence[str], learnt: Sequence[str] | None) -> list[Protocol]:
    """Return the validation protocols of corpora: those whose name ends with "/validation".

    Args:
        learnt: hashes of the rows that a training learns from; None if they are not known.

    Raises:
        ValueError: a corpus without one, or with rows that the training learns from.
    """
    found = []
    for folder in folders:
        corpus = load_corpus(folder, None)
        own = [one for name, one in read_protocols(folder, corpus).items() if name.endswith(VALIDATION)]
        if not own:
            raise ValueError(f"probe {folder!r} has no protocol whose name ends with {VALIDATION!r}; add one to it")
        digests = np.asarray(row_digests(corpus))
        for protocol in own:
            asked = np.unique(np.concatenate([fold.asked for fold in protocol.folds]))
            seen = np.isin(digests[asked], list(learnt or ()))
            if seen.any():
                raise ValueError(
                    f"probe {protocol.name!r} asks about {seen.sum()} rows that the training learns from; leave it out"
                )
        found += own
    return found


class ProbeCallback(TrainerCallback):
    """Asks protocols every so many steps, logs `probe_<name>` and their mean, `probe_mean`, and may stop the training.

    Every process asks, so that all stop at the same step. What was asked before an interruption counts.

    Args:
        protocols: of `validation_protocols`.
        log: what takes the figures, such as `Trainer.log`.
    """

    def __init__(self, protocols: Sequence[Protocol], options: ProbeArguments, log: Callable[[dict], None]):
        self.protocols = [protocol.narrowed() for protocol in protocols]  # no other row is read
        self.options = options
        self.log = log

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model=None, **kwargs
    ) -> None:
        if state.global_step % self.options.probe_steps:
            return
        training = model.training
        encoder = extract_model_from_parallel(model).mofm
        figures = {}
        for protocol in self.protocols:
            rows = measure(protocol, "probe", read_features(Encoder("probe", encoder), protocol.corpus))
            best = next(row for row in rows if row.method == METHODS[protocol.task][0])
            figures[f"probe_{protocol.name.removesuffix(VALIDATION)}"] = best.figure.value
        model.train(training)
        self.log(figures | {"probe_mean": float(np.mean(list(figures.values())))})
        means = [entry["probe_mean"] for entry in state.log_history if "probe_mean" in entry]
        if self.options.probe_patience and len(means) - 1 - int(np.argmax(means)) >= self.options.probe_patience:
            control.should_training_stop = True

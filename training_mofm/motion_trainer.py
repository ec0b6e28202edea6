"""The `Trainer` of this project: corpora may be streams, models are published whole, and a lost training stops."""

from __future__ import annotations

from accelerate.data_loader import prepare_data_loader
from torch import Tensor
from torch.utils.data import DataLoader
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from modeling_mofm.modeling_mofm import compile_layers

from .samples import StreamedSamples


class MotionTrainer(Trainer):
    """`Trainer` that leaves streams as they are: accelerate would split among processes what is already split.

    It pushes nothing to the Hub; `publishing.publish` does, once all parts of a model are there. A training whose loss
    is no number any more stops, and leaves its checkpoints as they were.

    Raises:
        ValueError: `compile_layers` is true for a model without layers of MoFM.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if self.args.compile_layers:
            compile_layers(self.model)
        self._lost: int | Tensor = 0  # steps whose loss is no number, counted on the device: to ask is to wait
        self.add_callback(_StopWhenLost(self))

    def training_step(self, *args, **kwargs) -> Tensor:
        loss = super().training_step(*args, **kwargs)
        self._lost = self._lost + (~loss.detach().isfinite()).int()
        return loss

    def check_numbers(self, weights: bool) -> None:
        """Look whether the losses, and if asked the weights, are numbers.

        Raises:
            FloatingPointError: naming what is not, the step, and what to do.
        """
        lost = int(self._lost)
        named = self.model.named_parameters() if weights and not lost else ()
        broken = next((name for name, value in named if not value.detach().isfinite().all()), None)
        if not lost and broken is None:
            return
        what = f"the loss of {lost} step(s)" if lost else f"parameter {broken!r}"
        raise FloatingPointError(
            f"{what} is not a finite number at step {self.state.global_step}, with a learning rate of "
            f"{self.args.learning_rate} and {self.model.dtype}; begin again in another output_dir with a lower "
            f"learning_rate, a longer warm-up (warmup_steps) or single precision"
        )

    def init_hf_repo(self, *args, **kwargs) -> None:
        """Leave the repository to `publishing`."""

    def _push_from_checkpoint(self, checkpoint_folder: str) -> None:
        """Push no checkpoints."""

    def push_to_hub(self, *args, **kwargs) -> None:
        """Leave it to `publishing.publish`, which knows all parts of the model."""

    def get_train_dataloader(self) -> DataLoader:
        if not isinstance(self.train_dataset, StreamedSamples):
            return super().get_train_dataloader()
        args = self.args
        loader = DataLoader(
            self.train_dataset,
            batch_size=self._train_batch_size,
            collate_fn=self.data_collator,
            num_workers=args.dataloader_num_workers,
            pin_memory=args.dataloader_pin_memory,
            persistent_workers=args.dataloader_persistent_workers,
            prefetch_factor=args.dataloader_prefetch_factor,
        )
        return prepare_data_loader(
            loader, args.device, num_processes=1, process_index=0, put_on_device=True, dispatch_batches=False
        )


class _StopWhenLost(TrainerCallback):
    """Before a line of the log and before a checkpoint is written."""

    def __init__(self, trainer: MotionTrainer):
        self.trainer = trainer

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        last = state.global_step >= state.max_steps
        if control.should_log or control.should_save or last:
            self.trainer.check_numbers(weights=control.should_save or last)

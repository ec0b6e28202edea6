"""Weights come as safetensors: loading them runs no code, and a damaged file is told from a whole one."""

from __future__ import annotations

from safetensors import SafetensorError


class SafeWeights:
    """Mixed into models, before `PreTrainedModel`."""

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path, *args, **kwargs):
        """See `PreTrainedModel.from_pretrained`; a pickle is only read with `use_safetensors=False`.

        Raises:
            OSError: there are no weights, or the file is cut off or damaged.
        """
        kwargs.setdefault("use_safetensors", True)
        try:
            return super().from_pretrained(pretrained_model_name_or_path, *args, **kwargs)  # type: ignore[misc]
        except SafetensorError as error:
            name = str(pretrained_model_name_or_path)
            raise OSError(f"the weights of {name!r} are cut off or damaged ({error}); get them again") from error

"""Weights come as safetensors: loading them runs no code, and a damaged file is told from a whole one."""

from __future__ import annotations

from safetensors import SafetensorError


class SafeWeights:
    """Mixed into models, before `PreTrainedModel`."""

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path, *args, **kwargs):
        """See `PreTrainedModel.from_pretrained`; a pickle is only read with `use_safetensors=False`.

        Raises:
            OSError: there are no weights, the file is cut off or damaged, or its download broke off.
        """
        kwargs.setdefault("use_safetensors", True)
        try:
            return super().from_pretrained(pretrained_model_name_or_path, *args, **kwargs)  # type: ignore[misc]
        except SafetensorError as error:
            name = str(pretrained_model_name_or_path)
            raise OSError(f"the weights of {name!r} are cut off or damaged ({error}); get them again") from error
        except OSError as error:
            cause = _transport_error(error)
            if cause is None:
                raise
            name = str(pretrained_model_name_or_path)
            raise OSError(f"the download of {name!r} broke off ({cause}); start it again, and it goes on") from error


def _transport_error(error: BaseException) -> BaseException | None:
    """Return the error of the network that caused an error, None where none did."""
    cause: BaseException | None = error
    while cause is not None:
        # of whichever httpx the Hub's client has
        if "TransportError" in (kind.__name__ for kind in type(cause).__mro__):
            return cause
        cause = cause.__cause__ or cause.__context__
    return None

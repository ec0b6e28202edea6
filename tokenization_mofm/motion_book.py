"""The MotionBook: code words as words of a `tokenizers` vocabulary, so that motion is text for any language tool."""

from __future__ import annotations

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

EMPTY = "<empty>"
SPECIAL_TOKENS = (EMPTY, "<pad>", "<mask>", "<cls>", "<sep>")


def motion_word(code: int) -> str:
    """Return the word of a code: `<motion_17>`."""
    return f"<motion_{code}>"


def build_motion_book(codebook_size: int) -> PreTrainedTokenizerFast:
    """Return the vocabulary of a code book: ids below T are its codes, `<empty>` is T, special tokens follow.

    The result is a plain fast tokenizer: it is saved, loaded (`AutoTokenizer`) and pushed without any code of MoFM.
    """
    words = [motion_word(code) for code in range(codebook_size)] + list(SPECIAL_TOKENS)
    backend = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token=EMPTY))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        unk_token=EMPTY,
        pad_token="<pad>",
        mask_token="<mask>",
        cls_token="<cls>",
        sep_token="<sep>",
        clean_up_tokenization_spaces=False,
    )


def ids_to_text(book: PreTrainedTokenizerFast, input_ids: torch.Tensor | list[int]) -> str:
    """Write the `[L]` ids of a clip as words between single spaces, ordered by time, row, column.

    Raises:
        ValueError: an id is not in the vocabulary.
    """
    ids = [int(i) for i in input_ids]
    wrong = [i for i in ids if not 0 <= i < len(book)]
    if wrong:
        raise ValueError(f"input_ids holds {wrong[0]}; it must be from 0 to {len(book) - 1}")
    return " ".join(book.convert_ids_to_tokens(ids))


def text_to_ids(book: PreTrainedTokenizerFast, text: str) -> torch.Tensor:
    """Read the words of a clip back to ids `[L]`.

    Raises:
        ValueError: a word is not in the vocabulary.
    """
    vocabulary = book.get_vocab()
    words = text.split()
    wrong = [word for word in words if word not in vocabulary]
    if wrong:
        raise ValueError(f"text holds {wrong[0]!r}, which is not a word of this MotionBook ({motion_word(0)}, ...)")
    return torch.tensor([vocabulary[word] for word in words], dtype=torch.long)

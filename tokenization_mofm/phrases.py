"""Motion as language: phrases, which are frequent runs of words, and MotionBook words in the vocabulary of any LM."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, trainers
from transformers import PreTrainedModel, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from .motion_book import EMPTY, ids_to_text

PHRASES_FILE = "phrases.json"
FIRST_LETTER = 0xF0000  # of the private characters by which words are letters: byte-pair encoding joins letters
SLICE = "<sep>"


class MotionPhrases:
    """Byte-pair encoding over words: what often follows each other becomes one phrase.

    Args:
        tokenizer: whose letters are words; see `train`.
    """

    def __init__(self, tokenizer: Tokenizer):
        self.tokenizer = tokenizer

    @classmethod
    def train(cls, sequences: Iterable[Sequence[int]], num_words: int, num_phrases: int) -> MotionPhrases:
        """Learn phrases.

        Args:
            sequences: ids of words, such as those of clips, or of time slices: no phrase goes over an end.
            num_words: ids are from 0 to `num_words` - 1.
            num_phrases: to learn; there are fewer if nothing occurs twice any more.

        Raises:
            ValueError: an id out of range, or no phrases to learn.
        """
        if num_phrases < 1:
            raise ValueError(f"num_phrases must be at least 1, got {num_phrases}")
        letters = [chr(FIRST_LETTER + word) for word in range(num_words)]
        tokenizer = Tokenizer(models.BPE())
        trainer = trainers.BpeTrainer(
            vocab_size=num_words + num_phrases, initial_alphabet=letters, show_progress=False, max_token_length=None
        )
        tokenizer.train_from_iterator((_spell(sequence, num_words) for sequence in sequences), trainer)
        return cls(tokenizer)

    @cached_property
    def num_words(self) -> int:
        """Words that phrases are made of."""
        return sum(len(phrase) == 1 for phrase in self.tokenizer.get_vocab())

    def encode(self, sequence: Sequence[int]) -> list[int]:
        """Return the ids of phrases for ids of words.

        Raises:
            ValueError: an id out of range.
        """
        return self.tokenizer.encode(_spell(sequence, self.num_words)).ids

    def decode(self, phrases: Sequence[int]) -> list[int]:
        """Return the ids of words for ids of phrases; the inverse of `encode`."""
        parts = (self.tokenizer.id_to_token(int(phrase)) for phrase in phrases)
        return [ord(letter) - FIRST_LETTER for part in parts for letter in part]

    def save_pretrained(self, save_directory: str | os.PathLike) -> None:
        """Save as one file of `tokenizers`, beside a MotionBook if there is one."""
        Path(save_directory).mkdir(parents=True, exist_ok=True)
        self.tokenizer.save(str(Path(save_directory) / PHRASES_FILE))

    @classmethod
    def from_pretrained(cls, folder: str | os.PathLike) -> MotionPhrases:
        """Load from a folder.

        Raises:
            FileNotFoundError: there are none.
        """
        path = Path(folder) / PHRASES_FILE
        if not path.is_file():
            raise FileNotFoundError(f"{str(folder)!r} holds no {PHRASES_FILE}; learn phrases with MotionPhrases.train")
        return cls(Tokenizer.from_file(str(path)))


def _spell(sequence: Sequence[int], num_words: int) -> str:
    ids = [int(word) for word in sequence]
    wrong = [word for word in ids if not 0 <= word < num_words]
    if wrong:
        raise ValueError(f"sequence holds {wrong[0]}; ids of words must be from 0 to {num_words - 1}")
    return "".join(chr(FIRST_LETTER + word) for word in ids)


def add_motion_words(
    book: PreTrainedTokenizerFast, tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel | None = None
) -> int:
    """Add the words of a MotionBook to the vocabulary of a language model, and rows for them to its embeddings.

    Args:
        book: the MotionBook.
        tokenizer: of the language model; it then reads what `motion_text` writes, a word a token.
        model: the language model; None leaves it.

    Returns:
        how many words were new.
    """
    words = sorted(book.get_vocab(), key=book.get_vocab().get)
    added = tokenizer.add_tokens([word for word in words if word.startswith("<motion_") or word in (EMPTY, SLICE)])
    if model is not None:
        model.resize_token_embeddings(len(tokenizer))
    return added


def motion_text(book: PreTrainedTokenizerFast, input_ids: torch.Tensor, num_slices: int) -> str:
    """Write the `[L]` ids of a clip as text for a language model: the words of each time slice that hold heat.

    Places are left out, and with them the empty cubes, two thirds of a clip; `<sep>` stands between slices.
    """
    empty = book.convert_tokens_to_ids(EMPTY)
    slices = torch.as_tensor(input_ids).view(num_slices, -1)
    return f" {SLICE} ".join(ids_to_text(book, ids[ids != empty]) for ids in slices)

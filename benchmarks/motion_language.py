"""Motion as language: how much phrases shorten it, and a small causal LM that captions and continues it.

python -m benchmarks.motion_language --dataset corpora/uiprmd_kinect --steps 400
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve each other on a busy machine

import argparse
import math
import time
from collections import Counter

import numpy as np
import torch
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from tqdm import trange
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from modeling_mofm.shipped import SHIPPED
from motion_data.corpora.load import SYNTHETIC, load_corpus
from motion_data.keypoints import NobodyVisibleError
from motion_data.rows import row_recording
from motion_data.schema import VIEW_COLUMNS, first_row
from motion_data.views import view
from tokenization_mofm import MoFMTokenizer
from tokenization_mofm.feature_extraction_mofm import collate_people
from tokenization_mofm.phrases import MotionPhrases, add_motion_words, motion_text

BATCH = 32


def tokenise(tokenizer: MoFMTokenizer, corpus: Dataset, rows: np.ndarray) -> tuple[torch.Tensor, np.ndarray]:
    """Return the words `[N, L]` of the first person of rows, and their labels."""
    corpus = corpus.select_columns([*VIEW_COLUMNS, "label"]).with_format("arrow")
    clips, labels = [], []
    for row in rows:
        entry = first_row(corpus[int(row)])
        try:
            clips.append(tokenizer.feature_extractor.clip(view(row_recording(entry))))
        except NobodyVisibleError:
            continue
        labels.append(entry["label"])
    ids = []
    for start in trange(0, len(clips), BATCH, desc="tokenising", leave=False):
        batch = collate_people(clips[start : start + BATCH])
        with torch.no_grad():
            ids.append(tokenizer.dved.encode(batch["keypoints"][:, 0], batch["scores"][:, 0]).input_ids)
    return torch.cat(ids), np.array(labels)


def show_phrases(train: torch.Tensor, test: torch.Tensor, empty: int, num_words: int, num_slices: int) -> None:
    """Print how many phrases stand for the words of held-out clips."""
    slices = {
        "whole grid, slice by slice": lambda ids: ids.view(len(ids) * num_slices, -1).tolist(),
        "active words alone": lambda ids: [
            one[one != empty].tolist() for one in ids.view(len(ids) * num_slices, -1) if (one != empty).any()
        ],
    }
    for name, cut in slices.items():
        for num_phrases in (512, 2048):
            phrases = MotionPhrases.train(cut(train), num_words, num_phrases)
            held_out = cut(test)
            encoded = [phrases.encode(sequence) for sequence in held_out]
            assert all(phrases.decode(ids) == sequence for ids, sequence in zip(encoded, held_out, strict=True))
            before, after = sum(map(len, held_out)), sum(map(len, encoded))
            learnt = phrases.tokenizer.get_vocab_size() - num_words
            print(
                f"{name:28s} {learnt:5d} phrases: {before / after:.2f} words a phrase, {after / len(test):.0f} a clip"
            )


class MotionLanguage:
    """A small causal LM of captions whose vocabulary is widened by the words of motion.

    Args:
        tokenizer: of motion.
        names: of the actions.
    """

    def __init__(self, tokenizer: MoFMTokenizer, names: list[str]):
        self.book, self.num_slices = tokenizer.motion_book, tokenizer.dved.config.grid_size[0]
        self.names = names
        words = ["<unk>", "<pad>", "<end>", "somebody", *names]
        backend = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, "<unk>"))
        backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        self.first_motion_word = len(words)
        self.language = PreTrainedTokenizerFast(
            tokenizer_object=backend, unk_token="<unk>", pad_token="<pad>", padding_side="left"
        )
        sizes = {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 3, "num_attention_heads": 4}
        self.model = LlamaForCausalLM(LlamaConfig(vocab_size=len(self.language), num_key_value_heads=4, **sizes))
        self.added = add_motion_words(self.book, self.language, self.model)

    def texts(self, ids: torch.Tensor, labels: np.ndarray | None = None) -> list[str]:
        """Return clips `[N, L]` as text up to where the action is named, or with it."""
        motion = [motion_text(self.book, one, self.num_slices) for one in ids]
        if labels is None:
            return [f"{text} somebody" for text in motion]
        return [f"{text} somebody {self.names[label]} <end>" for text, label in zip(motion, labels, strict=True)]

    def train(self, ids: torch.Tensor, labels: np.ndarray, steps: int) -> None:
        optimizer = torch.optim.AdamW(self.model.parameters(), lr=2e-3, weight_decay=0.05)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, steps)
        order = np.random.default_rng(0)
        for _ in trange(steps, desc="language model", leave=False):
            chosen = order.choice(len(ids), BATCH)
            inputs = self.language(self.texts(ids[chosen], labels[chosen]), return_tensors="pt", padding=True)
            wanted = inputs.input_ids.masked_fill(inputs.attention_mask == 0, -100)
            self.model(**inputs, labels=wanted).loss.backward()
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
        self.model.eval()

    @torch.no_grad()
    def ask(self, ids: torch.Tensor, labels: np.ndarray) -> tuple[float, float]:
        """Return how often the action is named rightly, and the perplexity of a word of motion after those before."""
        right, total, count = 0, 0.0, 0
        choices = torch.tensor(self.language.convert_tokens_to_ids(self.names))
        for first in range(0, len(ids), BATCH):
            prompts = self.language(self.texts(ids[first : first + BATCH]), return_tensors="pt", padding=True)
            logits = self.model(**prompts).logits
            named = logits[:, -1, choices].argmax(-1).numpy()
            right += int((named == labels[first : first + BATCH]).sum())
            scores = logits[:, :-1].log_softmax(-1).gather(-1, prompts.input_ids[:, 1:, None])[..., 0]
            is_motion = (prompts.input_ids[:, 1:] >= self.first_motion_word) & (prompts.attention_mask[:, :-1] > 0)
            total -= float(scores[is_motion].sum())
            count += int(is_motion.sum())
        return right / len(ids), math.exp(total / count)

    def unigram_perplexity(self, train: torch.Tensor, test: torch.Tensor) -> float:
        """Return the perplexity of held-out words where each is as likely as it is often in `train`."""
        seen = torch.cat([self.language(text, return_tensors="pt").input_ids[0] for text in self.texts(train)])
        shares = torch.bincount(seen[seen >= self.first_motion_word], minlength=len(self.language)).double() + 1e-3
        shares = (shares / shares.sum()).log()
        asked = torch.cat([self.language(text, return_tensors="pt").input_ids[0, 1:] for text in self.texts(test)])
        return math.exp(-float(shares[asked[asked >= self.first_motion_word]].mean()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=str(SHIPPED))
    parser.add_argument("--dataset", default=SYNTHETIC)
    parser.add_argument("--clips", type=int, default=1500, help="rows to learn from; a fifth as many are held out")
    parser.add_argument("--steps", type=int, default=400, help="of the language model, of 32 clips each")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    tokenizer = MoFMTokenizer.from_pretrained(args.model)
    parts = {}
    for split, count in (("train", args.clips), ("test", args.clips // 5)):
        corpus = load_corpus(args.dataset, split)
        rows = np.random.default_rng(0).permutation(len(corpus))[:count]
        parts[split] = tokenise(tokenizer, corpus, rows)
    names = [name.replace(" ", "_") for name in corpus.features["label"].names]
    (train, labels), (test, true) = parts["train"], parts["test"]
    print(f"{len(train)} clips to learn from, {len(test)} held out, {len(names)} classes")
    language = MotionLanguage(tokenizer, names)
    empty = language.book.convert_tokens_to_ids("<empty>")
    show_phrases(train, test, empty, len(language.book), language.num_slices)

    start = time.perf_counter()
    language.train(train, labels, args.steps)
    seconds = time.perf_counter() - start
    print(f"language model: {language.added} motion words added, {args.steps} steps in {seconds:.0f} s")
    accuracy, perplexity = language.ask(test, true)
    trivial = (true == Counter(labels.tolist()).most_common(1)[0][0]).mean()
    print(f"caption: the right action in {accuracy:.3f} of held-out clips; commonest class {trivial:.3f}")
    unigram = language.unigram_perplexity(train, test)
    print(f"continuing: perplexity {perplexity:.1f} a word, unigram {unigram:.1f}")


if __name__ == "__main__":
    main()

"""Motion as language: phrases are lossless and shorter, and a language model reads and learns MotionBook words."""

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from tokenization_mofm import build_motion_book
from tokenization_mofm.phrases import MotionPhrases, add_motion_words, motion_text

WORDS = 16


def habits(n=60, seed=0):
    """Sequences in which 3 is always followed by 7 and 1."""
    generator = np.random.default_rng(seed)
    return [
        [w for pick in generator.integers(0, 4, 12) for w in ([3, 7, 1] if pick == 3 else [pick])] for _ in range(n)
    ]


def test_phrases_shorten_what_is_frequent_and_lose_nothing(tmp_path):
    phrases = MotionPhrases.train(habits(), WORDS, num_phrases=20)
    assert phrases.num_words == WORDS
    held_out = habits(seed=1)
    encoded = [phrases.encode(sequence) for sequence in held_out]
    assert [phrases.decode(ids) for ids in encoded] == held_out
    assert sum(map(len, encoded)) < 0.6 * sum(map(len, held_out))
    assert len(phrases.encode([3, 7, 1])) == 1 and len(phrases.encode([15])) == 1, "a word that never occurred"
    phrases.save_pretrained(tmp_path)
    assert MotionPhrases.from_pretrained(tmp_path).encode(held_out[0]) == encoded[0]


def test_what_cannot_be_spelt_is_refused(tmp_path):
    with pytest.raises(ValueError, match="sequence holds 16; ids of words must be from 0 to 15"):
        MotionPhrases.train([[3, 16]], WORDS, 4)
    with pytest.raises(ValueError, match="num_phrases must be at least 1, got 0"):
        MotionPhrases.train([[3]], WORDS, 0)
    with pytest.raises(FileNotFoundError, match="holds no phrases.json"):
        MotionPhrases.from_pretrained(tmp_path)


def test_a_language_model_learns_to_caption_motion():
    book = build_motion_book(WORDS)
    backend = Tokenizer(models.WordLevel({"<unk>": 0, "<pad>": 1, "somebody": 2, "walks": 3, "sits": 4}, "<unk>"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>", pad_token="<pad>")
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), num_key_value_heads=2, **sizes))
    assert add_motion_words(book, tokenizer, model) == WORDS + 2
    assert model.get_input_embeddings().num_embeddings == len(tokenizer) and add_motion_words(book, tokenizer) == 0

    def clips(n, seed):
        generator = torch.Generator().manual_seed(seed)
        walks = torch.arange(n) % 2 == 0
        ids = torch.where(walks[:, None], 0, 8) + torch.randint(0, 8, (n, 6), generator=generator)
        ids[:, 1] = WORDS  # an empty cube
        return [motion_text(book, one, 2) for one in ids], walks

    texts, walks = clips(32, 0)
    assert texts[0].count("<sep>") == 1 and "<empty>" not in texts[0] and len(tokenizer(texts[0]).input_ids) == 6
    assert tokenizer.unk_token_id not in tokenizer(texts[0]).input_ids
    said = [f"{text} somebody {'walks' if walk else 'sits'}" for text, walk in zip(texts, walks, strict=True)]
    inputs = tokenizer(said, return_tensors="pt")
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(40):
        loss = model(**inputs, labels=inputs.input_ids).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    texts, walks = clips(20, 1)
    prompts = tokenizer([f"{text} somebody" for text in texts], return_tensors="pt")
    with torch.no_grad():
        answers = model(**prompts).logits[:, -1].argmax(-1)
    right = answers == torch.where(walks, *tokenizer.convert_tokens_to_ids(["walks", "sits"]))
    assert right.float().mean() > 0.9

import json
import os
import subprocess
import sys

import pytest
import torch

from tokenization_mofm.motion_book import SPECIAL_TOKENS, build_motion_book, ids_to_text, motion_word, text_to_ids

SIZE = 32
LOAD_ELSEWHERE = """
import json, sys
from transformers import AutoTokenizer

book = AutoTokenizer.from_pretrained(sys.argv[1])
text = sys.argv[2]
result = {
    "ids": book(text)["input_ids"],
    "text": book.decode(book(text)["input_ids"]),
    "length": len(book),
    "special": {name: getattr(book, name + "_token_id") for name in ("unk", "pad", "mask", "cls", "sep")},
    "ours": [name for name in sys.modules if name.split(".")[0] in ("tokenization_mofm", "modeling_mofm")],
}
print(json.dumps(result))
"""


@pytest.fixture(scope="module")
def book():
    return build_motion_book(SIZE)


@pytest.mark.parametrize("size", [2, 32, 512])
def test_ids_of_words_are_codes_and_special_tokens_follow(size):
    book = build_motion_book(size)
    assert len(book) == size + len(SPECIAL_TOKENS)
    assert book.convert_tokens_to_ids([motion_word(code) for code in range(size)]) == list(range(size))
    assert book.convert_tokens_to_ids(list(SPECIAL_TOKENS)) == list(range(size, size + 5))
    assert (book.unk_token, book.pad_token, book.mask_token) == ("<empty>", "<pad>", "<mask>")
    assert (book.cls_token, book.sep_token) == ("<cls>", "<sep>")
    assert book.convert_tokens_to_ids("<empty>") == size  # DVEDConfig.empty_id


@pytest.mark.parametrize(
    "ids", [[0], [31, 0, 31], list(range(SIZE + len(SPECIAL_TOKENS))), [SIZE] * 4, [], [5, SIZE, 5, SIZE + 2]]
)
def test_ids_to_text_and_back(book, ids):
    text = ids_to_text(book, ids)
    assert len(text.split()) == len(ids) and text == " ".join(text.split())
    back = text_to_ids(book, text)
    assert back.dtype == torch.long and back.tolist() == ids
    assert text_to_ids(book, ids_to_text(book, torch.tensor(ids, dtype=torch.long))).tolist() == ids


def test_text_is_readable(book):
    assert ids_to_text(book, [17, SIZE, 3]) == "<motion_17> <empty> <motion_3>"
    assert text_to_ids(book, "  <motion_17>\n<empty>\t<motion_3> ").tolist() == [17, SIZE, 3]


def test_the_plain_tokenizer_reads_the_same(book):
    text = ids_to_text(book, torch.randint(0, SIZE + 1, (50,)))
    assert book(text)["input_ids"] == text_to_ids(book, text).tolist()
    assert book.decode(book(text)["input_ids"]) == text


@pytest.mark.parametrize("wrong", [-1, SIZE + len(SPECIAL_TOKENS), 10**9])
def test_ids_outside_the_vocabulary_are_refused(book, wrong):
    with pytest.raises(ValueError, match=f"input_ids holds {wrong}; it must be from 0 to {SIZE + 4}"):
        ids_to_text(book, [0, wrong, 1])


@pytest.mark.parametrize("wrong", ["<motion_32>", "<motion_-1>", "<motion_1><motion_2>", "walk", "<Empty>"])
def test_words_outside_the_vocabulary_are_refused(book, wrong):
    with pytest.raises(ValueError, match=f"text holds '{wrong}', which is not a word of this MotionBook"):
        text_to_ids(book, f"<motion_1> {wrong} <empty>")


def test_saved_book_loads_without_this_package(book, tmp_path):
    book.save_pretrained(tmp_path / "book")
    ids = [3, SIZE, 0, 31, SIZE + 2]
    run = subprocess.run(
        [sys.executable, "-c", LOAD_ELSEWHERE, str(tmp_path / "book"), ids_to_text(book, ids)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout.splitlines()[-1])
    assert result["ours"] == []
    assert (result["ids"], result["text"]) == (ids, ids_to_text(book, ids))
    assert result["length"] == SIZE + len(SPECIAL_TOKENS)
    special = dict(zip(("unk", "pad", "mask", "cls", "sep"), range(SIZE, SIZE + 5), strict=True))
    assert result["special"] == special

"""The weights that come along: whole, small, loaded without a word, and their card has the figures measured."""

import json
import re

import pytest
from transformers import AutoFeatureExtractor, AutoModel, AutoModelForPreTraining, AutoModelForSequenceClassification

from modeling_mofm import MoFMForAnomalyDetection
from modeling_mofm.shipped import SHIPPED, check_files
from tokenization_mofm import MoFMTokenizer
from training_mofm.evaluation.frozen import Row
from training_mofm.evaluation.metrics import Spread
from training_mofm.evaluation.tables import task_table
from training_mofm.seen_rows import recorded_rows


def test_files_are_whole_and_small():
    assert (SHIPPED / "sha256.json").is_file()
    check_files(SHIPPED)
    files = [file for file in SHIPPED.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) < 25e6
    assert {file.suffix for file in files} <= {".json", ".safetensors", ".md"}


@pytest.mark.parametrize("auto", [AutoModel, AutoModelForPreTraining, AutoModelForSequenceClassification])
def test_every_class_finds_its_weights(auto):
    _, info = auto.from_pretrained(SHIPPED, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]


def test_detector_and_tokenizer_are_beside_it():
    detector = MoFMForAnomalyDetection.from_pretrained(SHIPPED)
    assert detector.new_parts == {"anomaly_head"} and detector.config.reference_size > 0
    tokenizer = MoFMTokenizer.from_pretrained(SHIPPED)
    assert tokenizer.fingerprint == detector.config.words
    assert AutoFeatureExtractor.from_pretrained(SHIPPED).num_frames == detector.config.num_frames


def test_the_rows_that_it_learnt_from_are_known():
    seen = recorded_rows(SHIPPED)
    assert seen is not None and len(seen) > 1000


def test_the_figures_of_the_card_are_those_measured():
    card = (SHIPPED / "README.md").read_text()
    rows = json.loads((SHIPPED / "figures.json").read_text())["rows"]
    table = task_table([Row(**{**row, "figure": Spread(**row["figure"])}) for row in rows])
    assert len(rows) > 10 and table in card
    shown = re.search(r"python run/evaluate_tasks.py[^\n`]*", card)
    assert shown is not None

"""The tests that transformers asks of its own models, run on ours.

They are no part of the installed package but of its source, of the same version; unpack it and name the folder:

    pip install parameterized && pip download --no-deps --no-binary transformers transformers==5.23.0
    tar xzf transformers-5.23.0.tar.gz
    TRANSFORMERS_SOURCE=transformers-5.23.0 python -m pytest tests/modeling_mofm/test_transformers_common.py
"""

import importlib
import os
import sys
import types
import unittest
from pathlib import Path
from unittest import mock

import pytest
import torch
import transformers
from clips import TINY_GEOMETRY, TINY_SIZES, make_clips

from modeling_mofm import (
    MoFMConfig,
    MoFMForAnomalyDetection,
    MoFMForMaskedMotionModeling,
    MoFMForSequenceClassification,
    MoFMModel,
)
from tokenization_mofm import DVEDConfig, DVEDModel, MoFMFeatureExtractor

SOURCE = os.environ.get("TRANSFORMERS_SOURCE", "")
if not SOURCE:
    pytest.skip("TRANSFORMERS_SOURCE does not name the source of transformers", allow_module_level=True)

COMMON_FIELDS = {  # of every configuration of transformers
    "return_dict": False,
    "output_hidden_states": True,
    "output_attentions": True,
    "dtype": "float16",
    "chunk_size_feed_forward": 5,
    "architectures": ["MoFMModel"],
    "id2label": {0: "walk", 1: "fall"},
    "label2id": {"walk": 0, "fall": 1},
    "problem_type": "regression",
}


def their_tests():
    """Import their common tests as a package of another name; of what they import, three are not in the source."""
    absent = {
        "exporters.test_export": {"ExportTesterMixin": type("ExportTesterMixin", (), {})},
        "generation.test_utils": {"GenerationTesterMixin": type("GenerationTesterMixin", (), {})},
        "utils.test_configuration_utils": {"config_common_kwargs": COMMON_FIELDS},
    }
    for name in ("", *(f".{name.split('.')[0]}" for name in absent), *(f".{name}" for name in absent)):
        sys.modules[f"theirs{name}"] = types.ModuleType(f"theirs{name}")
        sys.modules[f"theirs{name}"].__path__ = []
    for name, values in absent.items():
        vars(sys.modules[f"theirs.{name}"]).update(values)
    sys.modules["theirs"].__path__ = [str(Path(SOURCE, "tests"))]
    names = ("modeling", "configuration", "feature_extraction")
    with mock.patch("transformers.utils.direct_transformers_import", lambda folder: transformers):  # the installed one
        return [importlib.import_module(f"theirs.test_{name}_common") for name in names]


modeling, configuration, extraction = their_tests()
# models without a head, which have no loss
modeling.MODEL_MAPPING_NAMES = {**modeling.MODEL_MAPPING_NAMES, "mofm": "MoFMModel"}


class CommonTester:
    """What their tests ask of a model's own: a configuration, inputs, and sizes."""

    batch_size = 3
    is_training = True
    num_hidden_layers = TINY_SIZES["num_hidden_layers"]
    num_attention_heads = TINY_SIZES["num_attention_heads"]
    hidden_size = TINY_SIZES["hidden_size"]
    num_labels = 3
    num_masks = 4  # of the cubes that they mask
    fields: dict[str, object] = {}

    def __init__(self, parent):
        self.parent = parent
        self.seq_length = self.get_config().num_cubes

    def get_config(self):
        raise NotImplementedError

    def prepare_config_and_inputs(self):
        return self.prepare_config_and_inputs_for_common()

    def prepare_config_and_inputs_for_common(self):
        keypoints, scores = make_clips(self.batch_size, missing=0.1)
        return self.get_config(), {"keypoints": keypoints, "scores": scores}


class EncoderTester(CommonTester):
    def get_config(self):
        # whole grids, so that the length of the sequence is known beforehand
        return MoFMConfig(
            **TINY_GEOMETRY,
            **TINY_SIZES,
            codebook_size=32,
            num_labels=self.num_labels,
            drop_empty_cubes=False,
            **self.fields,
        )


class TwoViewsTester(EncoderTester):
    """All objectives of pre-training at once."""

    fields = {"teacher_loss_weight": 1.0, "num_teacher_words": 20, "coordinate_loss_weight": 1.0}
    fields |= {"coordinate_decoder_layers": 1, "view_loss_weight": 1.0, "view_size": 16}
    fields |= {"action_loss_weight": 1.0, "action_names": ["fall", "walk", "wave"]}


class FramesTester(EncoderTester):
    fields = {"cube_embedding": "frames"}


class DVEDTester(CommonTester):
    hidden_size = 16
    expected_num_hidden_layers = 7

    def get_config(self):
        return DVEDConfig(
            **TINY_GEOMETRY, hidden_size=16, codebook_size=32, code_size=8, num_decoder_blocks=1, **self.fields
        )


class VectorQuantiserTester(DVEDTester):
    fields = {"quantizer": "vq"}


class OurModels(modeling.ModelTesterMixin):
    test_resize_embeddings = False
    has_attentions = True
    own_tester: type[CommonTester]

    def setUp(self):
        self.model_tester = self.own_tester(self)

    def test_model_get_set_embeddings(self):
        """As theirs of models that see: what embeds inputs is any module."""
        for model_class in self.all_model_classes:
            model = model_class(self.model_tester.get_config())
            assert isinstance(model.get_input_embeddings(), torch.nn.Module)
            assert isinstance(model.get_output_embeddings(), torch.nn.Linear | None)

    def _prepare_for_class(self, inputs_dict, model_class, return_labels=False):
        inputs = super()._prepare_for_class(inputs_dict, model_class, return_labels)
        number, config = self.model_tester.batch_size, self.model_tester.get_config()
        if return_labels and model_class is MoFMForMaskedMotionModeling and config.view_loss_weight:
            keypoints, scores = make_clips(number, seed=1)
            inputs |= {"other_keypoints": keypoints, "other_scores": scores}
        if return_labels and model_class is MoFMForMaskedMotionModeling:
            inputs["labels"] = torch.arange(config.num_cubes).expand(number, -1) % config.codebook_size
            if config.action_loss_weight:
                inputs["action_labels"] = torch.arange(number) % 3
            if config.teacher_loss_weight:
                inputs["teacher_labels"] = inputs["labels"] % config.num_teacher_words
        elif return_labels and model_class in (MoFMForSequenceClassification, MoFMForAnomalyDetection):
            inputs["labels"] = torch.arange(number) % 2
        return inputs


class TestEncoders(OurModels, unittest.TestCase):
    own_tester = EncoderTester
    all_model_classes = (
        MoFMModel,
        MoFMForMaskedMotionModeling,
        MoFMForSequenceClassification,
        MoFMForAnomalyDetection,
    )

    def test_config(self):
        fields = {**TINY_GEOMETRY, **TINY_SIZES, "cube_size": [4, 6, 6]}  # as JSON has it
        configuration.ConfigTester(self, MoFMConfig, has_text_modality=False, **fields).run_common_tests()


class TestFrames(OurModels, unittest.TestCase):
    own_tester = FramesTester
    all_model_classes = TestEncoders.all_model_classes


class TestTwoViews(OurModels, unittest.TestCase):
    own_tester = TwoViewsTester
    all_model_classes = (MoFMModel, MoFMForMaskedMotionModeling)


class TestDVED(OurModels, unittest.TestCase):
    own_tester = DVEDTester
    all_model_classes = (DVEDModel,)
    has_attentions = False

    def test_config(self):
        fields = {**TINY_GEOMETRY, "hidden_size": 16, "cube_size": [4, 6, 6]}
        tester = configuration.ConfigTester(
            self, DVEDConfig, has_text_modality=False, common_properties=["hidden_size"], **fields
        )
        tester.run_common_tests()


class TestVectorQuantiser(TestDVED):
    own_tester = VectorQuantiserTester


class TestExtractor(extraction.FeatureExtractionSavingTestMixin, unittest.TestCase):
    feature_extraction_class = MoFMFeatureExtractor
    feat_extract_dict = {"num_frames": 8, "heatmap_size": 24}

"""Embeddings of recordings through a pipeline: those of the model, in any batch."""

import numpy as np
import pytest
import torch
from clips import TINY_GEOMETRY
from transformers import pipeline

from modeling_mofm import MoFMConfig, MoFMModel, MotionFeaturePipeline, MotionRecogniser
from motion_data.recording import Recording
from tokenization_mofm import MoFMFeatureExtractor

SIZES = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}


def motion(seed=0, people=1):
    generator = np.random.default_rng(seed)
    body = np.stack([np.resize([40.0, 60.0], 17), np.linspace(10, 200, 17)], -1)
    return body + generator.normal(0, 2, (people, 20, 17, 2)).cumsum(1)


@pytest.fixture(scope="module")
def embed(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("mofm")
    MoFMModel(MoFMConfig(**TINY_GEOMETRY, **SIZES, codebook_size=32)).save_pretrained(folder)
    return pipeline("motion-feature-extraction", model=str(folder), device="cpu")


def test_features_are_those_of_the_model(embed):
    assert type(embed) is MotionFeaturePipeline
    found = embed(motion(3, 2))
    with torch.no_grad():
        expected = embed.model.get_embeddings(**embed.feature_extractor(motion(3, 2))).over_people()
    for name, values in (("vector", expected.vectors), ("joints", expected.joints), ("slices", expected.slices)):
        np.testing.assert_allclose(found[name], values[0].numpy(), rtol=1e-4, atol=1e-5)
    assert found["vector"] @ found["vector"] == pytest.approx(1, rel=1e-5)
    assert found["joints"].shape == (17, 24) and found["slices"].shape == (2, 24)


def test_several_inputs_in_batches(embed):
    nobody = Recording(motion(), np.zeros((1, 20, 17)), "coco17")
    inputs = [motion(0), nobody, np.ones((9, 14, 2)), motion(1, 3)]
    alone = embed(motion(1, 3))["vector"]
    for batch_size in (1, 4):
        first, second, third, last = embed(inputs, batch_size=batch_size)
        assert second is None and "has 14 joints" in third["error"]
        np.testing.assert_allclose(last["vector"], alone, rtol=1e-3, atol=1e-5)
        assert not np.allclose(first["vector"], alone, atol=1e-3)


def test_layers_and_wrong_options(embed):
    assert not np.allclose(embed(motion(), layers=0)["vector"], embed(motion())["vector"], atol=1e-3)
    with pytest.raises(ValueError, match=r"unknown arguments \['layer'\]; allowed are layers"):
        embed(motion(), layer=1)


@torch.no_grad()
def test_centred_people_are_read_as_well(embed, tmp_path):
    """Beside the parts of a clip stand those of the same clip with people in the middle of each frame."""
    config = MoFMConfig(**TINY_GEOMETRY, **SIZES, codebook_size=32, embed_centered=True)
    both = MoFMModel(config).eval()
    both.load_state_dict(embed.model.state_dict())
    walking = motion(5, 2) + np.linspace(0, 300, 20)[:, None, None]
    clips = embed.feature_extractor(walking)
    found = both.get_embeddings(**clips)
    assert found.parts.shape[-1] == 48 == config.embedding_size
    plain, centred = found.parts.split(24, -1)
    torch.testing.assert_close(plain, embed.model.get_embeddings(**clips).parts)
    extractor = MoFMFeatureExtractor.for_config(MoFMConfig(**TINY_GEOMETRY, center_frames=True))
    expected = embed.model.get_embeddings(**extractor(walking)).parts
    torch.testing.assert_close(centred, expected, rtol=1e-3, atol=1e-3)
    assert (plain - centred).abs().max() > 0.1
    recogniser = MotionRecogniser(both)
    recogniser.teach("stroll", walking)
    recogniser.save_pretrained(tmp_path)
    assert MotionRecogniser.from_pretrained(tmp_path).names == ["stroll"]
    with pytest.raises(ValueError, match="embed_centered is true and centres people by key-points"):
        both.get_embeddings(heatmaps=torch.rand(1, 17, 8, 24, 24))


def test_saved_pipelines_open_again(embed, tmp_path):
    embed.save_pretrained(tmp_path)
    again = pipeline("motion-feature-extraction", model=str(tmp_path), device="cpu")
    np.testing.assert_allclose(again(motion())["vector"], embed(motion())["vector"], rtol=1e-5)


def test_no_input_has_no_answer_and_a_file_is_no_list_of_inputs(embed, tmp_path):
    assert embed([]) == []
    (tmp_path / "a.json").write_text("{}\n{}\n")
    with open(tmp_path / "a.json") as file, pytest.raises(ValueError, match="inputs is an open file"):
        embed(file)


@pytest.mark.parametrize("batch_size", [0, -1, "2", 1.5])
def test_wrong_batch_sizes_are_refused(embed, batch_size):
    with pytest.raises(ValueError, match="batch_size must be a whole number, 1 or more"):
        embed([motion(), motion()], batch_size=batch_size)

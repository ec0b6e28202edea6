"""Where people stand to each other: seen by embeddings and the head of actions, never by what looks at one person."""

import numpy as np
import pytest
import torch
from clips import TINY_GEOMETRY
from huggingface_hub.errors import StrictDataclassClassValidationError
from transformers import pipeline

from modeling_mofm import MoFMConfig, MoFMModel
from modeling_mofm.actions.timeline import cut_stretches
from modeling_mofm.export import FeatureGraph
from modeling_mofm.modeling_mofm import extractor_beside
from motion_data.keypoints import Motion
from tokenization_mofm import DVEDConfig, DVEDModel, MoFMFeatureExtractor, MoFMTokenizer

SIZES = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
TOGETHER = MoFMFeatureExtractor(num_frames=8, heatmap_size=24, shared_box=True)


def two_people(apart):
    """Two people who do the same things, so far from each other, `[2, 20, 17, 2]`."""
    generator = np.random.default_rng(0)
    body = np.stack([np.resize([40.0, 60.0], 17), np.linspace(10, 200, 17)], -1)
    people = body + generator.normal(0, 2, (2, 20, 17, 2)).cumsum(1)
    return people + np.array([[0, 0], [apart, 0]])[:, None, None]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("mofm")
    MoFMModel(MoFMConfig(**TINY_GEOMETRY, **SIZES, codebook_size=32, shared_box=True)).save_pretrained(folder)
    MoFMFeatureExtractor(num_frames=8, heatmap_size=24).save_pretrained(folder)  # as a tokenizer saves it
    return folder


def test_features_tell_how_far_people_are_apart_only_where_they_share_a_box(folder):
    embed = pipeline("motion-feature-extraction", model=str(folder), device="cpu")
    near, far = (embed(two_people(apart))["vector"] for apart in (120, 300))
    assert not np.allclose(near, far, atol=1e-3)
    embed.feature_extractor.shared_box = False
    near, far = (embed(two_people(apart))["vector"] for apart in (120, 300))
    np.testing.assert_allclose(near, far, atol=1e-4)


def test_the_model_says_it_whatever_a_tokenizer_saved_beside_it(folder):
    assert MoFMFeatureExtractor.from_pretrained(folder).shared_box is False
    assert extractor_beside(MoFMModel.from_pretrained(folder)).shared_box is True


@torch.no_grad()
def test_graphs_fit_people_alike(folder):
    model = MoFMModel.from_pretrained(folder)
    graph = FeatureGraph(model, extractor_beside(model))
    people = two_people(200).astype(np.float32)
    expected = model.get_embeddings(**extractor_beside(model)(people)).over_people().vectors
    found = graph(torch.from_numpy(people)[None], torch.ones(1, 2, 20, 17))[0]
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


def test_words_are_of_one_person():
    geometry = {name: value for name, value in TINY_GEOMETRY.items() if name != "input_stride"}
    dved = DVEDModel(DVEDConfig(**geometry, codebook_size=32))
    people = two_people(200)
    together, alone = MoFMTokenizer(dved, TOGETHER)(people), MoFMTokenizer(dved)(people)
    assert torch.equal(together.input_ids, alone.input_ids)
    assert TOGETHER.shared_box  # the extractor that was given stays as it is


def test_windows_and_stretches_are_of_one_person():
    motion = Motion(two_people(200).astype(np.float32), np.ones((2, 20, 17), np.float32))
    apart = MoFMFeatureExtractor(num_frames=8, heatmap_size=24)
    people, starts = np.array([0, 1]), np.array([0, 4])
    together, alone = (each.fit_windows(motion, people, starts, 16) for each in (TOGETHER, apart))
    np.testing.assert_array_equal(together.keypoints, alone.keypoints)
    together, alone = (cut_stretches(motion, 25.0, each, window=0.6, stride=0.2) for each in (TOGETHER, apart))
    for ours, theirs in zip(together.clips, alone.clips, strict=True):
        np.testing.assert_array_equal(ours.keypoints, theirs.keypoints)


@torch.no_grad()
def test_centred_people_are_read_as_before():
    """Each person in the middle of each frame has a box of their own, from whatever box they come."""
    model = MoFMModel(MoFMConfig(**TINY_GEOMETRY, **SIZES, codebook_size=32, embed_centered=True)).eval()
    apart = MoFMFeatureExtractor(num_frames=8, heatmap_size=24)
    together, alone = (model.get_embeddings(**each(two_people(200))).parts for each in (TOGETHER, apart))
    torch.testing.assert_close(together[..., 24:], alone[..., 24:], rtol=1e-3, atol=1e-3)
    assert not torch.allclose(together[..., :24], alone[..., :24], atol=1e-2)


def test_people_in_the_middle_of_each_frame_share_no_box():
    with pytest.raises(
        StrictDataclassClassValidationError,
        match="center_frames and shared_box are true; people in the middle of each frame",
    ):
        MoFMConfig(**TINY_GEOMETRY, **SIZES, center_frames=True, shared_box=True)

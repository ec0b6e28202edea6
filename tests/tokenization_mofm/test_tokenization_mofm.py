"""MoFMTokenizer: motion to ids and back, saved and loaded whole, and what it says of bad input."""

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer

from motion_data import Camera, get_layout
from tokenization_mofm import MoFMFeatureExtractor, MoFMTokenizer, build_motion_book


@pytest.fixture
def tokenizer(dved):
    return MoFMTokenizer(dved)


def motion(frames=20, people=1, joints=17, seed=0):
    generator = np.random.default_rng(seed)
    return generator.uniform(0, 100, (people, 1, joints, 2)) + generator.normal(0, 2, (people, frames, joints, 2))


def test_ids_heat_and_text(tokenizer):
    keypoints = motion(people=2)
    tokens = tokenizer(keypoints)
    config = tokenizer.dved.config
    assert tokens.input_ids.shape == (1, 2, config.num_cubes)
    heat = tokenizer.decode(tokens.input_ids)
    assert heat.shape == (1, 2, config.num_frames, config.heatmap_size, config.heatmap_size)
    assert heat.min() >= 0 and heat.max() <= 1 and heat.any()
    for person in range(2):
        ids = tokens.input_ids[0, person]
        text = tokenizer.to_text(ids)
        assert torch.equal(tokenizer.from_text(text), ids)
        assert torch.allclose(tokenizer.decode(ids), heat[0, person], atol=1e-6)
    assert torch.equal(tokenizer(keypoints[0]).input_ids[0, 0], tokens.input_ids[0, 0])


def test_a_batch_equals_its_clips(tokenizer):
    clips = [motion(20, 1, seed=1), motion(33, 3, seed=2), motion(5, 2, seed=3)]
    batch = tokenizer(clips).input_ids
    assert batch.shape[:2] == (3, 3)
    for row, clip in zip(batch, clips, strict=True):
        single = tokenizer(clip).input_ids[0]
        assert torch.equal(row[: len(single)], single)
        assert (row[len(single) :] == tokenizer.dved.config.empty_id).all()


def test_missing_joints_never_matter(tokenizer):
    keypoints, scores = motion(), np.ones((1, 20, 17))
    scores[:, 3:9, 5] = 0
    expected = tokenizer(keypoints, scores)
    for value in (np.nan, np.inf, 1e9):
        changed = keypoints.copy()
        changed[:, 3:9, 5] = value
        tokens = tokenizer(changed, scores)
        assert torch.equal(tokens.input_ids, expected.input_ids)
        assert torch.equal(tokens.keypoints, expected.keypoints)


def test_layouts_and_cameras(tokenizer):
    keypoints = motion(joints=25)
    source = get_layout("openpose25").canonical
    assert -1 not in source
    direct = tokenizer(keypoints[:, :, list(source)])
    assert torch.equal(tokenizer(keypoints, layout="openpose25").input_ids, direct.input_ids)
    solid = np.random.default_rng(0).normal(0, 0.5, (20, 17, 3))
    assert tokenizer(solid, camera=Camera(30, 10, 4)).input_ids.shape[1] == 1


def test_round_trip_through_a_directory(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    loaded = MoFMTokenizer.from_pretrained(tmp_path)
    keypoints = motion()
    assert torch.equal(loaded(keypoints).input_ids, tokenizer(keypoints).input_ids)
    assert loaded.vocab_size == tokenizer.vocab_size == 32 + 5
    book = AutoTokenizer.from_pretrained(tmp_path)
    assert book.convert_tokens_to_ids("<motion_17>") == 17
    names = {path.name for path in tmp_path.iterdir()}
    assert {"preprocessor_config.json", "tokenizer.json", "dved"} <= names
    assert not list(tmp_path.rglob("*.bin"))


def test_parts_below_a_folder_and_in_another_precision(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path / "small")
    with pytest.raises(OSError):
        MoFMTokenizer.from_pretrained(tmp_path)
    loaded = MoFMTokenizer.from_pretrained(tmp_path, subfolder="small")
    assert loaded.fingerprint == tokenizer.fingerprint and loaded.dved.dtype == torch.float32
    half = MoFMTokenizer.from_pretrained(tmp_path, subfolder="small", dtype=torch.bfloat16)
    assert (
        half.dved.dtype == torch.bfloat16 and half.feature_extractor.num_frames == loaded.feature_extractor.num_frames
    )


def test_a_directory_without_the_dved_says_so(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    (tmp_path / "dved" / "model.safetensors").unlink()
    with pytest.raises(OSError, match="model.safetensors"):
        MoFMTokenizer.from_pretrained(tmp_path)


def test_parts_must_fit(dved):
    with pytest.raises(ValueError, match="num_frames of the feature extractor is 12; it must be 8"):
        MoFMTokenizer(dved, MoFMFeatureExtractor(num_frames=12, heatmap_size=24))
    with pytest.raises(ValueError, match="MotionBook has 16 motion words; it must have 32"):
        MoFMTokenizer(dved, motion_book=build_motion_book(16))


@pytest.mark.parametrize(
    ("keypoints", "scores", "message"),
    [
        (np.zeros((17, 2)), None, "keypoints has shape"),
        (np.zeros((20, 15, 2)), None, "15 joints"),
        (np.zeros((1, 17, 2)), None, "1 frames"),
        (np.zeros((0, 20, 17, 2)), None, "at least 1 person"),
        (np.full((20, 17, 2), np.nan), None, "missing"),
        (np.ones((20, 17, 2)), np.full((20, 17), 1.5), "scores reach 1.5"),
        (np.full((20, 17, 2), np.inf), np.ones((20, 17)), "missing"),
        ([], None, "empty batch"),
        ([np.full((20, 17, 2), 9.0), np.full((20, 4, 2), 9.0)], None, "clip 1: .*4 joints"),
        (np.full((20, 17, 3), 0.5), None, "give coordinates='xyc'"),
        ([np.ones((20, 17, 2))] * 2, [np.ones((20, 17))], "scores has 1 clips; it must have 2"),
    ],
)
def test_bad_input(tokenizer, keypoints, scores, message):
    with pytest.raises(ValueError, match=message):
        tokenizer(keypoints, scores)


def test_what_keypoints_do_not_say_is_said_by_name(tokenizer):
    keypoints = np.random.default_rng(0).uniform(10, 90, (20, 17, 2)) * (1, 2)
    scored = np.concatenate([keypoints, np.ones((20, 17, 1))], -1)
    expected = tokenizer(keypoints)
    for other in (
        tokenizer(scored, coordinates="xyc"),
        tokenizer(keypoints / (128, 256), frame_size=(128, 256)),
        tokenizer({"keypoints": keypoints, "scores": np.full((20, 17), 100.0)}),
        tokenizer(list(scored)),  # a list of frames of one person
    ):
        assert torch.equal(other.input_ids, expected.input_ids)
    scored[:, 5:, 2] = 0.2
    assert not tokenizer(scored, min_score=0.5).scores[..., 5:].any()
    with pytest.raises(ValueError, match="unknown arguments .'colour'.; allowed are layout, coordinates"):
        tokenizer(keypoints, colour="red")


@pytest.mark.parametrize("ids", [torch.zeros(1, 7, dtype=torch.long), -torch.ones(1, 32, dtype=torch.long)])
def test_bad_ids(tokenizer, ids):
    with pytest.raises(ValueError, match="input_ids must be"):
        tokenizer.decode(ids)


def test_unknown_words(tokenizer):
    with pytest.raises(ValueError, match="'<motion_99>', which is not a word"):
        tokenizer.from_text("<motion_1> <motion_99>")
    with pytest.raises(ValueError, match="input_ids holds 99"):
        tokenizer.to_text([1, 99])

"""Words of a teacher: groups of what it says of cubes."""

import pytest
import torch
from clips import TINY_GEOMETRY, TINY_SIZES, make_clips
from torch.nn import functional as F

from modeling_mofm import MoFMConfig, MoFMModel
from training_mofm.teacher import TeacherWords


@pytest.fixture(scope="module")
def teacher():
    torch.manual_seed(0)
    return MoFMModel(MoFMConfig(**TINY_GEOMETRY, **TINY_SIZES, initializer_range=0.3))


@pytest.fixture(scope="module")
def batches():
    clips = [make_clips(6, seed=seed) for seed in range(4)]
    clips[0][1][:2, :, 6:] = 0  # cubes without heat, so that clips are padded
    return clips


def test_each_word_is_the_group_nearest_to_what_the_teacher_says(teacher, batches):
    words = TeacherWords.fit(teacher, batches, 12, seed=0)
    keypoints, scores = batches[0]
    found = words(keypoints, scores)
    clips = teacher.read_clips(keypoints, scores)
    assert torch.equal(found >= 0, clips.active) and (found[~clips.active] == -100).all()
    assert len(found[clips.active].unique()) > 6
    for clip in range(2):  # one by one, nothing is padded
        said = teacher.eval()(keypoints[clip : clip + 1], scores[clip : clip + 1])
        tokens = (F.layer_norm(said.last_hidden_state[0], (teacher.config.hidden_size,)) - words.mean) / words.std
        nearest = torch.cdist(tokens, words.centers).argmin(-1)
        assert torch.equal(found[clip, said.cube_ids[0]], nearest)


def test_groups_follow_from_the_seed_and_are_read_again(teacher, batches, tmp_path):
    words = TeacherWords.fit(teacher, batches, 12, seed=0)
    words.save(tmp_path)
    again, other = TeacherWords.load(teacher, tmp_path), TeacherWords.fit(teacher, batches, 12, seed=1)
    assert all(torch.equal(*pair) for pair in zip(words.buffers(), again.buffers(), strict=True))
    assert torch.equal(words.centers, TeacherWords.fit(teacher, batches, 12, seed=0).centers)
    assert not torch.equal(words.centers, other.centers)
    assert [file.name for file in tmp_path.iterdir()] == ["teacher_words.safetensors"]


def test_a_teacher_learns_nothing(teacher, batches):
    words = TeacherWords.fit(teacher, batches, 12, seed=0)
    assert not words.teacher.training and not any(weights.requires_grad for weights in words.parameters())
    assert not words(*batches[1]).requires_grad


def test_more_groups_than_cubes_are_refused(teacher, batches):
    with pytest.raises(ValueError, match=r"num_teacher_words is 5000, but the clips of the training have \d+ cubes"):
        TeacherWords.fit(teacher, batches, 5000, seed=0)

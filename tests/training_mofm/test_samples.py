"""Training and held-out clips: the same sample wherever and whenever it is drawn."""

from itertools import islice

import numpy as np
import pytest
import torch
from datasets import Dataset

from motion_data.corpora.mixing import Mixture
from motion_data.schema import encode_row, motion_features
from tokenization_mofm import MoFMFeatureExtractor
from training_mofm.augmentation import NUM_LENGTHS, Augmentation, stretch_bones
from training_mofm.samples import (
    ClipMaker,
    EveryRow,
    MotionSamples,
    RandomRows,
    StoredClips,
    StreamedSamples,
    collate_samples,
    held_out_clips,
)


@pytest.fixture(scope="module")
def corpus():
    generator = np.random.default_rng(0)
    rows = []
    for i, (frames, people, coordinates) in enumerate([(30, 1, 2), (300, 1, 3), (20, 2, 2), (50, 1, 3)]):
        joints = 17 if coordinates == 2 else 15
        keypoints = generator.normal(0, 1, (people, 1, joints, coordinates)) + generator.normal(
            0, 0.05, (people, frames, joints, coordinates)
        )
        scores = np.ones((people, frames, joints))
        if people == 2:
            scores[1] = 0
        layout = "coco17" if coordinates == 2 else "mocap15"
        rows.append(encode_row(keypoints, scores, layout, source=f"made/{i}"))
    return Dataset.from_list(rows, features=motion_features())


@pytest.fixture
def extractor():
    return MoFMFeatureExtractor(num_frames=16, heatmap_size=36)


def test_sample_depends_only_on_seed_and_index(corpus, extractor):
    def draw(seed, index):
        source = RandomRows(Mixture([corpus]), ClipMaker(extractor, Augmentation()))
        return MotionSamples(source, 100, seed, (17, 4))[index]

    first, again, other = draw(3, 7), draw(3, 7), draw(4, 7)
    for name in ("keypoints", "scores", "mask_noise"):
        assert np.array_equal(first[name], again[name])
    assert not np.array_equal(first["keypoints"], other["keypoints"])


def changed(corpus, **columns):
    rows = [dict(row) for row in corpus]
    for row in rows:
        row |= {name: [value] * len(row[name]) if name == "scores" else value for name, value in columns.items()}
    return Dataset.from_list(rows * 40, features=motion_features())


def test_a_pair_is_mirrored_together_and_varied_apart(corpus, extractor):
    def pairs(**varied):
        still = {"rotation": 0, "scale": 1, "translation": 0, "joint_dropout": 0, "score_noise": 0, "proportions": 0}
        maker = ClipMaker(extractor, Augmentation(**{**still, **varied}))
        samples = MotionSamples(RandomRows(Mixture([corpus.select([0])]), maker, pairs=True), 30, 0, (17, 4))
        return [(sample["keypoints"], sample["other_keypoints"]) for sample in (samples[i] for i in range(30))]

    straight = pairs(flip_prob=0)[0][0]
    mirrored = [np.abs(first - straight).mean() > 4 for first, _ in pairs()]
    assert 5 < sum(mirrored) < 25
    assert all(np.abs(first - second).mean() < 2 for first, second in pairs())  # frames differ a little
    assert max(np.abs(first - second).mean() for first, second in pairs(scale=0.5)) > 1


def test_a_person_is_centred_in_both_views_of_a_pair_or_in_neither(extractor):
    body = np.random.default_rng(0).normal(0, 1, (1, 1, 17, 2))
    walk = body + np.linspace(0, 12, 30)[:, None, None]
    rows = Dataset.from_list([encode_row(walk, np.ones((1, 30, 17)), "coco17")], features=motion_features())
    still = {"flip_prob": 0, "rotation": 0, "scale": 1, "translation": 0, "joint_dropout": 0, "proportions": 0}

    def travelled(center_prob):
        maker = ClipMaker(extractor, Augmentation(**still, center_prob=center_prob))
        samples = MotionSamples(RandomRows(Mixture([rows]), maker, pairs=True), 40, 0)
        pairs = [(samples[i]["keypoints"], samples[i]["other_keypoints"]) for i in range(40)]
        return np.array([[np.ptp(view.mean(1), axis=0).max() for view in pair] for pair in pairs])

    assert travelled(0).min() > 15 and travelled(1).max() < 1  # pixels of 36
    centred = travelled(0.5) < 1
    assert (centred[:, 0] == centred[:, 1]).all() and 8 < centred[:, 0].sum() < 32


def test_a_stream_gives_pairs_too(corpus, extractor):
    stream = StreamedSamples(corpus.select([1]).to_iterable_dataset(), ClipMaker(extractor), 0, pairs=True)
    sample = next(iter(stream))
    assert sample["other_keypoints"].shape == sample["keypoints"].shape == (16, 17, 2)
    assert not np.allclose(sample["keypoints"], sample["other_keypoints"])


def test_a_corpus_without_anybody_is_an_error(corpus, extractor):
    empty = changed(corpus, scores=0.0)
    with pytest.raises(ValueError, match="none of 100 rows drawn .*joint"):
        MotionSamples(RandomRows(Mixture([empty]), ClipMaker(extractor)), 10, 0)[0]
    with pytest.raises(ValueError, match="100 rows of the corpus in a row cannot be clips.*joint"):
        next(iter(StreamedSamples(empty.select(range(30)).to_iterable_dataset(), ClipMaker(extractor), 0)))
    with pytest.raises(ValueError, match="160 of 160 rows have nobody in sight"):
        held_out_clips(empty, extractor)


def test_a_row_that_is_no_motion_is_an_error_at_once(corpus, extractor):
    strange = changed(corpus, layout="centaur")
    with pytest.raises(ValueError, match="centaur"):
        MotionSamples(RandomRows(Mixture([strange]), ClipMaker(extractor)), 10, 0)[0]
    with pytest.raises(ValueError, match="centaur"):
        held_out_clips(strange, extractor)


def test_rows_without_anybody_are_counted_when_measuring(corpus, extractor, caplog):
    rows = [dict(row) for row in corpus]
    rows[1]["scores"] = [0.0] * len(rows[1]["scores"])
    some = Dataset.from_list(rows, features=motion_features())
    assert len(held_out_clips(some, extractor)["keypoints"]) == 3
    assert "1 of 4 rows have nobody in sight in their clip, such as row 1" in caplog.text


def test_samples_fit_the_map(corpus, extractor):
    maker = ClipMaker(extractor, Augmentation(translation=0.0))
    samples = MotionSamples(RandomRows(Mixture([corpus]), maker), 60, 0)
    rows = [samples[i] for i in range(60)]
    assert all(row["keypoints"].shape == (16, 17, 2) and row["keypoints"].dtype == np.float32 for row in rows)
    inside = [(row["keypoints"][row["scores"] > 0] >= 0).all() for row in rows]
    assert all(inside) and all((row["scores"] > 0).any() for row in rows)


def test_augmentation_flips_left_and_right_together():
    keypoints = np.random.default_rng(0).normal(size=(1, 4, 17, 2)).astype(np.float32)
    scores = np.linspace(0.5, 1, 17, dtype=np.float32) * np.ones((1, 4, 1), np.float32)
    plain = Augmentation(flip_prob=1.0, rotation=0, joint_dropout=0, score_noise=0, proportions=0)
    flipped, flipped_scores = plain.vary_picture(keypoints, scores, np.random.default_rng(0))
    assert np.allclose(flipped[:, :, 5], keypoints[:, :, 6] * [-1, 1])
    assert np.allclose(flipped_scores[:, :, 5], scores[:, :, 6])


def lengths(keypoints, *bones):
    return np.stack(
        [np.linalg.norm(keypoints[..., end, :] - keypoints[..., start, :], axis=-1) for start, end in bones]
    )


def test_another_body_moves_as_the_first_did():
    generator = np.random.default_rng(0)
    keypoints = generator.normal(size=(2, 6, 17, 2)).astype(np.float32)
    scores = np.ones((2, 6, 17), np.float32)
    scores[0, 2, 8] = 0  # an elbow
    keypoints[0, 2, 8] = np.nan
    factors = generator.uniform(0.8, 1.2, (2, NUM_LENGTHS)).astype(np.float32)
    other = stretch_bones(keypoints, scores, factors)
    arms, legs = ((5, 7), (7, 9)), ((12, 14), (14, 16))
    ratio = lengths(other, *arms, *legs) / lengths(keypoints, *arms, *legs)
    assert np.allclose(ratio, factors[:, [4, 5, 6, 7]].T[..., None], atol=1e-4), "in every frame, of each person"
    bones = [other[:, :, end] - other[:, :, start] for start, end in arms]
    before = [keypoints[:, :, end] - keypoints[:, :, start] for start, end in arms]
    cosines = [
        (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)
        for a, b in zip(bones, before, strict=True)
    ]
    assert np.allclose(cosines, 1, atol=1e-4), "in the same directions"
    hips = [people[:, :, 11] + people[:, :, 12] for people in (other, keypoints)]
    assert np.allclose(*hips, atol=1e-5)
    assert np.isfinite(other[0, 2, [9, 10]]).all(), "a missing joint says nothing of others"
    right = lengths(other, (6, 8), (8, 10))[:, 1] / lengths(keypoints, (6, 8), (8, 10))[:, 1]
    assert np.allclose(right, factors[1, [4, 5], None], atol=1e-4), "left and right are as long as each other"
    assert np.array_equal(stretch_bones(keypoints, scores, np.ones_like(factors))[1], keypoints[1])


def test_each_view_of_a_pair_has_a_body_of_its_own(corpus, extractor):
    still = {"flip_prob": 0, "rotation": 0, "scale": 1, "translation": 0, "joint_dropout": 0, "score_noise": 0}
    apart = []
    for proportions in (0.0, 0.4):
        maker = ClipMaker(extractor, Augmentation(**still, proportions=proportions))
        samples = MotionSamples(RandomRows(Mixture([corpus.select([0])]), maker, pairs=True), 20, 0)
        pairs = [(samples[i]["keypoints"], samples[i]["other_keypoints"]) for i in range(20)]
        apart.append(np.mean([np.abs(first - second).mean() for first, second in pairs]))
    assert apart[1] > 2 * apart[0] and apart[1] > 1


def test_some_people_are_seen_from_the_hips_up():
    generator = np.random.default_rng(0)
    keypoints, scores = generator.normal(0, 1, (400, 4, 17, 2)), np.ones((400, 4, 17))
    _, seen = Augmentation(half_body_prob=0.4, joint_dropout=0).vary_picture(keypoints, scores, generator)
    seen = seen > 0
    assert (seen == seen[:, :1]).all() and seen[:, :, :11].all()  # the whole clip, and never what is above
    legs, hips = seen[:, 0, 13:], seen[:, 0, 11:13]
    assert (legs == legs[:, :1]).all() and (hips == hips[:, :1]).all()
    assert 120 < (~legs[:, 0]).sum() < 200 and 50 < (~hips[:, 0]).sum() < 110
    assert hips[legs[:, 0]].all()  # legs without hips are nobody


def test_augmentation_never_drops_every_joint():
    scores = np.zeros((1, 4, 17), np.float32)
    scores[:, :, 3] = 1
    heavy = Augmentation(joint_dropout=1.0, score_noise=0.0)
    for seed in range(50):
        _, thinned = heavy.vary_picture(np.zeros((1, 4, 17, 2)), scores, np.random.default_rng(seed))
        assert thinned.any()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("flip_prob", 1.2),
        ("scale", 0.0),
        ("rotation", -1.0),
        ("joint_dropout", -0.1),
        ("center_prob", 2.0),
        ("half_body_prob", -1.0),
        ("proportions", 1.0),
    ],
)
def test_augmentation_says_what_is_wrong(field, value):
    with pytest.raises(ValueError, match=f"{field} is {value}"):
        Augmentation(**{field: value})


def test_held_out_clips_are_fixed_and_leave_out_absent_people(corpus, extractor):
    clips, again = held_out_clips(corpus, extractor), held_out_clips(corpus, extractor)
    assert clips["keypoints"].shape == (4, 16, 17, 2)
    assert torch.equal(clips["keypoints"], again["keypoints"])
    assert len(held_out_clips(corpus, extractor, 2)["keypoints"]) == 2


def test_fixed_clips_carry_their_labels(corpus, extractor):
    clips = held_out_clips(corpus, extractor)
    clips["labels"] = torch.arange(4)[:, None].expand(4, 8)
    samples = MotionSamples(StoredClips(clips), 20, 0, (17, 4))
    for i in range(20):
        sample = samples[i]
        row = int(sample["labels"][0])
        assert torch.equal(sample["keypoints"], clips["keypoints"][row])
    assert not np.array_equal(samples[0]["mask_noise"], samples[1]["mask_noise"])


def test_stream_yields_every_row_and_new_views_each_epoch(corpus, extractor):
    maker = ClipMaker(extractor, Augmentation())
    stream = StreamedSamples(corpus.to_iterable_dataset(num_shards=2), maker, 0)
    first, again = (list(islice(stream, 2 * len(corpus))) for _ in range(2))
    assert all(np.array_equal(a["keypoints"], b["keypoints"]) for a, b in zip(first, again, strict=True))
    seen = {sample["keypoints"].tobytes() for sample in first}
    assert len(seen) == 2 * len(corpus)


def test_every_row_comes_once_an_epoch_in_another_order(corpus, extractor):
    source = EveryRow(corpus, np.arange(4), ClipMaker(extractor, Augmentation()), seed=3)
    samples = MotionSamples(source, 40, 3)
    labels = [int(samples[i]["labels"]) for i in range(40)]
    epochs = [labels[start : start + 4] for start in range(0, 40, 4)]
    assert all(sorted(epoch) == [0, 1, 2, 3] for epoch in epochs) and len({tuple(epoch) for epoch in epochs}) > 3
    first, later = (next(samples[i] for i in range(start, start + 4) if labels[i] == 1) for start in (0, 4))
    assert not np.array_equal(first["keypoints"], later["keypoints"])  # another clip in another epoch
    again = MotionSamples(EveryRow(corpus, np.arange(4), source.maker, seed=3), 40, 3)
    assert np.array_equal(again[7]["keypoints"], samples[7]["keypoints"])


def test_collated_samples_have_as_many_people_as_the_fullest(extractor):
    generator = np.random.default_rng(0)
    motions = [(generator.random((people, 16, 17, 2)), np.ones((people, 16, 17))) for people in (1, 3)]
    batch = collate_samples([{"keypoints": k, "scores": s, "labels": np.int64(n)} for n, (k, s) in enumerate(motions)])
    assert batch["keypoints"].shape == (2, 3, 16, 17, 2) and batch["labels"].tolist() == [0, 1]
    assert not batch["scores"][0, 1:].any() and batch["scores"][1].all()

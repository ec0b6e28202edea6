"""Rows of several corpora: the shares they are drawn by, and what long takes weigh."""

from collections import Counter
from itertools import islice

import numpy as np
import pytest
from accelerate import skip_first_batches
from datasets import Dataset, concatenate_datasets
from torch.utils.data import DataLoader

from motion_data.corpora.mixing import Mixture, mix_streams, recording_weights
from motion_data.schema import encode_row, motion_features
from tokenization_mofm import MoFMFeatureExtractor
from training_mofm.arguments import DataArguments
from training_mofm.samples import ClipMaker, MotionSamples, RandomRows, StreamedSamples


def make_corpus(name, rows, joints=17, layout="coco17", fps=30.0, classes=None, stretches=False):
    generator = np.random.default_rng(len(name))
    data = []
    for number in range(rows):
        keypoints = generator.normal(0, 40, (1, 40, joints, 2)).astype(np.float32)
        scores = np.full(keypoints.shape[:3], (number + 1) / rows, np.float32)  # tells rows apart
        columns = {"fps": fps, "source": f"{name}/{number}", "label": 0 if classes else -1}
        data.append(encode_row(keypoints, scores, layout, num_segments=rows if stretches else 1, **columns))
    return Dataset.from_list(data, features=motion_features(classes))


def shares(rows):
    counts = Counter(row["source"].split("/")[0] for row in rows)
    return {name: count / sum(counts.values()) for name, count in counts.items()}


def test_weights_are_the_shares():
    corpora = [make_corpus("a", 5), make_corpus("b", 50, 25, "openpose25", 60.0, ["walk"])]
    generator = np.random.default_rng(0)
    mixture = Mixture(corpora, [3, 1])
    drawn = [mixture.draw(generator) for _ in range(2000)]
    assert shares(drawn)["a"] == pytest.approx(0.75, abs=0.04)
    assert len({row["source"] for row in drawn}) == 55
    mixture = Mixture(corpora)
    as_one = [mixture.draw(generator) for _ in range(2000)]
    assert shares(as_one)["a"] == pytest.approx(5 / 55, abs=0.03)


def test_the_same_numbers_draw_the_same_rows():
    mixture = Mixture([make_corpus("a", 7), make_corpus("b", 9)], [1, 2])
    first, again = ([mixture.draw(np.random.default_rng(seed))["source"] for seed in range(30)] for _ in range(2))
    assert first == again and len(set(first)) > 5


def test_a_long_take_does_not_drown_the_others():
    long, short = make_corpus("hour", 144, stretches=True), make_corpus("clips", 60)
    weights = recording_weights([*long["num_segments"], *short["num_segments"]])
    assert weights[144:] == pytest.approx(1) and weights[:144].sum() == pytest.approx(12)  # the root of 144
    generator = np.random.default_rng(0)
    mixture = Mixture([long, short])
    drawn = [mixture.draw(generator) for _ in range(2000)]
    assert shares(drawn)["hour"] == pytest.approx(12 / 72, abs=0.03)


def test_layouts_and_frame_rates_mix_in_one_batch():
    corpora = [make_corpus("a", 5), make_corpus("b", 5, 25, "openpose25", 60.0), make_corpus("c", 5, 15, "jhmdb15", 0)]
    extractor = MoFMFeatureExtractor(num_frames=16, heatmap_size=36)
    samples = MotionSamples(RandomRows(Mixture(corpora), ClipMaker(extractor)), 20, 0)
    batch = np.stack([samples[index]["keypoints"] for index in range(20)])
    assert batch.shape == (20, 16, 17, 2) and np.isfinite(batch).all()


@pytest.mark.parametrize("weights", [None, [1.0, 3.0]])
def test_streams_interleave(weights):
    corpora = [make_corpus("a", 40), make_corpus("b", 40, 25, "openpose25", 60.0, ["walk"])]
    streams = [corpus.to_iterable_dataset(num_shards=16) for corpus in corpora]
    mixed = mix_streams(streams, weights, 0)
    rows = list(mixed)
    assert {row["source"] for row in rows} == {f"{name}/{number}" for name in "ab" for number in range(40)}
    assert shares(rows[:60])["b"] == pytest.approx(0.75 if weights else 0.5, abs=0.12)
    assert [row["source"] for row in rows[:40:2]] != [f"a/{number}" for number in range(20)]  # shuffled
    assert [row["source"] for row in mixed] == [row["source"] for row in rows]
    mixed.set_epoch(1)
    assert [row["source"] for row in mixed] != [row["source"] for row in rows]


def streamed(corpus, shards=8, **options):
    stream = mix_streams([corpus.to_iterable_dataset(num_shards=shards)], None, 0)
    return StreamedSamples(stream, ClipMaker(MoFMFeatureExtractor(num_frames=16, heatmap_size=36)), 0, **options)


def row_numbers(samples, count, rows):
    return [round(float(sample["scores"].max()) * rows) - 1 for sample in islice(samples, count)]


def test_a_stream_has_no_end_and_every_epoch_another_order():
    samples = row_numbers(streamed(make_corpus("a", 24)), 72, 24)
    epochs = [samples[start : start + 24] for start in (0, 24, 48)]
    assert [sorted(epoch) for epoch in epochs] == [list(range(24))] * 3
    assert epochs[0] != epochs[1] != epochs[2]


@pytest.mark.parametrize(("shards", "workers"), [(8, 2), (3, 0)], ids=["shards", "rows"])
def test_processes_and_workers_share_the_rows(shards, workers):
    corpus = make_corpus("a", 24)
    seen = []
    for process in range(2):
        clips = streamed(corpus, shards, process_index=process, num_processes=2)
        loader = DataLoader(clips, batch_size=1, num_workers=workers)
        seen.append(row_numbers(loader, 12, 24))
    assert sorted(seen[0] + seen[1]) == list(range(24))


def test_a_stream_that_is_read_again_skips_to_the_same_samples():
    loader = DataLoader(streamed(make_corpus("a", 24)), batch_size=4, num_workers=1)
    whole = [batch["keypoints"] for batch in islice(loader, 10)]
    rest = [batch["keypoints"] for batch in islice(skip_first_batches(loader, 7), 3)]
    assert all((one == other).all() for one, other in zip(whole[7:], rest, strict=True))


def test_a_long_take_does_not_drown_the_others_in_a_stream():
    long, short = make_corpus("hour", 144, stretches=True), make_corpus("clips", 60)
    stream = mix_streams([concatenate_datasets([long, short]).to_iterable_dataset(num_shards=12)], None, 0)
    clips = StreamedSamples(stream, ClipMaker(MoFMFeatureExtractor(num_frames=16, heatmap_size=36)), 0)
    drawn = row_numbers(clips, 1200, 60 * 144)
    of_long = np.mean([number % 60 == 59 and number % 144 != 143 for number in drawn])
    assert of_long == pytest.approx(12 / 72, abs=0.04)


def test_a_stream_without_rows_for_a_process_is_refused():
    clips = streamed(make_corpus("a", 2), 2, process_index=2, num_processes=3)
    with pytest.raises(ValueError, match="no row for process 2 of 3; it must have at least one"):
        next(iter(clips))


@pytest.mark.parametrize("weights", [[1.0], [1.0, 0.0], [1.0, -2.0], [1.0, float("nan")], [1.0, float("inf")]])
def test_wrong_weights_are_refused(weights):
    with pytest.raises(ValueError, match="weights must be one positive number for each of 2 corpora, got"):
        Mixture([make_corpus("a", 2), make_corpus("b", 2)], weights)
    with pytest.raises(ValueError, match="weights must be one positive number for each of 2 corpora, got"):
        DataArguments(dataset=["a", "b"], weights=weights)


def test_no_corpus_is_refused():
    with pytest.raises(ValueError, match="dataset names no corpus"):
        DataArguments(dataset=[])

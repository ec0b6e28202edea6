"""How often the shipped classifier names the action of held-out recordings, among all the actions that it knows.

python -m benchmarks.shipped_head --dataset corpora/uiprmd_kinect corpora/cmu_subset synthetic \
    --rename walking=walk running=run jumping=jump deep_squat=squat
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve each other on a busy machine

import argparse
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import replace

import numpy as np
from transformers import pipeline

import modeling_mofm  # noqa: F401
from modeling_mofm.shipped import SHIPPED
from motion_data.corpora.load import load_corpus
from motion_data.layouts import get_layout
from motion_data.recording import Recording
from motion_data.rows import row_recording
from motion_data.schema import first_row
from training_mofm.evaluation.metrics import bootstrap


def without(recording: Recording, joints: Sequence[str]) -> Recording:
    """Return a recording in which joints, by name, are missing."""
    layout = get_layout(recording.layout)
    scores = np.array(recording.scores)
    scores[..., [layout.joint_index(joint) for joint in joints]] = 0
    return replace(recording, scores=scores)


def held_out(
    name: str, names: Mapping[str, str], count: int, known: Container[str] | None = None
) -> tuple[list[Recording], list[str]]:
    """Return recordings of the test part of a corpus, a seeded choice, and what is done in them.

    Args:
        names: old names of actions and their new ones.
        known: actions that are asked about; None asks about all.
    """
    corpus = load_corpus(name, "test")
    titles = [names.get(title, title) for title in corpus.features["label"].names]
    labels = np.asarray(corpus["label"][:])
    rows = np.flatnonzero([known is None or titles[label] in known for label in labels])
    rows = np.sort(np.random.default_rng(0).permutation(rows)[:count])
    part = corpus.select(rows).with_format("arrow")
    return [row_recording(first_row(part[row])) for row in range(len(part))], [titles[label] for label in labels[rows]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=str(SHIPPED))
    parser.add_argument("--dataset", nargs="+", required=True, help="corpora; their test parts are asked about")
    parser.add_argument("--rename", nargs="*", default=[], help="old=new names of classes")
    parser.add_argument("--hide", nargs="*", default=[], help="joints to take away, as a sensor may not see them")
    parser.add_argument("--clips", type=int, default=400, help="recordings of each, a seeded choice")
    args = parser.parse_args()
    names = dict(pair.split("=") for pair in args.rename)
    recognise = pipeline("motion-classification", model=args.model)
    known = set(recognise.model.config.id2label.values())
    print(f"{len(known)} actions are known")
    for name in args.dataset:
        recordings, true = held_out(name, names, args.clips, known)
        recordings = [without(recording, args.hide) for recording in recordings]
        answers = recognise(recordings, top_k=3, batch_size=16)
        best = np.array([bool(a) and a[0]["label"] == t for a, t in zip(answers, true, strict=True)])
        three = np.array([t in [entry["label"] for entry in a] for a, t in zip(answers, true, strict=True)])
        (_, count), *_ = Counter(true).most_common(1)
        first, among = (bootstrap(lambda hit: float(hit.mean()), hits, num_samples=500) for hits in (best, three))
        print(f"{os.path.basename(name):20s} {len(true):4d} recordings  first {first}  among three {among}  "
              f"commonest class {count / len(true):.3f}", flush=True)  # fmt: skip
        for title in sorted(set(true)):
            own = np.array([t == title for t in true])
            wrong = Counter(a[0]["label"] for a, t in zip(answers, true, strict=True) if t == title and a)
            others = ", ".join(f"{label} {n}" for label, n in wrong.most_common(3) if label != title)
            print(f"    {title:46s} {best[own].mean():.2f} of {own.sum():3d}  {others}")


if __name__ == "__main__":
    main()

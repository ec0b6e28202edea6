"""Turn packed motion sets into ordinary corpora, each with a protocols.json beside it.

python -m benchmarks.real_motion $MOFM_DATA --output corpora [--sets msr_action3d jhmdb14_2d]

A packed set is one .npz file with the frames of all sequences end to end: `keypoints` [frames, (people,) K, 2 or 3],
`offsets` [N + 1], `labels`, `names`, `class_names`, `joint_names`, `fps`; perhaps `confidence`, `subjects` and arrays
of its own splits. What pre-training may see is the split "train", what it must not see "test" and "rest":

| set             | train                                                | test                                  |
| --------------- | ---------------------------------------------------- | ------------------------------------- |
| uiprmd_*        | all other subjects                                   | subjects 9 and 10 (shared by both)    |
| cmu_subset      | `split` is "train" or "none"                         | `split` is "test"                     |
| bandai_namco    | all other classes                                    | the novel classes                     |
| msr_action3d    | `cross_subject` is 0, without the novel classes      | `cross_subject` is 1                  |
| jhmdb14_2d      | train in all 3 splits, without the novel classes     | test in the first split               |
| ymja_hockey_2d  | none                                                 | all                                   |
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from datasets import Dataset, disable_progress_bars

from motion_data.corpora.card import CorpusStatistics, write_card
from motion_data.layouts import match_joint_names
from motion_data.recording import Recording
from motion_data.schema import motion_features, recording_row

# recorded in the sensor's own space, where the sensor's picture is known
CAMERA_SPACE_SETS = ("msr_action3d",)
# classes kept for one-shot evaluation: never pre-trained on
NOVEL_CLASSES = {
    "bandai_namco": ("raise-up-left-hand", "run", "walk-turn-right", "wave-both-hands"),
    "jhmdb14_2d": ("clap", "jump", "pullup", "sit"),
    "msr_action3d": ("hammer", "draw_x", "two_hand_wave", "side_kick", "tennis_serve"),
}
UIPRMD_TEST_SUBJECTS = (9, 10)
NO_PENALTY = "No_penalty"
LICENSES = {
    "uiprmd_kinect": "pddl",
    "uiprmd_vicon": "pddl",
    "bandai_namco": "cc-by-nc-4.0",
}

Arrays = Mapping[str, np.ndarray]


def splits(name: str, arrays: Arrays) -> np.ndarray:
    """Return "train", "test" or "rest" for each sequence."""
    novel_labels = np.flatnonzero(np.isin(arrays["class_names"], NOVEL_CLASSES.get(name, ())))
    novel = np.isin(arrays["labels"], novel_labels)
    if name.startswith("uiprmd"):
        test = np.isin(arrays["subjects"], UIPRMD_TEST_SUBJECTS)
        train = ~test
    elif name == "cmu_subset":
        train, test = np.isin(arrays["split"], ("train", "none")), arrays["split"] == "test"
    elif name == "bandai_namco":
        train, test = ~novel, novel
    elif name == "msr_action3d":
        train, test = (arrays["cross_subject"] == 0) & ~novel, arrays["cross_subject"] == 1
    elif name == "jhmdb14_2d":
        train = np.logical_and.reduce([arrays[f"split{number}"] == 0 for number in (1, 2, 3)]) & ~novel
        test = arrays["split1"] == 1
    elif name == "ymja_hockey_2d":
        train, test = np.zeros_like(novel), np.ones_like(novel)
    else:
        raise ValueError(f"{name} is no set that is known; it must be one of {', '.join(SETS)}")
    return np.where(train, "train", np.where(test, "test", "rest"))


def recordings(name: str, arrays: Arrays) -> list[Recording]:
    """Return the sequences of a set. A joint at the origin or not finite is missing."""
    layout = match_joint_names(arrays["joint_names"].tolist()).name
    keypoints, offsets = arrays["keypoints"], arrays["offsets"]
    keypoints = keypoints[:, None] if keypoints.ndim == 3 else keypoints
    present = np.isfinite(keypoints).all(-1) & (keypoints != 0).any(-1)
    confidence = np.nan_to_num(arrays["confidence"]).clip(0, 1) if "confidence" in arrays else np.ones(present.shape)
    scores = np.where(present, confidence.reshape(present.shape), 0).astype(np.float32)
    split = splits(name, arrays)
    subjects = arrays.get("subjects", np.full(len(offsets) - 1, -1))
    incorrect = ~arrays["correct"].astype(bool) if "correct" in arrays else None
    dimensions = keypoints.shape[-1]
    space = "image" if dimensions == 2 else "camera" if name in CAMERA_SPACE_SETS else "world"
    found = []
    for i, (start, end) in enumerate(zip(offsets[:-1], offsets[1:], strict=True)):
        flags = None if incorrect is None else np.full(end - start, incorrect[i], np.uint8)
        found.append(
            Recording(
                keypoints[start:end].swapaxes(0, 1),
                scores[start:end].swapaxes(0, 1),
                layout,
                name=str(arrays["names"][i]),
                space=space,
                fps=float(arrays["fps"]),
                label=str(arrays["class_names"][arrays["labels"][i]]),
                frame_labels=flags,
                subject=int(subjects[i]),
                split=str(split[i]),
            )
        )
    return found


def protocols(name: str, arrays: Arrays) -> dict:
    """Return what the protocols.json of a set holds.

    | protocol                                | learnt from, asked about                                             |
    | --------------------------------------- | -------------------------------------------------------------------- |
    | jhmdb14_2d/classification               | the three splits of JHMDB, 14 classes                                |
    | */validation                            | within the training rows of the first split: choices are made here   |
    | msr_action3d/classification             | cross-subject, 20 classes                                            |
    | ymja_hockey_2d/classification           | five folds, 5 classes, two players                                   |
    | */one-shot                              | novel classes; the exemplar is the first of its class by name        |
    | uiprmd_*/anomaly, /supervised-anomaly   | 10 movements, five folds of two held-out subjects; correct is normal |
    | uiprmd_*/anomaly-9-10 (and supervised)  | the same for subjects 9 and 10 only                                  |
    | jhmdb14_2d/anomaly, msr_action3d/anomaly | each class once as the normal one, first split                      |
    | the same, /anomaly-validation            | within its training rows: choices are made here                     |
    | ymja_hockey_2d/supervised-anomaly       | penalty against No_penalty, on its folds                             |
    """
    found = _Protocols(name, arrays)
    if name in ("jhmdb14_2d", "msr_action3d", "ymja_hockey_2d"):
        found.add_splits()
    if name in NOVEL_CLASSES:
        found.add_one_shot()
    if name.startswith("uiprmd"):
        found.add_movements()
    return {"lists": found.lists, "protocols": {f"{name}/{task}": spec for task, spec in found.specs.items()}}


class _Protocols:
    """What is added to a protocols.json: lists of recordings, and the protocols of tasks, which name them."""

    def __init__(self, name: str, arrays: Arrays):
        self.name, self.arrays = name, arrays
        self.names, self.labels, self.classes = arrays["names"], arrays["labels"], arrays["class_names"].tolist()
        self.cross_subject = name == "msr_action3d"
        self.lists: dict[str, list[str]] = {}
        self.specs: dict[str, dict] = {}

    def listed(self, title: str, mask: np.ndarray) -> dict:
        self.lists[title] = [f"{self.name}/{sequence}" for sequence in self.names[mask].tolist()]
        return {"recording": title}

    def fold(self, name: str, learn: str, ask: str, train: np.ndarray, test: np.ndarray) -> dict:
        return {"name": name, "learn": self.listed(learn, train), "ask": self.listed(ask, test)}

    def add_splits(self) -> None:
        arrays = self.arrays
        if self.name == "ymja_hockey_2d":
            parts = {f"fold{n}": (arrays["fold5"] != n, arrays["fold5"] == n) for n in range(5)}
        else:
            keys = ["split1", "split2", "split3"] if self.name == "jhmdb14_2d" else ["cross_subject"]
            parts = {key: (arrays[key] == 0, arrays[key] == 1) for key in keys}
        folds = [self.fold(key, f"{key} train", f"{key} test", *part) for key, part in parts.items()]
        task = {"task": "classification", "cross_subject": self.cross_subject}
        self.specs["classification"] = task | {"folds": folds}
        first = next(iter(parts.values()))
        choices = validation_rows(arrays, first[0])
        within = []
        if choices[1].any():
            within = [self.fold("validation", "validation train", "validation", *choices)]
            self.specs["validation"] = task | {"folds": within}
        if self.name == "ymja_hockey_2d":
            normal = {"normal": {"label": [NO_PENALTY]}}
            self.specs["supervised-anomaly"] = {"task": "supervised-anomaly", "folds": [one | normal for one in folds]}
            return
        self.specs["anomaly"] = self.one_class(folds[0], *first)
        if within:
            self.specs["anomaly-validation"] = self.one_class(within[0], *choices)

    def one_class(self, fold: dict, train: np.ndarray, test: np.ndarray) -> dict:
        """Return the protocol in which each class of a fold is once the normal one."""
        labels = self.labels
        chosen = [
            fold | {"name": f"normal is {class_name}", "normal": {"label": [class_name]}}
            for label, class_name in enumerate(self.classes)
            if (labels[train] == label).any() and 0 < (labels[test] != label).mean() < 1
        ]
        return {"task": "anomaly", "cross_subject": self.cross_subject, "folds": chosen}

    def add_one_shot(self) -> None:
        novel = list(NOVEL_CLASSES[self.name])
        by_name = np.argsort(self.names, kind="stable")
        firsts = [by_name[np.argmax(self.labels[by_name] == self.classes.index(label))] for label in novel]
        fold = {
            "name": "novel classes",
            "auxiliary": {"not": {"label": novel}},
            "exemplars": self.listed("exemplars", np.isin(np.arange(len(self.names)), firsts)),
            "queries": {"label": novel, "not": {"recording": "exemplars"}},
        }
        self.specs["one-shot"] = {"task": "one-shot", "folds": [fold]}

    def add_movements(self) -> None:
        pairs = [[2 * number + 1, 2 * number + 2] for number in range(5)]
        for suffix, chosen in (("", pairs), ("-9-10", [list(UIPRMD_TEST_SUBJECTS)])):
            folds = [
                {
                    "name": f"{movement}, subjects {pair[0]} and {pair[1]}",
                    "learn": {"label": [movement], "not": {"subject": pair}},
                    "ask": {"label": [movement], "subject": pair},
                    "normal": {"anomalous": False},
                }
                for movement in self.classes
                for pair in chosen
            ]
            for task in ("anomaly", "supervised-anomaly"):
                self.specs[task + suffix] = {"task": task, "cross_subject": True, "folds": folds}


def validation_rows(arrays: Arrays, train: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which of the training rows are learnt from, and which are asked about, where choices are made.

    These are the last two subjects where subjects are held out, else every fourth recording of a class.
    """
    labels = arrays["labels"]
    if "cross_subject" in arrays:
        ask = train & np.isin(arrays["subjects"], np.unique(arrays["subjects"][train])[-2:])
    else:
        ask = np.zeros(len(train), bool)
        for label in np.unique(labels):
            rows = np.flatnonzero(train & (labels == label))
            ask[rows[np.argsort(arrays["names"][rows], kind="stable")][3::4]] = True
    learn = train & ~ask
    return learn, ask & np.isin(labels, labels[learn])


SETS = ("uiprmd_kinect", "uiprmd_vicon", "cmu_subset", "bandai_namco", "msr_action3d", "jhmdb14_2d", "ymja_hockey_2d")


def write_set(path: Path, folder: Path) -> dict[str, int]:
    """Write the corpus of a set to `folder`, which must not exist, and return the rows of each split."""
    with np.load(path, allow_pickle=False) as file:
        arrays = {key: file[key] for key in file.files}
    name = path.stem
    found = recordings(name, arrays)
    classes = [str(label) for label in arrays["class_names"]]
    features = motion_features(classes)
    rows: dict[str, list[dict]] = {}
    for recording in found:
        row = recording_row(recording, name, license=LICENSES.get(name, ""))
        row["label"] = classes.index(row["label"])
        rows.setdefault(recording.split, []).append(row)
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    (partial / "data").mkdir(parents=True)
    statistics = CorpusStatistics()
    for split, group in rows.items():
        dataset = Dataset.from_list(group, features=features)
        dataset.to_parquet(partial / "data" / f"{split}-00000-of-00001.parquet")
        position = dataset.data.schema.get_field_index("label")
        named = [classes[number] for number in dataset["label"][:]]
        statistics.add(dataset.data.table.set_column(position, "label", [named]), split)
    write_card(partial, statistics, LICENSES.get(name, ""))
    (partial / "protocols.json").write_text(json.dumps(protocols(name, arrays), indent=1) + "\n")
    partial.rename(folder)
    return {split: len(group) for split, group in rows.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets_folder", help="folder of the packed sets")
    parser.add_argument("--output", required=True, help="folder for the corpora; sets that are there stay")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS)
    args = parser.parse_args()
    disable_progress_bars()
    for name in args.sets:
        path, folder = Path(args.sets_folder) / f"{name}.npz", Path(args.output) / name
        if folder.exists():
            print(f"{name}: there already")
        elif not path.is_file():
            print(f"{name}: {path} is no file", file=sys.stderr)
            return 1
        else:
            print(f"{name}: {write_set(path, folder)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

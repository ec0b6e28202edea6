"""Published protocols, as data: which rows of a user's own copy of a set are for training and for testing.

| protocol | source |
| --- | --- |
| ntu60/xsub, ntu60/xview | NTU RGB+D (Shahroudy et al. 2016, section 3.2) |
| ntu120/xsub, ntu120/xset | NTU RGB+D 120 (Liu et al. 2019, section 4.1) |
| ntu120/one-shot | the same, section 4.2: 100 auxiliary and 20 novel classes, with the published exemplars |
| shanghaitech | ShanghaiTech Campus (Luo et al. 2017) |
| hr-shanghaitech | the same without videos whose anomaly is no person's (Morais et al. 2019) |
| chad/1, chad/2 | CHAD (Danesh Pazho et al. 2022): from normal videos, and from 60 % of all with labels |

A corpus has those of its set: NTU by the names of its recordings (S001C002P003R002A013), ShanghaiTech by theirs
(01_0014) in the folders `train` and `test`, prepared with the masks of the set as labels. CHAD's are the lists of
names in the set's folder `splits`, to be copied beside the corpus; its recordings are named 1_071_0.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

NTU_NAME = re.compile(r"S(\d{3})C\d{3}P\d{3}R\d{3}A(\d{3})")
SHANGHAITECH_NAME = re.compile(r"(?:^|/)(train|training|test|testing)/(?:.*/)?(\d{2}_\d{3,4})(?!\d)")
CHAD_NAME = re.compile(r"(?:^|/)([1-4]_\d{1,3}_[01])(?!\d)")
CHAD_TASKS = {"chad/1": "anomaly", "chad/2": "supervised-anomaly"}

_XSUB_60 = [1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38]
_XSUB_120 = [
    *_XSUB_60,
    *(45, 46, 47, 49, 50, 52, 53, 54, 55, 56, 57, 58, 59, 70, 74, 78, 80, 81, 82, 83, 84, 85, 86, 89, 91, 92, 93),
    *(94, 95, 97, 98, 100, 103),
]
_NOVEL = [f"A{number:03d}" for number in range(1, 116, 6)]
# the first ten novel classes were recorded in set-up 1, the others in set-up 18
_EXEMPLARS = [f"S{1 if number < 60 else 18:03d}C003P008R001A{number:03d}" for number in range(1, 116, 6)]
_NOT_OF_PEOPLE = ("01_0130", "01_0135", "01_0136", "06_0144", "06_0145", "12_0152")


def published_protocols(
    folder: Path, recordings: Sequence[str], labels: Sequence[str]
) -> tuple[dict[str, list[str]], dict]:
    """Return the lists and protocols of the set that the rows of a corpus are of, as `protocols.json` has them.

    Args:
        folder: of the corpus.
        recordings, labels: of each row.

    Raises:
        ValueError: a published list that is incomplete, or names what the corpus lacks.
    """
    ntu = [NTU_NAME.search(name) for name in recordings]
    if recordings and all(ntu):
        return _ntu(recordings, [match for match in ntu if match], set(labels))
    campus = [SHANGHAITECH_NAME.search(name) for name in recordings]
    if recordings and all(campus):
        return _shanghaitech(recordings, [match for match in campus if match])
    parking = [CHAD_NAME.search(name) for name in recordings]
    if recordings and all(parking) and (folder / "splits").is_dir():
        return _chad(folder / "splits", recordings, [match for match in parking if match])
    return {}, {}


def _ntu(recordings: Sequence[str], names: list[re.Match], labels: set[str]) -> tuple[dict[str, list[str]], dict]:
    even = sorted({name for name, match in zip(recordings, names, strict=True) if int(match[1]) % 2 == 0})
    chosen = [name for name in recordings if NTU_NAME.search(name)[0] in _EXEMPLARS]
    old = sorted(label for label in labels if label and int(label[1:]) <= 60)
    specs: dict[str, dict] = {}

    def add(name: str, learn: dict, ask: dict, cross_subject: bool = False) -> None:
        fold = {"name": name.split("/")[1], "learn": learn, "ask": ask}
        specs[name] = {"task": "classification", "cross_subject": cross_subject, "folds": [fold]}

    if old:
        add("ntu60/xsub", {"label": old, "subject": _XSUB_60}, {"label": old, "not": {"subject": _XSUB_60}}, True)
        add("ntu60/xview", {"label": old, "camera": ["C002", "C003"]}, {"label": old, "camera": ["C001"]})
    if len(old) < len(labels - {""}):
        add("ntu120/xsub", {"subject": _XSUB_120}, {"not": {"subject": _XSUB_120}}, True)
        add("ntu120/xset", {"recording": "even set-ups"}, {"not": {"recording": "even set-ups"}})
        fold = {
            "name": "novel classes",
            "auxiliary": {"not": {"label": _NOVEL}},
            "exemplars": {"recording": "exemplars"},
            "queries": {"label": _NOVEL, "not": {"recording": "exemplars"}},
        }
        specs["ntu120/one-shot"] = {"task": "one-shot", "folds": [fold]}
    return {"even set-ups": even, "exemplars": chosen}, specs


def _shanghaitech(recordings: Sequence[str], names: list[re.Match]) -> tuple[dict[str, list[str]], dict]:
    train = sorted({name for name, match in zip(recordings, names, strict=True) if match[1].startswith("train")})
    others = {name for name, match in zip(recordings, names, strict=True) if match[2] in _NOT_OF_PEOPLE}
    asked = sorted(set(recordings) - set(train))
    lists = {"train": train, "test": asked, "test of people": [name for name in asked if name not in others]}
    specs = {}
    for name, test in (("shanghaitech", "test"), ("hr-shanghaitech", "test of people")):
        fold = {"name": "test", "learn": {"recording": "train"}, "ask": {"recording": test}}
        specs[name] = {"task": "anomaly", "frames": True, "folds": [fold]}
    return lists, specs


def _chad(splits: Path, recordings: Sequence[str], names: list[re.Match]) -> tuple[dict[str, list[str]], dict]:
    of_video: dict[str, set[str]] = {}
    for recording, match in zip(recordings, names, strict=True):
        of_video.setdefault(match[1], set()).add(recording)
    lists, specs = {}, {}
    for name, task in CHAD_TASKS.items():
        for part in ("train", "test"):
            path = splits / f"{part}_split_{name[-1]}.txt"
            if not path.is_file():
                raise ValueError(f"{splits} lacks {path.name}, one of the four lists that CHAD comes with")
            videos = [Path(line).stem for line in path.read_text().split()]
            missing = sorted(set(videos) - set(of_video))
            if missing:
                raise ValueError(f"{path} names {missing[0]}, which no row of the corpus has")
            lists[f"{name} {part}"] = sorted({recording for video in videos for recording in of_video[video]})
        fold = {"name": "test", "learn": {"recording": f"{name} train"}, "ask": {"recording": f"{name} test"}}
        specs[name] = {"task": task, "frames": True, "folds": [fold]}
    return lists, specs

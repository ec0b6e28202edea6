"""Published protocols, as data: which rows of a user's own copy of a set are learnt from and asked about.

| protocol | source |
| --- | --- |
| ntu60/xsub, ntu60/xview | NTU RGB+D (Shahroudy et al. 2016, section 3.2) |
| ntu120/xsub, ntu120/xset | NTU RGB+D 120 (Liu et al. 2019, section 4.1) |
| ntu120/one-shot | the same, section 4.2: 100 auxiliary and 20 novel classes, with the published exemplars |
| shanghaitech | ShanghaiTech Campus (Luo et al. 2017) |
| hr-shanghaitech | the same without videos whose anomaly is no person's (Morais et al. 2019) |

A corpus has those of its set: NTU by the names of its recordings (S001C002P003R002A013), ShanghaiTech by theirs
(01_0014) in the folders `train` and `test`, prepared with the masks of the set as labels.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

NTU_NAME = re.compile(r"S(\d{3})C\d{3}P\d{3}R\d{3}A(\d{3})")
SHANGHAITECH_NAME = re.compile(r"(?:^|/)(train|training|test|testing)/(?:.*/)?(\d{2}_\d{3,4})(?!\d)")

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


def published_protocols(recordings: Sequence[str], labels: Sequence[str]) -> tuple[dict[str, list[str]], dict]:
    """Return the lists and protocols of the set that the rows of a corpus are of, as `protocols.json` has them.

    Args:
        recordings, labels: of each row.
    """
    ntu = [NTU_NAME.search(name) for name in recordings]
    if recordings and all(ntu):
        return _ntu(recordings, [match for match in ntu if match], set(labels))
    campus = [SHANGHAITECH_NAME.search(name) for name in recordings]
    if recordings and all(campus):
        return _shanghaitech(recordings, [match for match in campus if match])
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

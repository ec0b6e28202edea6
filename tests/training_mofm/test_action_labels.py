"""Actions of several corpora under common names."""

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, Value

from training_mofm.action_labels import NO_ACTION, merge_labels, renamed


def corpus(labels, names=None):
    feature = ClassLabel(names=names) if names else Value("int64")
    return Dataset.from_dict({"label": labels}).cast_column("label", feature)


def test_the_same_action_has_one_number_whatever_its_corpus():
    corpora = [corpus([0, 1, -1], ["walking", "wave"]), corpus([1, 0], ["fall", "walk"]), corpus([3, -1])]
    names, numbers = merge_labels(corpora, {"walking": "walk"})
    assert names == ["fall", "walk", "wave"]
    assert [one.tolist() for one in numbers] == [[1, 2, NO_ACTION], [1, 0], [NO_ACTION, NO_ACTION]]
    assert all(one.dtype == np.int64 for one in numbers)


def test_names_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match=r"rename has 'walk'; it must be old=new"):
        renamed(["walk"])
    with pytest.raises(ValueError, match=r"rename has \['run'\], which no corpus has; there are fall, walk"):
        merge_labels([corpus([0], ["fall", "walk"])], {"run": "jog"})
    with pytest.raises(ValueError, match=r"the corpora have the actions \['walk'\]; at least two are needed"):
        merge_labels([corpus([0], ["walk"]), corpus([1])], {})

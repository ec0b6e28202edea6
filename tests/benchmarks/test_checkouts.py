"""Files of a user's own checkout of another project are imported without running the packages around them."""

import pytest

from benchmarks.checkouts import checkouts, import_from


def test_one_file_is_imported_from_a_checkout(tmp_path):
    folder = tmp_path / "pyskl" / "datasets" / "pipelines"
    folder.mkdir(parents=True)
    for package in (tmp_path / "pyskl", tmp_path / "pyskl" / "datasets", folder):
        (package / "__init__.py").write_text("raise RuntimeError('packages are not run')")
    text = "from ..builder import PIPELINES\nfrom ...utils import Extra, cache_checkpoint\n\n"
    (folder / "maps.py").write_text(text + "@PIPELINES.register_module()\nclass Maps:\n    size = Extra\n")
    found = checkouts([f"pyskl={tmp_path}"])
    assert import_from(found["pyskl"], "pyskl.datasets.pipelines.maps", utils={"Extra": 3}).Maps.size == 3


def test_a_file_that_is_in_no_package_is_imported(tmp_path):
    (tmp_path / "models.py").write_text("SIZE = 5\n")
    assert import_from(checkouts([f"sparta={tmp_path}"])["sparta"], "models").SIZE == 5


@pytest.mark.parametrize("text", ["pyskl", "pyskl=nowhere", "other=."])
def test_a_folder_without_the_peer_is_refused(text):
    with pytest.raises(ValueError, match=f"peer is '{text}'; it must be <name>=<folder of its checkout>, name: pyskl"):
        checkouts([text])

"""Where the parts of the package are; all other metadata is in pyproject.toml.

The scripts of `run/` go into the package as `training_mofm/run`, so that the command `mofm` finds them where there is
no clone; the folder `mofm` holds the weights that come along.
"""

from pathlib import Path

from setuptools import find_packages, setup

ROOMS = ["motion_data*", "tokenization_mofm*", "modeling_mofm*", "training_mofm*"]

setup(
    packages=[*find_packages(include=ROOMS), "training_mofm.run", "mofm"],
    package_dir={"training_mofm.run": "run"},
    data_files=[
        ("share/mofm", ["model_card.md"]),  # the template of model cards
        ("share/mofm/clips", [path.as_posix() for path in sorted(Path("docs/clips").glob("*.json"))]),
    ],
    package_data={"": ["py.typed"], "mofm": ["*.json", "*.safetensors", "README.md", "dved/*"]},
)

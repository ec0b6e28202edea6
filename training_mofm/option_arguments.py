"""What files may not say themselves, as options of a script: one for each field of `ReadOptions` that tells it."""

from __future__ import annotations

import argparse
from typing import Any

from motion_data.inputs import INPUT_OPTIONS
from motion_data.layouts import layout_names
from motion_data.options import COORDINATES, ORIGINS, UNITS, UP_AXES

NAMES = tuple(name for name in INPUT_OPTIONS if name != "poses")  # which is told by options of its own


def add_read_options(parser: argparse.ArgumentParser) -> None:
    """Add the options; what a file does say is kept."""
    said = parser.add_argument_group("what files may not say themselves; what they do say is kept")
    said.add_argument("--layout", choices=layout_names(), help="skeleton layout")
    said.add_argument("--fps", type=float, help="frames per second")
    said.add_argument("--frame-size", type=int, nargs=2, help="width and height in pixels")
    said.add_argument("--coordinates", choices=COORDINATES, help="what the last axis of arrays holds; c is the score")
    said.add_argument("--axes", help="order of the axes of arrays: M people, F frames, K joints, C coordinates")
    said.add_argument("--units", choices=UNITS, help="of 3D coordinates; else from the length of the limbs")
    said.add_argument("--origin", choices=ORIGINS, help="where (0, 0) of 2D is; else from signs")
    said.add_argument("--up-axis", choices=UP_AXES, help="of 3D coordinates; else from the bodies")
    said.add_argument("--min-score", type=float, help="joints below it are missing")
    said.add_argument("--max-score", type=float, help="score that means certain")
    said.add_argument("--split", help="which of the splits of a file that states several")
    said.add_argument("--override", nargs="+", help="options that win over what files say")


def given_options(args: argparse.Namespace) -> dict[str, Any]:
    """Return those that were given, by the names of their fields."""
    given = {name: value for name in NAMES if (value := getattr(args, name)) is not None}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}

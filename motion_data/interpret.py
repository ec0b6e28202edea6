"""What the numbers of an array mean: axes, coordinates, scores, missing joints, units and the axis that points up.

Each decision is stated by the user (`ReadOptions`), or follows from a rule below that is noted where it is no matter
of course, or is refused with the name of the option that decides.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce

import numpy as np

from .body_scale import body_height, body_up
from .layouts import get_layout, layouts_with
from .notes import note
from .options import AXES, UNITS, ReadOptions

PIXELS = 10.0  # coordinates beyond this are no metres of a person and no fractions of a picture
SLACK = 1.25  # heat-map peaks and classifiers exceed 1 a little
EQUAL = 100  # scores, for their being equal to be no chance
PERCENT = (20.0, 100.0)  # the largest score is above the first and at most the second: percentages
HEIGHTS = (0.5, 2.6)  # metres of a person, children included
SAMPLE_FRAMES = 2000  # in which a long array is looked at before anything is decided


@dataclass
class Poses:
    """Interpreted key-points.

    Args:
        keypoints: `[M, F, K, C]` float64, C = 2 or 3; in 3D metres, y up. 0 where a joint is missing.
        scores: `[M, F, K]` float64 in [0, 1]; 0 is a missing joint.
        layout: name of the skeleton layout.
    """

    keypoints: np.ndarray
    scores: np.ndarray
    layout: str


def interpret(
    keypoints: object,
    scores: object,
    options: ReadOptions,
    layout: str | None = None,
    default_layout: str | None = None,
) -> Poses:
    """Find out what an array of key-points means.

    Args:
        keypoints: numbers with the axes F, K, C and perhaps M.
        scores: the same without C; None where coordinates hold them, or every joint with coordinates is certain.
        options: what the user says.
        layout: what the source states.
        default_layout: where it fits and nothing else says which.

    Raises:
        ValueError: an array that cannot be key-points, or that may be two things; the message names the option.
    """
    values = unflattened(as_numbers("keypoints", keypoints), stated_layout(options, layout))
    marks = None if scores is None else as_numbers("scores", scores)
    return apply(values, marks, decide(values, marks, options, layout, default_layout))


def decide(
    keypoints: np.ndarray,
    scores: np.ndarray | None,
    options: ReadOptions,
    layout: str | None = None,
    default_layout: str | None = None,
) -> ReadOptions:
    """Return options that leave nothing open about an array, from up to `SAMPLE_FRAMES` of its frames.

    Args and errors are those of `interpret`; the arrays may be mapped files.
    """
    stated = stated_layout(options, layout)
    axes = choose_axes(keypoints, options, get_layout(stated).num_joints if stated else None)
    frames = keypoints.shape[axes.index("F")]
    chosen = np.arange(0, frames, -(-frames // SAMPLE_FRAMES))
    sample = _reordered(np.take(keypoints, chosen, axes.index("F")), axes).astype(np.float64)
    name = layout_of(sample.shape[2], stated, default_layout)
    kind = choose_coordinates(sample, options, scores is not None)
    options = replace(options, axes=axes, layout=name, coordinates=kind)
    sample = x_first(sample, kind)
    if scores is not None:
        if options.coordinates.endswith("c"):
            raise ValueError("scores are given twice: the last axis of keypoints holds them too; leave one out")
        shape = tuple(keypoints.shape[axes.index(letter)] if letter in axes else 1 for letter in "MFK")
        marks = _scores_like(scores, axes, shape)[:, chosen].astype(np.float64)
    else:
        marks = sample[..., -1] if options.coordinates.endswith("c") else np.ones(sample.shape[:-1])
    coordinates = sample[..., :-1] if options.coordinates.endswith("c") else sample
    options = replace(options, max_score=options.max_score or choose_max_score(marks))
    marks = np.where(is_joint(coordinates), as_scores(marks, options.max_score), 0)
    if scores is not None or options.coordinates.endswith("c"):
        note_equal_scores(marks)
    if coordinates.shape[-1] == 3:
        options = replace(options, units=choose_units(coordinates, marks, name, options))
        return replace(options, up_axis=choose_up_axis(coordinates, marks, name, options))
    options = replace(options, origin=options.origin or choose_origin(coordinates[marks > 0], options))
    if options.origin != "elsewhere":
        marks = np.where(is_beyond(coordinates), 0, marks)
    present = coordinates[marks > 0]
    if not len(present) or not are_fractions(present):
        return replace(options, frame_size=(0, 0))
    if 0 in options.frame_size:
        note(
            "coordinates nearly all lie within 1, and x and y are taken for the same unit; if they are fractions of a "
            "picture, give frame_size (its width and height)"
        )
        return options
    note(f"coordinates are fractions of the picture and multiplied by frame_size {options.frame_size}")
    return options


def apply(keypoints: np.ndarray, scores: np.ndarray | None, options: ReadOptions) -> Poses:
    """Return the key-points of an array, or of a part of its frames, as `decide` decided."""
    values = x_first(_reordered(np.asarray(keypoints, np.float64), options.axes), options.coordinates)
    has_scores = options.coordinates.endswith("c")
    coordinates = values[..., :-1] if has_scores else values
    if scores is not None:
        marks = _scores_like(scores, options.axes, values.shape[:3])
    else:
        marks = values[..., -1] if has_scores else np.ones(values.shape[:-1])
    with np.errstate(over="ignore", invalid="ignore"):
        placed = is_joint(coordinates)
        if coordinates.shape[-1] == 2 and options.origin != "elsewhere":
            placed &= ~is_beyond(coordinates)
        marks = np.where(placed, as_scores(marks, options.max_score), 0)
        marks = np.where(marks >= options.min_score, marks, 0)
        coordinates = np.where((marks > 0)[..., None], coordinates, 0)
        if coordinates.shape[-1] == 3:
            coordinates = coordinates * UNITS[options.units] @ up_rotation(options.up_axis).T
        elif 0 not in options.frame_size:
            coordinates = coordinates * options.frame_size
    return Poses(coordinates, marks, options.layout)


def as_numbers(field: str, values: object) -> np.ndarray:
    """Return an array of float64.

    Raises:
        ValueError: it holds anything but numbers, or is nested unevenly.
    """
    if hasattr(values, "detach"):  # a torch tensor; torch is not imported here
        values = values.detach().cpu().double().numpy()
    try:
        if isinstance(values, np.ma.MaskedArray):  # what is masked is missing
            return values.astype(np.float64).filled(np.nan)
        array = np.asarray(values)
        if array.dtype.kind == "c":
            raise TypeError("they are complex")
        if array.dtype.kind not in "fiub":
            array = array.astype(np.float64)
        return array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{field} must be an array of numbers, or nested lists of equal lengths: {error}") from error


def unflattened(values: np.ndarray, layout: str | None) -> np.ndarray:
    """Return `[frames, numbers]` of a stated layout, 2 to 4 of one joint after the other, as `[F, K, C]`."""
    joints = get_layout(layout).num_joints if layout and values.ndim == 2 else 0
    if not joints or values.shape[1] % joints or values.shape[1] // joints not in (2, 3, 4):
        return values
    note(f"each frame has {values.shape[1]} numbers, which are taken for those of one joint after the other")
    return values.reshape(len(values), joints, -1)


def choose_axes(values: np.ndarray, options: ReadOptions, num_joints: int | None) -> str:
    """Return the order of the axes.

    1. `options.axes`, if given.
    2. Three axes are F, K, C and four are M, F, K, C, where C is 2, 3 or 4 ...
    3. ... but C, F, K, M (ST-GCN) if the last axis is 1, or cannot be C while the first can.
    4. Refused: fewer frames than people (F, M, K, C look so), and 3 x F x (18 or 25) x 2 in small numbers, which may
       be three people or three coordinates of two.

    Raises:
        ValueError: see above; the message names `axes`.
    """
    shape = values.shape
    if values.dtype.kind not in "fiub" or 0 in shape:
        raise ValueError(f"keypoints is {values.dtype} {shape}; it must hold numbers of at least 1 person and frame")
    order = options.axes
    if order is not None:
        if values.ndim != len(order):
            raise ValueError(f"keypoints has shape {shape}; with axes {order!r} it must have {len(order)} axes")
    elif values.ndim == 3:
        order = "FKC"
    elif values.ndim == 4:
        order = AXES
        if shape[3] == 1 or shape[3] not in (2, 3, 4) and shape[0] in (2, 3):
            order = "CFKM"
            note(f"keypoints {shape} are taken for coordinates, frames, joints, people (axes 'CFKM')")
    else:
        hint = ""
        if values.ndim == 2 and any(shape[1] % size == 0 and layouts_with(shape[1] // size) for size in (2, 3)):
            hint = f"; {shape[1]} may be joints x coordinates: name the layout, or reshape it"
        raise ValueError(
            f"keypoints has shape {shape}; it must be [people, frames, joints, 2], or [frames, joints, 2] for 1 "
            f"person, with 3 for x, y, score or x, y, z{hint}"
        )
    people, frames, size = (shape[order.index(letter)] if letter in order else 1 for letter in "MFC")
    if size not in (2, 3, 4):
        raise ValueError(
            f"keypoints has {size} coordinates in shape {shape}; it must be 2, or 3 (x, y, score or x, y, z), or axes "
            "must say where they are"
        )
    if options.axes is None and values.ndim == 4:
        if people > frames:
            raise ValueError(
                f"keypoints has shape {shape}: {people} people of {frames} frames. If it is frames first give "
                "axes='FMKC', else axes='MFKC'"
            )
        if order == AXES and shape[0] == 3 and size == 2 and shape[2] in (18, 25) and num_joints in (None, 18, 25):
            sample = np.asarray(values[:, :: -(-shape[1] // SAMPLE_FRAMES)], np.float64)
            if np.nanmax(np.abs(sample), initial=0) <= PIXELS:
                raise ValueError(
                    f"keypoints has shape {shape}, which may be three people or three coordinates of two people "
                    "(ST-GCN); give axes='MFKC' or axes='CFKM'"
                )
    return order


def _reordered(values: np.ndarray, order: str) -> np.ndarray:
    if "M" not in order:
        values, order = values[None], "M" + order
    return values.transpose([order.index(letter) for letter in AXES])


def _scores_like(scores: np.ndarray, order: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return scores `[M, F, K]` whose axes are those of the key-points without C; one person may lack M."""
    axes = order.replace("C", "")
    if scores.ndim == len(axes):
        if "M" not in axes:
            scores, axes = scores[None], "M" + axes
        scores = scores.transpose([axes.index(letter) for letter in "MFK"])
    elif scores.ndim == 2 and shape[0] == 1:
        scores = scores[None]
    if scores.shape != shape:
        raise ValueError(
            f"scores has shape {scores.shape}; it must be {shape}, or without its first axis for one person"
        )
    return scores


def stated_layout(options: ReadOptions, layout: str | None) -> str | None:
    """Return the layout that a source states, or else that of the options, unless these override it."""
    return options.layout if options.layout and (options.overrides("layout") or not layout) else layout


def layout_of(num_joints: int, layout: str | None, default: str | None = None) -> str:
    """Return the layout given if it fits, else the default if that fits, else the only one there is.

    Raises:
        ValueError: it does not fit, or there is none or more than one of that number; naming `layout`.
    """
    candidates = layouts_with(num_joints)
    if layout is None:
        if default in candidates:
            return default
        if len(candidates) != 1:
            known = f"it may be {' or '.join(candidates)}" if candidates else "no layout has that many"
            raise ValueError(f"keypoints has {num_joints} joints without names, and {known}; name the layout")
        return candidates[0]
    allowed = get_layout(layout).num_joints
    if num_joints != allowed:
        hint = (
            f"layouts with {num_joints} joints: {', '.join(candidates)}" if candidates else "no layout has that many"
        )
        raise ValueError(f"keypoints has {num_joints} joints, but layout {layout!r} has {allowed} ({hint})")
    return layout


def choose_coordinates(values: np.ndarray, options: ReadOptions, has_scores: bool = False) -> str:
    """Return what the last axis of `[M, F, K, C]` holds, one of `options.COORDINATES`.

    1. `options.coordinates`, if given. Two values are x, y.
    2. Three values are x, y, score if x or y goes beyond `PIXELS` and the third lies in [-1, 1] (up to `SLACK`; 0 or
       less is missing); x, y, z if the third leaves that range, if it is negative where x and y do not go beyond
       `PIXELS`, or if scores are given apart.
    3. Refused: three values that may be either; four.

    Raises:
        ValueError: naming `coordinates`.
    """
    size = values.shape[-1]
    kind = options.coordinates or ("xy" if size == 2 else None)
    if kind is None and size == 3:
        finite = np.isfinite(values).all(-1)
        third, reach = values[..., 2][finite], np.abs(values[..., :2][finite]).max(initial=0)
        lowest = -1.0 if reach > PIXELS else 0.0
        if len(third) and (third.min() < lowest or third.max() > SLACK):
            kind = "xyz"
        elif reach > PIXELS:
            kind = "xyc"
            note("the third value of keypoints is in [0, 1] and taken for the score (coordinates 'xyc')")
        elif has_scores:
            kind = "xyz"
    if kind is None:
        raise ValueError(
            f"the last axis of keypoints has {size} values, whose meaning cannot be told; give coordinates='xyc' "
            "(x, y, score), 'yxc' (of MoveNet), 'xyz' (3D) or 'xyzc'"
        )
    if len(kind) != size:
        raise ValueError(f"coordinates is {kind!r}, but the last axis of keypoints has {size} values")
    return kind


def is_picture_by_picture(shape: tuple[int, ...]) -> bool:
    """Tell whether an array is `[F, 1, 1, K, C]`, the answers of MoveNet: clips of one frame are no motion."""
    return len(shape) == 5 and shape[1:3] == (1, 1) and shape[0] > 1


def x_first(values: np.ndarray, coordinates: str) -> np.ndarray:
    """Return key-points `[..., C]` with x before y, whatever `coordinates` says of them."""
    return values[..., [1, 0, *range(2, values.shape[-1])]] if coordinates.startswith("y") else values


def is_joint(coordinates: np.ndarray) -> np.ndarray:
    """Tell where joints `[..., C]` are: finite, and not exactly at the origin or (-1, -1), which mean nowhere."""
    axes = np.moveaxis(coordinates, -1, 0)  # one by one: numpy is slow over an axis of 2 or 3
    with np.errstate(invalid="ignore"):
        placed = reduce(np.logical_and, [np.isfinite(axis) for axis in axes])
        placed &= reduce(np.logical_or, [axis != 0 for axis in axes])
        return placed & ((axes[0] != -1) | (axes[1] != -1)) if len(axes) == 2 else placed


def choose_origin(present: np.ndarray, options: ReadOptions) -> str:
    """Return where (0, 0) of the 2D joints `[N, 2]` of an array is, one of `options.ORIGINS`.

    It is the corner of a picture where `frame_size` is given, or no joint has just one negative coordinate: around a
    body that stands in the middle there are as many of these as of any other.
    """
    return "corner" if 0 not in options.frame_size or not ((present < 0).sum(-1) == 1).any() else "elsewhere"


def is_beyond(xy: np.ndarray) -> np.ndarray:
    """Tell which joints `[..., 2]` are beyond the corner of a picture, where some estimators put what is missing."""
    with np.errstate(invalid="ignore"):
        return np.asarray((xy[..., 0] < 0) & (xy[..., 1] < 0))


def choose_max_score(scores: np.ndarray) -> float:
    """Return the score that means certain: 1 if none is above `SLACK`, 100 if they look like percentages.

    Raises:
        ValueError: scores that reach anything else; naming `max_score`.
    """
    largest = np.where(np.isfinite(scores), scores, 0).max(initial=0)
    if largest <= SLACK:
        return 1.0
    if PERCENT[0] < largest <= PERCENT[1]:
        note("scores reach beyond 1 and are taken for percentages (max_score 100)")
        return 100.0
    raise ValueError(
        f"scores reach {largest:.6g}; they must be from 0 to 1, or max_score must say which score means certain"
    )


def as_scores(scores: np.ndarray, max_score: float = 0.0) -> np.ndarray:
    """Return scores as parts of `max_score` (0: `choose_max_score`), cut off at 1.

    A score that is NaN, 0 or less is 0: the joint is missing.
    """
    scores = np.asarray(scores, np.float64)
    max_score = max_score or choose_max_score(scores)
    return np.where(np.isfinite(scores) & (scores > 0), (scores / max_score).clip(0, 1), 0)


def note_equal_scores(scores: np.ndarray) -> None:
    """Note that scores which a source states are all the same, if they are many: they say nothing."""
    present = scores[scores > 0]
    if len(present) > EQUAL and (present == present[0]).all():
        equal = f"the scores of all joints are equal, {present[0]:.4g}, and do not tell"
        note(f"{'no score tells' if present[0] == 1 else equal} joints that were seen from others")


def are_fractions(present: np.ndarray) -> bool:
    """Tell whether the coordinates `[N, 2]` of joints are fractions of a picture: nearly all lie in [0, 1]."""
    return bool(np.quantile(np.abs(present), 0.9) <= 1.0)


def choose_units(coordinates: np.ndarray, scores: np.ndarray, layout: str, options: ReadOptions) -> str:
    """Return the unit of 3D coordinates: `options.units`, else the first in which a person has a person's height.

    Raises:
        ValueError: no unit gives a person's height; naming `units`.
    """
    if options.units:
        return options.units
    height = body_height(coordinates, scores, layout)
    if height is None:  # neither a leg nor an arm in sight: nothing can be told
        return "m"
    for unit, metres in UNITS.items():
        if HEIGHTS[0] <= height * metres <= HEIGHTS[1]:
            if unit != "m":
                note(f"a person would be {height:.4g} m high; coordinates are taken for {unit} (units {unit!r})")
            return unit
    raise ValueError(f"a person would be {height:.4g} units high, which is a person's height in no unit; give units")


def choose_up_axis(coordinates: np.ndarray, scores: np.ndarray, layout: str, options: ReadOptions) -> str:
    """Return the axis of 3D coordinates that points up.

    It is `options.up_axis`; else the one along which bodies (ankles to shoulders) point in at least 80 % of the frames
    in which both are present; else y.
    """
    axis = options.up_axis or body_up(coordinates, scores, layout) or "y"
    if axis != "y" and options.up_axis is None:
        note(f"bodies point along {axis} in most frames, which is taken for up (up_axis {axis!r})")
    return axis


def up_rotation(axis: str) -> np.ndarray:
    """Return the `[3, 3]` rotation that turns `axis`, one of `UP_AXES`, to y."""
    return {
        "y": np.eye(3),
        "-y": np.diag([1.0, -1.0, -1.0]),  # as in camera space: left and right stay
        "z": np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]),
        "-z": np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]),
        "x": np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]),
        "-x": np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]]),
    }[axis]

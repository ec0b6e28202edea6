"""A jointed human body: proportions, joint limits and forward kinematics, vectorised over clips and frames.

Segment lengths are fractions of stature after Drillis and Contini (1966), as printed in Winter, "Biomechanics and
Motor Control of Human Movement", figure 4.1. The world is right-handed: y is up, a body at rest faces +z and its left
is +x.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np

# Fractions of stature. The breadths of the figure are those of the skin; joint centres lie a little inside of them.
UPPER_ARM, FOREARM = 0.186, 0.146
THIGH, SHANK = 0.245, 0.246
ANKLE_HEIGHT, HEEL_BEHIND_ANKLE, TOE_BEFORE_ANKLE = 0.039, 0.040, 0.112
HALF_SHOULDERS, HALF_HIPS = 0.110, 0.056
PELVIS, LUMBAR, THORAX, SHOULDER_DROP = 0.060, 0.105, 0.146, 0.023
# Offsets from the base of the neck in the frame of the head (left, up, forward), of the left side where there are two.
NOSE, EYE, EAR = (0.0, 0.070, 0.082), (0.019, 0.092, 0.068), (0.042, 0.082, 0.020)

# Lowest and highest angle in degrees. Knees and elbows bend one way only. The first group has one angle, the second a
# left and a right one. Positive is: lean forward, lean to the right, turn to the left; a limb forward, outward, turned
# inward; a bent knee or elbow; toes up.
TRUNK_LIMITS = {
    "yaw": (-np.inf, np.inf),
    "pitch": (-100.0, 100.0),
    "roll": (-100.0, 100.0),
    "spine_flexion": (-25.0, 70.0),
    "spine_side": (-30.0, 30.0),
    "spine_twist": (-45.0, 45.0),
    "neck_flexion": (-45.0, 45.0),
    "neck_side": (-35.0, 35.0),
    "neck_turn": (-70.0, 70.0),
}
LIMB_LIMITS = {
    "shoulder_flexion": (-50.0, 178.0),
    "shoulder_abduction": (-20.0, 170.0),
    "shoulder_rotation": (-95.0, 85.0),
    "elbow_flexion": (3.0, 148.0),
    "hip_flexion": (-25.0, 130.0),
    "hip_abduction": (-20.0, 50.0),
    "hip_rotation": (-40.0, 40.0),
    "knee_flexion": (2.0, 145.0),
    "ankle_flexion": (-50.0, 35.0),
}
# Angles that change sign when left and right are exchanged.
LATERAL_ANGLES = ("yaw", "roll", "spine_side", "spine_twist", "neck_side", "neck_turn")

# Radius of the flesh around the points that may touch the ground, as a fraction of stature, in the order of
# `Skeleton.contacts`: heels and toes (the soles themselves), knees, hips, shoulders, elbows, wrists and ears.
NUM_SOLES = 4
CONTACT_RADII = np.repeat([0.0, 0.0, 0.030, 0.055, 0.045, 0.022, 0.015, 0.040], 2).astype(np.float32)
_CONTACT_SOFTNESS = 0.012  # metres within which the points nearest to the ground share the weight of the body
# Seconds over which muscles and soft soles even out the path of the hips. In a glide the next foot lands with the leg
# bent, which takes the height of a step more evenly.
_SUPPLENESS, _GLIDING_SUPPLENESS = 0.035, 0.075
# What moves the body as a whole: height above the ground (metres), speed added to what the feet make (metres per
# second, forward), whether the feet make an even speed (1) or one that follows each step (0), and whether every
# contact may touch the ground (1) or the soles only (0).
ROOT_CHANNELS = ("lift", "travel", "glide", "sprawl")

NUM_TRAITS = 20
_TRAIT_STREAM = 0x5B0D  # keeps the people of the corpus apart from every other use of the same numbers
_SIDE_SIGN = np.array([1.0, -1.0], np.float32)[:, None, None]


@lru_cache(maxsize=65536)
def subject_traits(subject: int) -> np.ndarray:
    """Return the `NUM_TRAITS` normal deviates, within 2.5, that make up person `subject`; read-only float32.

    The first seven shape the body (`body_lengths`); what the others mean is up to the one who moves it.
    """
    generator = np.random.default_rng([_TRAIT_STREAM, subject])
    traits = np.clip(generator.standard_normal(NUM_TRAITS), -2.5, 2.5).astype(np.float32)
    traits.flags.writeable = False
    return traits


def body_lengths(traits: np.ndarray) -> dict[str, np.ndarray]:
    """Return the lengths in metres of the bodies of people with `traits` [N, NUM_TRAITS].

    Returns:
        arrays [N, 1] by name: `stature`, `legs`, `arms`, `forearms`, `shoulders`, `hips`, `trunk` and `head`. All but
        the stature are the scale by which to multiply a fraction of stature.
    """
    spread = {"legs": 0.03, "arms": 0.03, "forearms": 0.02, "shoulders": 0.08, "hips": 0.08, "head": 0.05}
    stature = np.clip(1.70 + 0.095 * traits[:, :1], 1.48, 1.96)
    lengths = {name: stature * (1 + s * traits[:, i : i + 1]) for i, (name, s) in enumerate(spread.items(), start=1)}
    # People with long legs have a short trunk, at the same stature.
    return {**lengths, "forearms": lengths["forearms"] * lengths["arms"] / stature, "stature": stature} | {
        "trunk": stature * (1 - spread["legs"] * traits[:, 1:2])
    }


def clamp_angles(angles: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return `angles` (degrees, by the names of the limits) within the limits of the joints."""
    limits = TRUNK_LIMITS | LIMB_LIMITS
    return {name: np.clip(values, *limits[name]) for name, values in angles.items()}


def mirror_angles(angles: Mapping[str, np.ndarray], mirrored: np.ndarray) -> dict[str, np.ndarray]:
    """Exchange left and right in the clips where `mirrored` [N] is true; angles as in `forward_kinematics`."""
    sign = np.where(mirrored, -1, 1).astype(np.float32)[:, None]
    swapped = {name: np.where(mirrored[:, None], angles[name][::-1], angles[name]) for name in LIMB_LIMITS}
    return swapped | {name: angles[name] * (sign if name in LATERAL_ANGLES else 1) for name in TRUNK_LIMITS}


def planted(
    thigh: np.ndarray,
    knee: np.ndarray,
    pitch: np.ndarray | float,
    abduction: np.ndarray,
    rotation: np.ndarray,
) -> dict[str, np.ndarray | float]:
    """Return legs whose flat feet stay as far apart as those of straight legs.

    Args:
        thigh, knee: degrees by which the thigh is forward from upright, and the knee bent.
        pitch: degrees by which the pelvis leans forward.
        abduction, rotation: degrees of the hips of straight legs.

    Returns:
        degrees by the names of the limits, each an array that broadcasts to [2, N, F] ([N, F] for `pitch`).
    """
    bend, aside = np.deg2rad(knee), np.deg2rad(abduction)
    # Toes turned out by a rotation of the hip point inward once the knee is past a right angle; it undoes itself.
    rotation = rotation * np.maximum(np.cos(bend), 0)
    # Thigh and shank are about as long as each other. The foot is aside by this many lengths:
    # sin(a) + cos(bend) sin(a) + sin(bend) sin(rotation) cos(a), to be 2 sin(abduction).
    across, along = 1 + np.cos(bend), np.sin(bend) * np.sin(np.deg2rad(rotation))
    ratio = 2 * np.sin(aside) / np.hypot(across, along)
    spread = np.rad2deg(np.arcsin(np.clip(ratio, -0.85, 0.85)) - np.arctan2(along, across))
    return {
        "pitch": pitch,
        "hip_flexion": thigh + pitch,
        "hip_abduction": spread,
        "hip_rotation": rotation,
        "knee_flexion": knee,
        "ankle_flexion": knee - thigh,
    }


def forward_kinematics(
    angles: Mapping[str, np.ndarray], lengths: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Place the joints of a body whose mid-hip stays at the origin.

    Args:
        angles: degrees; one array [N, F] for each of `TRUNK_LIMITS`, one [2, N, F] (left, right) for each of
            `LIMB_LIMITS`.
        lengths: of `body_lengths`.

    Returns:
        `joints` [17, 3, N, F], COCO-17 in metres, and `contacts` [16, 3, N, F], the points that may touch the ground
        in the order of `CONTACT_RADII`.
    """
    radians = {name: np.deg2rad(values).astype(np.float32) for name, values in angles.items()}
    num_clips, num_frames = radians["yaw"].shape
    frame = np.zeros((3, 3, num_clips, num_frames), np.float32)  # axis, its component, N, F
    frame[[0, 1, 2], [0, 1, 2]] = 1

    pelvis = _turn(_turn(_turn(frame, 1, radians["yaw"]), 0, radians["pitch"]), 2, radians["roll"])
    # Half of the bend of the spine happens at the lumbar joint, half at the thoracic one.
    bend = [(1, radians["spine_twist"] / 2), (0, radians["spine_flexion"] / 2), (2, radians["spine_side"] / 2)]
    lumbar = _turns(pelvis, bend)
    thorax = _turns(lumbar, bend)
    head = _turns(thorax, [(1, radians["neck_turn"]), (0, radians["neck_flexion"]), (2, radians["neck_side"])])

    trunk = lengths["trunk"]
    neck = trunk * (PELVIS * pelvis[1] + LUMBAR * lumbar[1] + THORAX * thorax[1])  # 3 N F
    half_shoulders = HALF_SHOULDERS * lengths["shoulders"] * thorax[0]
    shoulders = _sided(neck - SHOULDER_DROP * trunk * thorax[1], half_shoulders)
    hips = _sided(np.zeros_like(neck), HALF_HIPS * lengths["hips"] * pelvis[0])
    upper_arm = _limb(thorax, radians, "shoulder")
    forearm = _turn(upper_arm, 0, -radians["elbow_flexion"])
    elbows = shoulders - UPPER_ARM * lengths["arms"] * upper_arm[1]
    wrists = elbows - FOREARM * lengths["forearms"] * forearm[1]
    thigh = _limb(pelvis, radians, "hip")
    shank = _turn(thigh, 0, radians["knee_flexion"])
    foot = _turn(shank, 0, -radians["ankle_flexion"])
    knees = hips - THIGH * lengths["legs"] * thigh[1]
    ankles = knees - SHANK * lengths["legs"] * shank[1]
    soles = ankles - ANKLE_HEIGHT * lengths["stature"] * foot[1]
    heels = soles - HEEL_BEHIND_ANKLE * lengths["stature"] * foot[2]
    toes = soles + TOE_BEFORE_ANKLE * lengths["stature"] * foot[2]

    nose, eyes, ears = (_face_point(neck, head, offset, lengths["head"]) for offset in (NOSE, EYE, EAR))
    pairs = [eyes, ears, shoulders, elbows, wrists, hips, knees, ankles]
    joints = np.concatenate([nose[:, :1]] + pairs, axis=1).swapaxes(0, 1)  # 17 3 N F
    contacts = np.concatenate([heels, toes, knees, hips, shoulders, elbows, wrists, ears], axis=1).swapaxes(0, 1)
    return joints, contacts


def follow_ground(
    contacts: np.ndarray, stature: np.ndarray, yaw: np.ndarray, root: dict[str, np.ndarray], fps: float
) -> np.ndarray:
    """Return the path [3, N, F] of the mid-hip on which the points that carry the body neither sink nor slide.

    Args:
        contacts: [16, 3, N, F] metres, of `forward_kinematics`.
        stature: [N, 1] in metres.
        yaw: [N, F] degrees, where the body faces.
        root: `ROOT_CHANNELS`, each [N, F].
        fps: frames per second.
    """
    heights = contacts[:, 1] - CONTACT_RADII[:, None, None] * stature
    heights[NUM_SOLES:] += 10 * (1 - root["sprawl"])
    lowest = heights.min(0)
    weights = np.exp((lowest - heights) / _CONTACT_SOFTNESS)
    weights /= weights.sum(0)
    shared = (weights[..., 1:] + weights[..., :-1]) / 2
    steps = -(shared[:, None] * np.diff(contacts[:, ::2], axis=-1)).sum(0)  # 2 N F-1, along x and z

    facing = np.stack([np.sin(np.deg2rad(yaw)), np.cos(np.deg2rad(yaw))])[..., 1:]
    grounded = root["lift"][:, 1:] == 0
    speed = ((steps * facing).sum(0) * grounded).sum(-1, keepdims=True) / np.maximum(
        grounded.sum(-1, keepdims=True), 1
    )
    steps += root["glide"][:, 1:] * (speed * facing - steps)
    steps += root["travel"][:, 1:] / np.float32(fps) * facing
    steps = steps @ _smoothing(steps.shape[-1], _SUPPLENESS * fps)
    path = np.concatenate([np.zeros_like(steps[..., :1]), np.cumsum(steps, axis=-1)], axis=-1)
    height = root["lift"] - lowest
    height, gliding = (height @ _smoothing(height.shape[-1], s * fps) for s in (_SUPPLENESS, _GLIDING_SUPPLENESS))
    return np.stack([path[0], height + root["glide"] * (gliding - height), path[1]])


def _smoothing(num_frames: int, frames: float) -> np.ndarray:
    """Return the matrix [F, F] that smooths rows of `F` values by a Gaussian of `frames` standard deviation."""
    apart = np.arange(num_frames)[:, None] - np.arange(num_frames)
    weights = np.exp(-0.5 * (apart / frames) ** 2)
    return (weights / weights.sum(0)).astype(np.float32)


def _turn(frame: np.ndarray, axis: int, angle: np.ndarray) -> np.ndarray:
    """Turn `frame` [3, 3, ..., N, F] about its own `axis` by `angle` [..., N, F] in radians."""
    i, j = (axis + 1) % 3, (axis + 2) % 3
    cosine, sine = np.cos(angle), np.sin(angle)
    turned = np.empty_like(frame)
    turned[axis] = frame[axis]
    turned[i] = cosine * frame[i] + sine * frame[j]
    turned[j] = cosine * frame[j] - sine * frame[i]
    return turned


def _turns(frame: np.ndarray, turns: list[tuple[int, np.ndarray]]) -> np.ndarray:
    for axis, angle in turns:
        frame = _turn(frame, axis, angle)
    return frame


def _limb(frame: np.ndarray, radians: Mapping[str, np.ndarray], joint: str) -> np.ndarray:
    """Return the frames [3, 3, 2, N, F] of the left and the right limb at a ball joint: bend, spread, then spin."""
    both = np.broadcast_to(frame[:, :, None], frame.shape[:2] + (2,) + frame.shape[2:])
    both = _turn(both, 0, -radians[f"{joint}_flexion"])
    both = _turn(both, 2, _SIDE_SIGN * radians[f"{joint}_abduction"])
    return _turn(both, 1, -_SIDE_SIGN * radians[f"{joint}_rotation"])


def _sided(centre: np.ndarray, half: np.ndarray) -> np.ndarray:
    return np.stack([centre + half, centre - half], axis=1)  # 3 2 N F


def _face_point(
    neck: np.ndarray, head: np.ndarray, offset: tuple[float, float, float], scale: np.ndarray
) -> np.ndarray:
    left, up, forward = offset
    return _sided(neck + scale * (up * head[1] + forward * head[2]), scale * left * head[0])

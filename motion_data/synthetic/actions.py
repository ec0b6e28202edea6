"""How people act: the angles of every joint over time, for each action of the embedded corpus.

Curves of walking and running follow the extremes of the normative data in Winter, "Biomechanics and Motor Control of
Human Movement", and Novacheck, "The biomechanics of running" (1998). An action is a function of `Takes`, a batch of
clips of that action, and returns a `Pose`, the channels that it moves.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .body import LIMB_LIMITS, TRUNK_LIMITS, planted

ACTIONS = (
    "walk",
    "run",
    "jump",
    "squat",
    "wave",
    "punch",
    "kick",
    "sit_down",
    "stand_up",
    "fall",
    "pick_up",
    "idle",
)
# without a name of their own: for pre-training
FREE_ACTIONS = ("gesture", "stir", "sprawl", "mixture")
GRAVITY = 9.81

# Traits of a person (`body.subject_traits`) that are habits; those below 7 shape the body.
TEMPO, VIGOUR, STOOP, HEAD_DOWN, ARM_SWING, ELBOW_CARRY, STANCE, TOE_OUT, HANDEDNESS = range(7, 16)
LEFT_HANDED = -1.28  # a tenth of all people

_ARMS = ("shoulder_flexion", "shoulder_abduction", "shoulder_rotation", "elbow_flexion")
_LEGS = ("hip_flexion", "hip_abduction", "hip_rotation", "knee_flexion", "ankle_flexion")
_BACK = ("spine_flexion", "spine_side", "spine_twist", "neck_flexion", "neck_side", "neck_turn")

Pose = dict[str, np.ndarray | float]


@dataclass(frozen=True)
class Takes:
    """`n` clips of one action, about to be acted.

    Args:
        time: [n, F] seconds; it flows a little unevenly.
        duration: [n, 1] seconds until the end of the clip.
        tempo: [n, 1] speed, 1 on average.
        vigour: [n, 1] size of the movements, 1 on average.
        traits: [n, NUM_TRAITS] of the people.
        generator: source of all that differs from take to take.
    """

    time: np.ndarray
    duration: np.ndarray
    tempo: np.ndarray
    vigour: np.ndarray
    traits: np.ndarray
    generator: np.random.Generator

    def draw(self, low: float, high: float) -> np.ndarray:
        """Return one uniform number per clip, [n, 1]."""
        return self.generator.uniform(low, high, self.duration.shape).astype(np.float32)

    def chance(self, probability: float) -> np.ndarray:
        """Return 1 or 0 per clip, [n, 1]."""
        return (self.generator.random(self.duration.shape) < probability).astype(np.float32)

    def trait(self, index: int) -> np.ndarray:
        """Return one trait, [n, 1]."""
        return self.traits[:, index : index + 1]

    def cycle(self, rate: np.ndarray) -> np.ndarray:
        """Return the phase [n, F], in cycles from a random start, of a movement done `rate` times per second."""
        return rate * self.time + self.draw(0, 1)

    def once(self, seconds: np.ndarray) -> np.ndarray:
        """Return the progress [n, F], 0 to 1, of a movement done once within the clip."""
        seconds = np.minimum(seconds / self.tempo, 0.85 * self.duration)
        onset = self.draw(0.05, 0.85) * (self.duration - seconds)
        return np.clip((self.time - onset) / seconds, 0, 1)

    def repeated(self, seconds: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return progress [n, F] and number [n, F] of a movement done as often as fits, and its seconds [n, 1]."""
        seconds = np.minimum(seconds / self.tempo, 0.9 * self.duration)
        count = np.floor(self.duration / seconds)
        turns = (self.time - self.draw(0, 1) * (self.duration - count * seconds)) / seconds
        number = np.floor(turns)
        return np.where((number >= 0) & (number < count), turns - number, 0), number, seconds


def curve(progress: np.ndarray, knots: tuple[float, ...], values: tuple[np.ndarray | float, ...]) -> np.ndarray:
    """Join `values`, each a number or [n, 1], by smooth steps, so that every knot is at rest.

    Returns:
        [..., n, F] of the shape of `progress`.
    """
    joined = np.asarray(values[0], np.float32)
    # A handful of knots; each step acts on all clips and frames.
    for start, end, before, after in zip(knots, knots[1:], values, values[1:], strict=False):
        x = np.clip((progress - start) / (end - start), 0, 1)
        joined = joined + (after - before) * (x * x * (3 - 2 * x))
    return joined


def periodic_curve(phase: np.ndarray, knots: tuple[float, ...], values: tuple[np.ndarray | float, ...]) -> np.ndarray:
    """Join `values` at `knots` of a cycle of length 1 as `curve` does, over and over."""
    phase = (phase - knots[0]) % 1 + knots[0]
    return curve(phase, (*knots, knots[0] + 1), (*values, values[0]))


def sides(left: np.ndarray | float, right: np.ndarray | float) -> np.ndarray:
    """Return the angles [2, ...] of a left and a right limb."""
    return np.stack(np.broadcast_arrays(left, right))


def smooth_noise(shape: tuple[int, ...], num_frames: int, fps: float, generator: np.random.Generator) -> np.ndarray:
    """Return [*shape, F] noise of variance 1 with nothing faster than about one swing per second."""
    every = 0.45 * fps
    knots = np.arange(-1, math.ceil(num_frames / every) + 2)[:, None] * every
    basis = np.exp(-0.5 * ((np.arange(num_frames) - knots) / (0.7 * every)) ** 2)
    basis = (basis / np.linalg.norm(basis, axis=0)).astype(np.float32)
    return generator.standard_normal((*shape, len(basis)), np.float32) @ basis


# How idle arms are held: flexion, abduction, rotation and elbow of the left and then of the right arm.
ARM_RESTS = np.array(
    [
        [[0, 7, 10, 14], [0, 7, 10, 14]],  # hanging
        [[-18, 42, 62, 95], [-18, 42, 62, 95]],  # hands on the hips
        [[32, 2, 62, 98], [30, 4, 55, 104]],  # crossed
        [[18, 4, 48, 42], [18, 4, 48, 42]],  # hands joined in front
        [[-22, 10, 45, 45], [-22, 10, 45, 45]],  # hands joined behind
        [[2, 6, 10, 14], [24, 4, 38, 118]],  # something held before the chest
        [[-12, 22, 35, 52], [-12, 22, 35, 52]],  # hands in the pockets
    ],
    np.float32,
)
ARM_REST_SHARES = {"hanging": (1.0, 0, 0, 0, 0, 0, 0), "any": (0.3, 0.12, 0.14, 0.12, 0.1, 0.12, 0.1)}


def standing(takes: Takes, arms: str = "hanging") -> Pose:
    """Return the pose [.., n, 1] from which a take starts: upright, in the habitual stance of the person."""
    rest = ARM_RESTS[takes.generator.choice(len(ARM_RESTS), len(takes.traits), p=ARM_REST_SHARES[arms])]
    flexion, outward, inward, elbow = rest.transpose(2, 1, 0)[..., None]  # each 2 n 1
    abduction = np.maximum(4 + 2.5 * takes.trait(STANCE) + takes.draw(-2, 3), 0)
    knee = takes.draw(2, 9)
    carry = takes.trait(ELBOW_CARRY)
    return {
        "spine_flexion": 4 + 5 * takes.trait(STOOP),
        "neck_flexion": 4 + 6 * takes.trait(HEAD_DOWN),
        "shoulder_flexion": flexion,
        "shoulder_abduction": outward + takes.draw(-3, 4),
        "shoulder_rotation": inward + 8 * takes.draw(-1, 1),
        "elbow_flexion": elbow + 4 * carry,
        **planted(0.5 * knee, knee, 0.0, abduction, -8 - 5 * takes.trait(TOE_OUT)),
    }


def gait(takes: Takes, phase: np.ndarray, stride: np.ndarray, swing: np.ndarray) -> Pose:
    """Return what walking and running share, for the `phase` [n, F] of the left leg, 0 where its foot lands."""
    beat = np.cos(2 * np.pi * phase)
    roll = 4 * stride * np.sin(2 * np.pi * phase)
    lopsided = takes.draw(-0.4, 0.4)  # one arm swings more than the other
    forward = sides(-beat * (1 + lopsided), beat * (1 - lopsided))
    turning = takes.chance(0.6) * takes.draw(-35, 35)
    return {
        "yaw": turning * takes.time - 6 * stride * beat,
        "roll": roll,
        "spine_side": -0.9 * roll,
        "spine_twist": (6 + 0.25 * swing) * beat,
        "neck_turn": takes.draw(-15, 15) - 3 * beat,
        "shoulder_flexion": swing * forward,
        "elbow_flexion": 0.4 * swing * forward,
    }


def walk(takes: Takes) -> Pose:
    """Walk, straight on or in a bend."""
    phase = takes.cycle(takes.draw(0.8, 1.08) * takes.tempo)
    legs = sides(phase, phase + 0.5)
    stride = np.maximum(takes.vigour * takes.draw(0.85, 1.2), 0.7)
    swing = np.maximum(20 + 9 * takes.trait(ARM_SWING) + takes.draw(-6, 6), 2) * stride
    pose = standing(takes)
    moving = gait(takes, phase, stride, swing)
    pitch = takes.draw(0, 7)
    return pose | {
        **moving,
        "pitch": pitch,
        "shoulder_flexion": moving["shoulder_flexion"] + 2,
        "elbow_flexion": pose["elbow_flexion"] + 8 + moving["elbow_flexion"],
        "hip_abduction": takes.draw(-1, 3),
        "hip_flexion": pitch + periodic_curve(legs, (0.52, 0.88), (-16 * stride, 29 * stride)),
        "knee_flexion": periodic_curve(legs, (0.0, 0.14, 0.40, 0.72), (4, 16 * stride, 5, 60 * stride**0.5)),
        "ankle_flexion": periodic_curve(legs, (0.07, 0.45, 0.62, 0.82), (-5, 9, -18 * stride, 5)),
        "glide": 0.5,
    }


def run(takes: Takes) -> Pose:
    """Run; between two steps both feet are in the air."""
    phase = takes.cycle(takes.draw(1.25, 1.6) * takes.tempo**0.5)
    legs = sides(phase, phase + 0.5)
    stride = np.maximum(takes.vigour * takes.draw(0.9, 1.2), 0.75)
    swing = np.maximum(34 + 8 * takes.trait(ARM_SWING), 12) * stride
    moving = gait(takes, phase, stride, swing)
    pitch = takes.draw(4, 12)
    # Each half cycle is a stance and a flight, in which the lowest foot leaves the ground along a parabola.
    flight = np.clip(((2 * phase) % 1 - 0.7) / 0.3, 0, 1)
    return standing(takes) | {
        **moving,
        "pitch": pitch,
        "spine_flexion": 5 + 4 * takes.trait(STOOP),
        "shoulder_flexion": moving["shoulder_flexion"] - 8,
        "shoulder_rotation": takes.draw(10, 35),
        "shoulder_abduction": takes.draw(6, 18),
        "elbow_flexion": 92 + 9 * takes.trait(ELBOW_CARRY) + moving["elbow_flexion"],
        "hip_abduction": takes.draw(-1, 2),
        "hip_flexion": pitch + periodic_curve(legs, (0.38, 0.82), (-21 * stride, 50 * stride)),
        "knee_flexion": periodic_curve(legs, (0.0, 0.15, 0.36, 0.66), (14, 40, 14, 98 * stride**0.5)),
        "ankle_flexion": periodic_curve(legs, (0.0, 0.18, 0.40, 0.70), (2, 22, -26 * stride, 4)),
        "lift": takes.draw(0.05, 0.12) * stride * 4 * flight * (1 - flight),
        "glide": 1.0,
    }


def jump(takes: Takes) -> Pose:
    """Crouch, jump with both feet, on the spot or forward, and land."""
    progress, _, seconds = takes.repeated(takes.draw(1.1, 1.8))
    deep = takes.vigour * takes.draw(0.7, 1.2)
    pose = standing(takes)
    rest = pose["knee_flexion"]
    take_off, landing = 0.44, 0.72
    knots = (0.0, 0.32, take_off, 0.58, 0.68, 0.82, 1.0)
    tuck = takes.draw(5, 60)
    knee = curve(progress, knots, (rest, 88 * deep, 5, tuck, 14, 68 * deep, rest))
    thigh = curve(progress, knots, (rest / 2, 58 * deep, 2, 0.6 * tuck, 10, 42 * deep, rest / 2))
    pitch = curve(progress, knots, (0, 34 * deep, 2, 0, 4, 22 * deep, 0))
    pointed = curve(progress, (0.34, take_off, 0.52, 0.66, landing, 0.78), (0, 38, 38, 30, 15, 0))
    reach = takes.draw(60, 150)
    flight = np.clip((progress - take_off) / (landing - take_off), 0, 1)
    airborne = (landing - take_off) * seconds
    legs = planted(thigh, knee, pitch, pose["hip_abduction"], pose["hip_rotation"])
    arms = curve(progress, (0.0, 0.22, 0.56, 0.62, 0.90, 1.0), (0, -36 * deep, reach, reach, 5, 0))
    return pose | {
        **legs,
        "ankle_flexion": np.where(flight > 0, np.minimum(legs["ankle_flexion"], 0), legs["ankle_flexion"]) - pointed,
        "spine_flexion": pose["spine_flexion"] + 0.3 * pitch,
        "shoulder_flexion": arms,
        "shoulder_abduction": pose["shoulder_abduction"] + curve(progress, (0.3, 0.5, 0.9), (0, 14, 0)),
        "elbow_flexion": pose["elbow_flexion"] + curve(progress, (0.0, 0.28, 0.5, 1.0), (0, 25, 30, 0)),
        # The height of free fall over the time in the air.
        "lift": GRAVITY * airborne**2 / 2 * flight * (1 - flight),
        "travel": takes.chance(0.4) * takes.draw(0.3, 0.9) * (flight > 0) * (flight < 1),
    }


def squat(takes: Takes) -> Pose:
    """Bend both knees deep on flat feet and rise again."""
    progress, _, _ = takes.repeated(takes.draw(1.5, 3.0))
    pose = standing(takes)
    down = curve(progress, (0.0, 0.44, 0.54, 1.0), (0, 1, 1, 0))
    rest = pose["knee_flexion"]
    knee = np.minimum(takes.draw(90, 118) * takes.vigour**0.5, 122)
    thigh = knee - np.minimum(takes.draw(20, 31), 0.28 * knee)
    lean = takes.draw(22, 40)
    reach = takes.chance(0.6) * takes.draw(60, 95)
    bent = (rest / 2 + down * (thigh - rest / 2), rest + down * (knee - rest))
    return pose | {
        **planted(*bent, lean * down, takes.draw(7, 15), -takes.draw(5, 25)),
        "spine_flexion": pose["spine_flexion"] + takes.draw(0, 12) * down,
        "neck_flexion": pose["neck_flexion"] - 0.5 * lean * down,
        "shoulder_flexion": pose["shoulder_flexion"] + (reach + lean) * down,
        "elbow_flexion": pose["elbow_flexion"] + (1 - reach / 95) * takes.draw(0, 70) * down,
        "shoulder_rotation": pose["shoulder_rotation"] + (1 - reach / 95) * takes.draw(0, 40) * down,
    }


def wave(takes: Takes) -> Pose:
    """Wave one hand, beside the head or overhead."""
    pose = standing(takes, "any")
    start = takes.draw(-0.6, 0.35)
    raised = _eased((takes.time - start) / takes.draw(0.35, 0.6))
    high = takes.draw(0, 1)  # from a hand beside the head to a whole arm overhead
    swing = np.sin(2 * np.pi * takes.cycle(takes.draw(1.2, 2.3) * takes.tempo)) * takes.vigour
    arm = {
        "shoulder_flexion": takes.draw(0, 20),
        "shoulder_abduction": 82 + 60 * high + (2 + 12 * high) * swing,
        "shoulder_rotation": -86 + 40 * high,
        "elbow_flexion": 82 - 52 * high + (26 - 8 * high) * swing,
    }
    blended = {
        name: sides(pose[name][0], pose[name][1] + raised * (angle - pose[name][1])) for name, angle in arm.items()
    }
    return pose | blended | {"spine_side": -takes.draw(0, 6) * raised, "neck_turn": takes.draw(-15, 15)}


def punch(takes: Takes) -> Pose:
    """Box from a guard, with one hand or with both in turn."""
    progress, number, _ = takes.repeated(takes.draw(0.6, 1.0))
    pose = standing(takes)
    strike = curve(progress, (0.0, 0.16, 0.40, 0.50, 0.95), (0, -0.12, 1, 1, 0))
    by_left = np.where(takes.chance(0.5) > 0, number % 2, takes.chance(0.3))
    left, right = strike * by_left, strike * (1 - by_left)
    out = sides(left, right)
    knees = sides(takes.draw(14, 28), takes.draw(18, 32))
    thighs = knees * 0.5 + sides(takes.draw(8, 18), -takes.draw(12, 20))
    reach = takes.draw(46, 62)
    return pose | {
        **planted(thighs, knees, takes.draw(2, 9), takes.draw(4, 10), pose["hip_rotation"]),
        "yaw": -22 + 18 * right,
        "spine_twist": -10 + (26 * right - 20 * left) * takes.vigour,
        "spine_flexion": pose["spine_flexion"] + takes.draw(4, 12),
        "neck_turn": 24 - 34 * right + 14 * left,
        "shoulder_flexion": takes.draw(28, 42) + reach * out,
        "shoulder_abduction": takes.draw(8, 18) - 4 * out,
        "shoulder_rotation": takes.draw(15, 30) + 25 * out,
        "elbow_flexion": takes.draw(112, 132) * (1 - 0.92 * np.clip(out, -0.1, 1)),
    }


def kick(takes: Takes) -> Pose:
    """Kick with one leg, straight ahead or around."""
    progress, _, _ = takes.repeated(takes.draw(1.0, 1.6))
    pose = standing(takes)
    rest = pose["knee_flexion"]
    high = np.minimum(takes.draw(68, 100) * takes.vigour**0.5, 108)
    around = takes.chance(0.4) * takes.draw(0.4, 1)  # from straight ahead to a round kick
    thigh = curve(progress, (0.0, 0.17, 0.42, 0.52, 1.0), (rest / 2, -14, high, 0.95 * high, rest / 2))
    knee = curve(progress, (0.0, 0.20, 0.32, 0.46, 0.64, 1.0), (rest, 70, takes.draw(70, 100), 8, 60, rest))
    effort = curve(progress, (0.0, 0.15, 0.42, 0.55, 1.0), (0, 0, 1, 1, 0))
    support = rest + 14 * effort
    pitch = -takes.draw(6, 22) * effort
    raised = curve(progress, (0.0, 0.15, 0.85, 1.0), (0, 1, 1, 0))
    return pose | {
        "pitch": pitch,
        "hip_flexion": sides(support / 2, thigh) + pitch,
        "knee_flexion": sides(support, knee),
        "ankle_flexion": sides(support / 2, -25 * raised),
        "yaw": (10 + 40 * around) * effort,
        "roll": -(4 + 14 * around) * effort,
        "spine_side": 4 * effort,
        "spine_twist": -(14 + 10 * around) * effort,
        "neck_turn": -(6 + 20 * around) * effort,
        "hip_abduction": pose["hip_abduction"] + sides(0.0, 26 * around * effort),
        "shoulder_flexion": takes.draw(0, 25) + effort * sides(takes.draw(20, 45), -takes.draw(15, 40)),
        "shoulder_abduction": pose["shoulder_abduction"] + takes.draw(10, 35) * effort,
        "elbow_flexion": takes.draw(20, 85),
        "shoulder_rotation": takes.draw(10, 35),
    }


def sit_down(takes: Takes) -> Pose:
    """Sit down on a chair that nobody sees."""
    return _seat(takes, takes.once(takes.draw(1.0, 1.8)))


def stand_up(takes: Takes) -> Pose:
    """Stand up from a chair that nobody sees."""
    return _seat(takes, 1 - takes.once(takes.draw(0.9, 1.6)))


def fall(takes: Takes) -> Pose:
    """Fall to the front, the back or the side, and stay there."""
    progress = takes.once(takes.draw(0.8, 1.4))
    pose = standing(takes)
    way = takes.draw(0, 3)
    forward, backward, aside = ((i <= way) & (way < i + 1) for i in range(3))
    toppled = _eased(progress / 0.8) ** 1.6
    buckled = curve(progress, (0.0, 0.5, 1.0), (0, 1, 0)) * takes.vigour
    lying = curve(progress, (0.35, 0.95), (0, 1))
    braced = curve(progress, (0.05, 0.5, 1.0), (0, 1, 0))

    def by_way(*values: np.ndarray | float) -> np.ndarray | float:
        return sum(way * value for way, value in zip((forward, backward, aside), values, strict=True))

    # Falling to the right; the whole take may be mirrored later. On the back, feet stay on the floor.
    drawn_up = sides(takes.draw(4, 34), takes.draw(4, 34))
    straight = sides(takes.draw(3, 14), takes.draw(3, 14))
    knee = by_way(50, 75, 55) * buckled + lying * by_way(straight, 2 * drawn_up, 1.5 * drawn_up)
    hip = by_way(30, 55, 35) * buckled + lying * by_way(0, drawn_up, drawn_up)
    overhead = takes.chance(0.5)
    final_flexion = by_way(168 * overhead - 4, takes.draw(-10, 10), sides(takes.draw(20, 60), takes.draw(60, 110)))
    final_abduction = by_way(12 + 22 * (1 - overhead), takes.draw(20, 75), sides(takes.draw(0, 10), 5.0))
    final_elbow = by_way(takes.draw(20, 80) * overhead + 10, takes.draw(10, 50), takes.draw(20, 70))
    final_rotation = by_way(60 * overhead, -30, 20)
    return pose | {
        "pitch": by_way(takes.draw(82, 90), -takes.draw(80, 90), takes.draw(-12, 12)) * toppled,
        "roll": by_way(takes.draw(-10, 10), takes.draw(-10, 10), takes.draw(80, 92)) * toppled,
        "yaw": takes.draw(-40, 40) * toppled,
        "spine_flexion": pose["spine_flexion"] * (1 - lying) + by_way(10, 28, 8) * buckled,
        "neck_flexion": pose["neck_flexion"] * (1 - lying) + by_way(-22, 26, 0) * braced,
        "neck_turn": lying * takes.draw(-40, 40) * by_way(1, 0.6, 0.2),
        "neck_side": -18 * braced * aside,
        "hip_flexion": pose["hip_flexion"] * (1 - lying) + hip,
        "hip_abduction": pose["hip_abduction"] + lying * by_way(4, 6, 0),
        "hip_rotation": pose["hip_rotation"] + lying * by_way(-12, -15, 0),
        "knee_flexion": pose["knee_flexion"] * (1 - lying) + knee,
        "ankle_flexion": pose["ankle_flexion"] + 15 * buckled - by_way(45, 25, 30) * lying,
        "shoulder_flexion": by_way(75, -25, 50) * braced + final_flexion * lying,
        "shoulder_abduction": pose["shoulder_abduction"] * (1 - lying) + 25 * braced + final_abduction * lying,
        "shoulder_rotation": pose["shoulder_rotation"] * (1 - lying) + final_rotation * lying,
        "elbow_flexion": pose["elbow_flexion"] * (1 - lying) + 45 * braced + final_elbow * lying,
        "sprawl": 1.0,
    }


def pick_up(takes: Takes) -> Pose:
    """Pick something up from the floor, by a stoop or a squat."""
    progress, _, _ = takes.repeated(takes.draw(1.7, 2.8))
    pose = standing(takes)
    rest = pose["knee_flexion"]
    down = curve(progress, (0.0, 0.42, 0.54, 0.98), (0, 1, 1, 0))
    knee = takes.draw(22, 112)  # from a stoop to a squat
    lean = 84 - 0.48 * knee + takes.draw(-6, 6)
    bend = 38 - 0.12 * knee
    thigh = knee - np.minimum(0.42 * knee, 32)
    bent = (rest / 2 + down * (thigh - rest / 2), rest + down * (knee - rest))
    reach = lean + bend + takes.draw(-4, 12)
    two_hands = takes.chance(0.4)
    share = sides(0.45 + 0.55 * two_hands, 1.0)
    carry = curve(progress, (0.55, 0.85, 1.0), (0, takes.draw(30, 85), 0)) * sides(two_hands, 1.0)
    return pose | {
        **planted(*bent, lean * down, pose["hip_abduction"] + takes.draw(0, 8), pose["hip_rotation"]),
        "spine_flexion": pose["spine_flexion"] + bend * down,
        "spine_twist": (1 - two_hands) * takes.draw(0, 14) * down,
        "neck_flexion": pose["neck_flexion"] - takes.draw(-10, 22) * down,
        "shoulder_flexion": pose["shoulder_flexion"] + reach * share * down + 0.2 * carry,
        "elbow_flexion": pose["elbow_flexion"] + carry + sides((1 - two_hands) * takes.draw(0, 50), 0.0) * down,
        "shoulder_rotation": pose["shoulder_rotation"] + 12 * down,
    }


def idle(takes: Takes) -> Pose:
    """Stand about."""
    pose = standing(takes, "any")
    shift = 4 * np.sin(2 * np.pi * takes.cycle(takes.draw(0.08, 0.3)))
    glance = takes.chance(0.6) * takes.draw(10, 45)
    return pose | {
        "roll": shift,
        "spine_side": -0.9 * shift,
        "hip_abduction": pose["hip_abduction"] + sides(shift, -shift),
        "spine_twist": takes.draw(-6, 6),
        "neck_turn": glance * np.sin(2 * np.pi * takes.cycle(takes.draw(0.1, 0.4))) + takes.draw(-20, 20),
    }


def gesture(takes: Takes) -> Pose:
    """Stand or sit, and move the arms, the head and the back at random."""
    seated = takes.chance(0.3)
    pose = _seat(takes, np.broadcast_to(seated, takes.time.shape))
    return pose | {name: _roaming(takes, name) for name in (*_ARMS, *_BACK)}


def stir(takes: Takes) -> Pose:
    """Move every joint at random, on the feet."""
    return standing(takes) | {name: _roaming(takes, name) for name in (*_ARMS, *_BACK, *_LEGS)} | _turning(takes, 40)


def sprawl(takes: Takes) -> Pose:
    """Kneel, crawl or lie in any way, and move every joint at random."""
    lean = takes.draw(-95, 95)
    pose = {name: _roaming(takes, name) for name in (*_ARMS, *_BACK, *_LEGS)}
    return (
        standing(takes)
        | pose
        | _turning(takes, 40)
        | {
            "pitch": lean + 25 * _drift(takes, ()),
            "roll": takes.chance(0.4) * takes.draw(-90, 90) + 15 * _drift(takes, ()),
            "sprawl": 1.0,
        }
    )


def mixture(takes: Takes) -> Pose:
    """Walk, run, squat or kick with the arms of somebody who does something else, or moves them at random."""
    poses = [act(takes) for act in (walk, run, squat, kick)]
    arms = [act(takes) for act in (wave, punch, pick_up)]
    arms += [{name: _roaming(takes, name) for name in _ARMS}] * 2
    legs_of, arms_of = takes.draw(0, len(poses)), takes.draw(0, len(arms))
    resting = standing(takes)

    def chosen(name: str, takes_of: list[Pose], place: np.ndarray) -> np.ndarray | float:
        values = [pose.get(name, resting.get(name, 0.0)) for pose in takes_of]
        return sum(value * ((i <= place) & (place < i + 1)) for i, value in enumerate(values))

    body = {name: chosen(name, poses, legs_of) for name in sorted(set().union(*poses) - set(_ARMS))}
    return body | {name: chosen(name, arms, arms_of) for name in _ARMS}


def _roaming(takes: Takes, name: str) -> np.ndarray:
    """Return an angle that wanders within most of its range, at a pace and by an extent drawn for each take."""
    low, high = LIMB_LIMITS.get(name) or TRUNK_LIMITS[name]
    shape = (2,) if name in LIMB_LIMITS else ()
    n = len(takes.time)
    middle = takes.generator.uniform(0.15, 0.85, (*shape, n, 1))
    extent = takes.generator.beta(1.2, 1.6, (*shape, n, 1))
    angle = middle + 0.3 * extent * _drift(takes, shape)
    return (low + (high - low) * np.clip(angle, 0, 1)).astype(np.float32)


def _drift(takes: Takes, shape: tuple[int, ...]) -> np.ndarray:
    """Return smooth noise [*shape, n, F], some of it slow and some fast."""
    n, F = takes.time.shape
    fps = float((F - 1) / np.ptp(takes.time, axis=1).mean())
    shares = takes.generator.dirichlet((0.6, 0.6, 0.6), n).astype(np.float32) ** 0.5  # n 3
    noises = [smooth_noise((*shape, n), F, fps / pace, takes.generator) for pace in (0.4, 1.0, 2.2)]
    return sum(noise * shares[:, i : i + 1] for i, noise in enumerate(noises))


def _turning(takes: Takes, degrees: float) -> Pose:
    return {"yaw": takes.draw(-degrees, degrees) * takes.time + 20 * _drift(takes, ())}


def _seat(takes: Takes, seated: np.ndarray) -> Pose:
    """Return a person between standing (`seated` [n, F] is 0) and sitting on a chair (1)."""
    pose = standing(takes)
    rest = pose["knee_flexion"]
    down = _eased((seated - 0.08) / 0.92)
    lean = curve(seated, (0.0, 0.5, 1.0), (0, takes.draw(28, 46), takes.draw(-10, 8)))
    knee, thigh = takes.draw(78, 104), takes.draw(78, 94)
    bent = (rest / 2 + down * (thigh - rest / 2), rest + down * (knee - rest))
    on_lap = takes.draw(0, 1)
    return pose | {
        **planted(*bent, lean, pose["hip_abduction"] + takes.draw(0, 5), pose["hip_rotation"]),
        "spine_flexion": pose["spine_flexion"] + takes.draw(0, 14) * down,
        "shoulder_flexion": pose["shoulder_flexion"] + 22 * on_lap * down + 0.8 * lean,
        "shoulder_rotation": pose["shoulder_rotation"] + 22 * on_lap * down,
        "elbow_flexion": pose["elbow_flexion"] + (15 + 35 * on_lap) * down,
    }


def _eased(progress: np.ndarray) -> np.ndarray:
    return curve(progress, (0.0, 1.0), (0.0, 1.0))


ACTORS: dict[str, Callable[[Takes], Pose]] = {
    "walk": walk,
    "run": run,
    "jump": jump,
    "squat": squat,
    "wave": wave,
    "punch": punch,
    "kick": kick,
    "sit_down": sit_down,
    "stand_up": stand_up,
    "fall": fall,
    "pick_up": pick_up,
    "idle": idle,
    "gesture": gesture,
    "stir": stir,
    "sprawl": sprawl,
    "mixture": mixture,
}
# Standard deviation in degrees of the smooth noise on each angle. Legs that carry the body have little of it.
WOBBLE = {
    **dict.fromkeys(TRUNK_LIMITS, 1.5),
    "yaw": 3.0,
    "neck_flexion": 4.0,
    "neck_turn": 5.0,
    **dict.fromkeys(LIMB_LIMITS, 4.0),
    "shoulder_rotation": 6.0,
    "elbow_flexion": 5.0,
    "hip_flexion": 1.3,
    "hip_abduction": 0.8,
    "hip_rotation": 2.0,
    "knee_flexion": 1.5,
    "ankle_flexion": 1.0,
}

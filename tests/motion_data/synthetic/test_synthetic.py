"""The embedded corpus: its people are built like people, do what their label says and are seen as by an estimator."""

import numpy as np
import pytest
from datasets.distributed import split_dataset_by_node

from motion_data.rows import decode_row
from motion_data.schema import motion_features
from motion_data.synthetic.actions import ACTIONS, FREE_ACTIONS
from motion_data.synthetic.body import (
    LIMB_LIMITS,
    NUM_TRAITS,
    TRUNK_LIMITS,
    body_lengths,
    forward_kinematics,
    mirror_angles,
    subject_traits,
)
from motion_data.synthetic.corpus import (
    CHUNK_CLIPS,
    SyntheticConfig,
    generate_joints_3d,
    generate_motion,
    synthetic_dataset,
)
from motion_data.synthetic.estimator_noise import MIRRORED, EstimatorNoise, apply_noise

NUM_CLIPS = 3 * CHUNK_CLIPS
NOSE, SHOULDERS, ELBOWS, WRISTS, HIPS, KNEES, ANKLES = 0, [5, 6], [7, 8], [9, 10], [11, 12], [13, 14], [15, 16]
STANDING = ("squat", "wave", "punch", "sit_down", "stand_up", "pick_up", "idle")


@pytest.fixture(scope="module")
def motions():
    return generate_joints_3d(NUM_CLIPS, seed=0)


def test_the_corpus_in_3d_is_what_the_pictures_were_taken_of():
    config = SyntheticConfig(space="world", actions=(*ACTIONS, *FREE_ACTIONS))
    rows = generate_motion(CHUNK_CLIPS, 5, config)
    joints, labels, _ = generate_joints_3d(CHUNK_CLIPS, 5, config)
    assert {row["space"] for row in rows} == {"world"} and {row["unit"] for row in rows} == {"metres"}
    assert [row["label"] for row in rows] == labels.tolist() and set(labels) == set(range(16))
    table = synthetic_dataset(CHUNK_CLIPS, 5, config)
    for i in (0, 77):
        keypoints, scores = decode_row(rows[i])
        assert keypoints.shape[-1] == 3 and (scores == 1).all()
        np.testing.assert_array_equal(decode_row(table[i])[0], keypoints)
    with pytest.raises(ValueError, match="space is 'moon'"):
        SyntheticConfig(space="moon")
    with pytest.raises(ValueError, match="actions is"):
        SyntheticConfig(actions=("dance",))
    assert len(joints) == len(rows)


@pytest.mark.parametrize("action", FREE_ACTIONS)
def test_free_actions_are_varied_and_within_what_bodies_can_do(action):
    joints, _, _ = generate_joints_3d(CHUNK_CLIPS, 3, SyntheticConfig(actions=(action,), num_frames=(60, 60)))
    thighs = np.linalg.norm(joints[:, :, HIPS] - joints[:, :, KNEES], axis=-1)
    np.testing.assert_allclose(thighs, np.broadcast_to(thighs[:, :1], thighs.shape), rtol=1e-4)
    assert joints[..., 1].min() > -0.35  # toes that are no joint carry the body; wrists and ankles stay near the floor
    speed = np.linalg.norm(np.diff(joints, axis=1), axis=-1).max((1, 2)) * 30
    assert np.median(speed) > 1 and np.quantile(speed, 0.95) < 15  # metres a second
    heights = joints[:, :, 0, 1].mean(1)
    assert np.ptp(heights) > (0.3 if action in ("stir", "sprawl", "gesture") else 0.1)
    wrists = (joints[:, 30, WRISTS[0]] - joints[:, 30, SHOULDERS[0]])[:, 1]
    assert wrists.max() > 0.2 and wrists.min() < -0.2


@pytest.fixture(scope="module")
def by_action(motions):
    joints, labels, _ = motions
    return {action: joints[labels == i] for i, action in enumerate(ACTIONS)}


@pytest.fixture(scope="module")
def rows():
    return generate_motion(NUM_CLIPS, seed=0)


def bend(joints, a, b, c):
    """Return the angle in degrees, 0 when straight, at joint `b` between `a` and `c`, [N, F, 2]."""
    first, second = joints[:, :, b] - joints[:, :, a], joints[:, :, c] - joints[:, :, b]
    first, second = (v / np.linalg.norm(v, axis=-1, keepdims=True) for v in (first, second))
    return np.rad2deg(np.arccos(np.clip((first * second).sum(-1), -1, 1)))


def angles_at_rest(num_clips=1, num_frames=1):
    return {name: np.zeros((num_clips, num_frames), np.float32) for name in TRUNK_LIMITS} | {
        name: np.zeros((2, num_clips, num_frames), np.float32) for name in LIMB_LIMITS
    }


def pose(**changed):
    lengths = body_lengths(np.zeros((1, NUM_TRAITS), np.float32))
    angles = angles_at_rest()
    for name, value in changed.items():
        angles[name] = np.full_like(angles[name], value)
    return forward_kinematics(angles, lengths)[0][:, :, 0, 0] / lengths["stature"]


class TestBody:
    def test_standing_proportions(self):
        joints = pose()
        above_floor = joints[:, 1] - joints[15, 1] + 0.039
        # Heights of the joints in Winter's figure 4.1.
        np.testing.assert_allclose(above_floor[[5, 7, 9, 11, 13]], [0.818, 0.632, 0.486, 0.530, 0.285], atol=0.006)
        assert above_floor[0] > above_floor[5] and joints[0, 2] > joints[3, 2]
        assert (joints[1::2, 0] > joints[2::2, 0]).all()  # left is +x

    @pytest.mark.parametrize(
        ("angle", "joint", "axis", "sign"),
        [
            ("knee_flexion", 15, 2, -1),
            ("elbow_flexion", 9, 2, 1),
            ("hip_flexion", 13, 2, 1),
            ("shoulder_flexion", 7, 2, 1),
            ("shoulder_abduction", 7, 0, 1),
            ("hip_abduction", 14, 0, -1),
            ("pitch", 0, 2, 1),
            ("roll", 0, 0, -1),
            ("spine_flexion", 0, 2, 1),
            ("neck_turn", 0, 0, 1),
        ],
    )
    def test_positive_angles_go_where_the_docs_say(self, angle, joint, axis, sign):
        assert sign * (pose(**{angle: 30.0}) - pose())[joint, axis] > 0.01

    def test_mirrored_angles_mirror_the_body(self):
        generator = np.random.default_rng(0)
        angles = {name: generator.uniform(-40, 40, a.shape) for name, a in angles_at_rest(4, 3).items()}
        lengths = body_lengths(np.zeros((4, NUM_TRAITS), np.float32))
        mirrored = np.array([True, False, True, False])
        joints, _ = forward_kinematics(angles, lengths)
        other, _ = forward_kinematics(mirror_angles(angles, mirrored), lengths)
        np.testing.assert_allclose(other[:, :, ~mirrored], joints[:, :, ~mirrored], atol=1e-5)
        reflected = joints[MIRRORED] * np.array([-1, 1, 1])[:, None, None]
        np.testing.assert_allclose(other[:, :, mirrored], reflected[:, :, mirrored], atol=1e-5)

    def test_traits_are_fixed_per_person(self):
        assert (subject_traits(3) == subject_traits(3)).all() and (subject_traits(3) != subject_traits(4)).all()


class TestMotion:
    def test_shapes_and_coverage(self, motions):
        joints, labels, subjects = motions
        assert joints.shape == (NUM_CLIPS, 96, 17, 3) and joints.dtype == np.float32
        assert np.isfinite(joints).all()
        assert np.bincount(labels, minlength=len(ACTIONS)).min() >= NUM_CLIPS // len(ACTIONS) - 3
        assert set(labels[: len(ACTIONS)]) == set(range(len(ACTIONS)))
        assert subjects.min() >= 0 and subjects.max() < 64 and len(set(subjects)) > 50

    @pytest.mark.parametrize(
        "bone",
        [(5, 7), (7, 9), (6, 8), (8, 10), (11, 13), (13, 15), (12, 14), (14, 16), (5, 6), (11, 12), (3, 4), (0, 3)],
    )
    def test_bones_keep_their_length(self, motions, bone):
        joints = motions[0]
        length = np.linalg.norm(joints[:, :, bone[0]] - joints[:, :, bone[1]], axis=-1)
        assert np.ptp(length, axis=1).max() < 2e-3
        assert np.ptp(length[:, 0]) > 0.005  # people differ

    def test_joint_limits(self, motions):
        joints = motions[0]
        knee, elbow = bend(joints, HIPS, KNEES, ANKLES), bend(joints, SHOULDERS, ELBOWS, WRISTS)
        assert knee.max() < LIMB_LIMITS["knee_flexion"][1] + 1
        assert elbow.max() < LIMB_LIMITS["elbow_flexion"][1] + 1
        assert knee.max() > 90 and elbow.max() > 110
        # A knee bends backwards: its hinge, thigh x shank, points to the person's left.
        thigh, shank = joints[:, :, KNEES] - joints[:, :, HIPS], joints[:, :, ANKLES] - joints[:, :, KNEES]
        left = joints[:, :, 11:12] - joints[:, :, 12:13]
        assert ((np.cross(thigh, shank) * left).sum(-1) > 0).all()

    def test_nobody_sinks_into_the_ground(self, motions):
        assert motions[0][..., 1].min() > -0.03

    @pytest.mark.parametrize("action", [*STANDING, "walk"])
    def test_a_foot_stays_on_the_ground(self, by_action, action):
        ankles = by_action[action][:, :, ANKLES, 1].min(-1)
        assert ankles.min() > 0.03 and ankles.max() < 0.20  # an ankle on tip-toe is at most this high

    @pytest.mark.parametrize("action", STANDING)
    def test_planted_feet_do_not_slide(self, by_action, action):
        ankles = by_action[action][:, :, ANKLES][..., [0, 2]].mean(2)
        assert np.linalg.norm(ankles - ankles[:, :1], axis=-1).max() < 0.25

    def test_motion_is_smooth(self, motions):
        speed = np.linalg.norm(np.diff(motions[0], axis=1), axis=-1) * 30
        assert speed.max() < 20  # metres per second; the foot of a kick is the fastest
        assert np.quantile(speed, 0.5) < 1

    def test_no_two_clips_are_alike(self, motions):
        joints, labels, _ = motions
        for label in range(len(ACTIONS)):
            clips = joints[labels == label]
            clips = (clips - clips[:, :1, 11:13].mean(2, keepdims=True)).reshape(len(clips), -1)
            distance = np.abs(clips[:, None] - clips[None]).max(-1)
            assert distance[~np.eye(len(clips), dtype=bool)].min() > 0.05


class TestActions:
    def test_walk_and_run_travel(self, by_action):
        speed = {}
        for action in ("walk", "run", "idle"):
            root = by_action[action][:, :, HIPS].mean(2)[..., [0, 2]]
            speed[action] = np.linalg.norm(np.diff(root, axis=1), axis=-1).mean(1) * 30
        assert 0.35 < speed["walk"].min() and speed["walk"].max() < 2.6
        assert 1.2 < speed["run"].min() and speed["run"].max() < 7
        assert speed["idle"].max() < 0.3
        assert speed["run"].mean() > 2 * speed["walk"].mean()

    def test_walk_goes_forward(self, by_action):
        joints = by_action["walk"]
        left = (joints[:, :, 5] - joints[:, :, 6])[..., [0, 2]]
        facing = np.stack([-left[..., 1], left[..., 0]], -1)
        root = joints[:, :, HIPS].mean(2)[..., [0, 2]]
        assert ((np.diff(root, axis=1) * facing[:, 1:]).sum(-1).mean(1) > 0).all()

    def test_jump_leaves_the_ground(self, by_action):
        lowest = by_action["jump"][:, :, ANKLES, 1].min(-1)
        assert (lowest.max(1) > 0.22).all() and (lowest.min(1) < 0.12).all()
        assert (by_action["run"][:, :, ANKLES, 1].min(-1).max(1) > 0.1).all()

    def test_fall_ends_low_and_flat(self, by_action):
        joints = by_action["fall"]
        assert (joints[:, -1, NOSE, 1] < 0.65).all() and (joints[:, 0, NOSE, 1] > 1.2).all()
        trunk = joints[:, -1, SHOULDERS].mean(1) - joints[:, -1, HIPS].mean(1)
        assert (np.abs(trunk[:, 1]) < 0.5 * np.linalg.norm(trunk, axis=-1)).all()

    def test_squat_drops_the_hips_and_rises(self, by_action):
        hips = by_action["squat"][:, :, HIPS, 1].mean(-1)
        assert (hips.min(1) < 0.75 * hips.max(1)).all()
        assert (hips[:, -1] > 0.9 * hips.max(1)).all()

    def test_sit_down_and_stand_up_are_opposite(self, by_action):
        for action, first, last in (("sit_down", 0, -1), ("stand_up", -1, 0)):
            hips = by_action[action][:, :, HIPS, 1].mean(-1)
            assert (hips[:, last] < 0.72 * hips[:, first]).all()

    def test_wave_oscillates_above_the_shoulder(self, by_action):
        joints = by_action["wave"][:, 45:]
        height = joints[:, :, WRISTS, 1] - joints[:, :, SHOULDERS, 1]
        assert (height.max((1, 2)) > 0.1).all() and (height.mean(1).max(1) > 0).all()
        clips = np.arange(len(joints))
        elbow = bend(joints, SHOULDERS, ELBOWS, WRISTS)[clips, :, height.mean(1).argmax(1)]
        elbow = elbow - elbow.mean(1, keepdims=True)
        assert ((np.diff(np.sign(elbow), axis=1) != 0).sum(1) >= 2).all() and (np.ptp(elbow, axis=1) > 15).all()

    def test_kick_and_punch_reach(self, by_action):
        ankles = by_action["kick"][:, :, ANKLES, 1]
        assert (ankles.max((1, 2)) > 0.45).all() and (ankles.max(1).min(1) < 0.25).all()
        elbow = bend(by_action["punch"], SHOULDERS, ELBOWS, WRISTS)
        assert (elbow.min((1, 2)) < 35).all() and (elbow.max((1, 2)) > 100).all()

    def test_pick_up_reaches_down(self, by_action):
        wrists = by_action["pick_up"][:, :, WRISTS, 1].min(-1)
        assert (wrists.min(1) < 0.5).all() and (wrists[:, -1] > 0.55).all()


class TestRows:
    def test_schema(self, rows):
        for row in rows:
            keypoints, scores = decode_row(row)
            people, frames, joints, coordinates = keypoints.shape
            assert (people, joints, coordinates) == (1, 17, 2) and 40 <= frames <= 96
            assert np.isfinite(keypoints).all() and (keypoints[scores == 0] == 0).all()
            assert 0 <= scores.min() and scores.max() <= 1
            assert row["layout"] == "coco17" and row["fps"] == 30
            assert row["source"].split("/")[1] == ACTIONS[row["label"]]
        assert len({row["source"] for row in rows}) == NUM_CLIPS
        motion_features(list(ACTIONS)).encode_example(rows[0])

    def test_same_seed_same_bits(self, rows):
        again = generate_motion(CHUNK_CLIPS + 1, seed=0)  # fewer clips are the first of more
        for a, b in zip(rows, again, strict=False):
            assert (
                a["keypoints"].tobytes() == b["keypoints"].tobytes() and a["scores"].tobytes() == b["scores"].tobytes()
            )
            assert {k: a[k] for k in ("shape", "label", "subject", "source")} == {
                k: b[k] for k in ("shape", "label", "subject", "source")
            }

    def test_another_seed_shares_no_clip(self, rows):
        others = {row["keypoints"].tobytes() for row in generate_motion(CHUNK_CLIPS, seed=1)}
        assert len(others) == CHUNK_CLIPS and not others & {row["keypoints"].tobytes() for row in rows}

    def test_subjects_and_actions_follow_the_config(self):
        config = SyntheticConfig(subjects=(48, 52), actions=("run", "fall"), num_frames=(20, 20), fps=15.0)
        rows = generate_motion(40, 0, config)
        assert config.num_subjects == 4
        assert {row["subject"] for row in rows} == {48, 49, 50, 51}
        assert {(row["label"], row["source"].split("/")[1]) for row in rows} == {(0, "run"), (1, "fall")}
        assert all(row["shape"] == [1, 20, 17, 2] and row["fps"] == 15 for row in rows)

    def test_people_are_upright_and_in_the_picture(self):
        for row in generate_motion(CHUNK_CLIPS, 5, SyntheticConfig(noise=EstimatorNoise.none(), actions=("idle",))):
            keypoints, scores = decode_row(row)
            assert (scores == 1).all()
            assert (keypoints[0, :, NOSE, 1] < keypoints[0, :, ANKLES, 1].min(0)).all()  # y points down
            assert keypoints.min() > -30 and keypoints[..., 0].max() < 1310 and keypoints[..., 1].max() < 750
            assert np.ptp(keypoints[..., 1]) > 60


class TestDataset:
    def test_streaming_gives_the_rows_of_the_map(self, rows):
        num_clips = CHUNK_CLIPS + 20
        dataset = synthetic_dataset(num_clips)
        stream = synthetic_dataset(num_clips, streaming=True)
        assert dataset.features == motion_features(list(ACTIONS)) == stream.features
        assert len(dataset) == num_clips and stream.num_shards == 2
        for a, b, row in zip(dataset, stream, rows, strict=False):
            assert a == b  # plain Python numbers in both
            assert np.array_equal(a["keypoints"], row["keypoints"]) and np.array_equal(a["scores"], row["scores"])
            assert all(a[name] == row[name] for name in ("shape", "label", "subject", "source", "layout", "fps"))
        assert sum(1 for _ in stream) == num_clips

    def test_nodes_share_the_stream(self):
        stream = synthetic_dataset(2 * CHUNK_CLIPS, streaming=True)
        parts = [{row["source"] for row in split_dataset_by_node(stream, rank, 2)} for rank in range(2)]
        assert [len(part) for part in parts] == [CHUNK_CLIPS, CHUNK_CLIPS] and not parts[0] & parts[1]


class TestNoise:
    def keypoints(self):
        generator = np.random.default_rng(0)
        return generator.uniform(0, 400, (64, 1, 17, 2)).astype(np.float32).repeat(80, axis=1)

    def apply(self, hidden=0.0, **strengths):
        clean = self.keypoints()
        noise = EstimatorNoise(**{"swap_ratio": 0.0, "occlusion_ratio": 0.0, "dropout_ratio": 0.0} | strengths)
        noisy, scores = apply_noise(
            clean, np.full(clean.shape[:-1], hidden, np.float32), noise, np.random.default_rng(1)
        )
        return clean, noisy, scores

    def test_none_changes_nothing(self):
        clean = self.keypoints()
        hidden = np.ones(clean.shape[:-1], np.float32)
        noisy, scores = apply_noise(clean, hidden, EstimatorNoise.none(), np.random.default_rng(1))
        assert (noisy == clean).all() and (scores == 1).all()

    def test_jitter_grows_with_strength_and_towards_the_ends(self):
        error = {s: np.abs(noisy - clean) for s in (0.003, 0.012) for clean, noisy, _ in [self.apply(jitter=s)]}
        assert 3.5 < error[0.012].mean() / error[0.003].mean() < 4.5
        assert error[0.003][:, :, WRISTS].mean() > 1.5 * error[0.003][:, :, NOSE].mean()
        assert 0.4 < error[0.003].mean() < 3  # pixels, of a body of about 400

    def test_scores_tell_of_errors(self):
        clean, noisy, scores = self.apply()
        error = np.linalg.norm(noisy - clean, axis=-1)
        assert np.corrcoef(error.ravel(), scores.ravel())[0, 1] < -0.3
        assert 0 < scores.min() and scores.max() <= 1 and 0.8 < scores.mean() < 0.95

    def test_hidden_joints_score_lower_and_jitter_more(self):
        clean, seen, high = self.apply()
        _, hidden, low = self.apply(hidden=1.0)
        assert low.mean() < high.mean() - 0.3
        assert np.abs(hidden - clean).mean() > 1.5 * np.abs(seen - clean).mean()

    @pytest.mark.parametrize(
        "strengths",
        [{"occlusion_ratio": 0.1}, {"occlusion_ratio": 0.4}, {"dropout_ratio": 0.1}, {"occlusion_ratio": 0.04}],
    )
    def test_missing_share(self, strengths):
        _, noisy, scores = self.apply(**strengths)
        expected = sum(strengths.values())
        assert abs((scores == 0).mean() - expected) < 0.15 * expected + 0.004
        assert (noisy[scores == 0] == 0).all()

    def test_missing_share_of_the_corpus(self, rows):
        noise = EstimatorNoise()
        missing = np.concatenate([row["scores"] for row in rows]) == 0
        assert abs(missing.mean() - (noise.occlusion_ratio + noise.dropout_ratio)) < 0.01

    def test_swaps_exchange_sides(self):
        clean, noisy, _ = self.apply(jitter=0.0, swap_ratio=0.2)
        swapped = (noisy != clean).any(-1)
        assert (noisy[swapped] == clean[:, :, MIRRORED][swapped]).all()
        assert abs(swapped.any(-1).mean() - 0.2) < 0.05
        assert not swapped[..., NOSE].any()

    def test_far_side_scores_lower(self, motions):
        config = SyntheticConfig(noise=EstimatorNoise(occlusion_ratio=0.0, dropout_ratio=0.0), actions=("walk",))
        spread = [np.ptp(decode_row(row)[1][0].mean(0)[[5, 6]]) for row in generate_motion(CHUNK_CLIPS, 0, config)]
        assert max(spread) > 0.15 and min(spread) < 0.05


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SyntheticConfig(num_frames=(96, 40)), r"num_frames is \(96, 40\); it must be two integers"),
        (lambda: SyntheticConfig(num_frames=(4, 40)), "num_frames is .* with 8 <= low"),
        (lambda: SyntheticConfig(fps=60.0), "fps is 60.0; it must be positive, and at most 40.0"),
        (lambda: SyntheticConfig(fps=0.0), "fps is 0.0; it must be positive"),
        (lambda: SyntheticConfig(subjects=(5, 5)), r"subjects is \(5, 5\), which is nobody"),
        (lambda: SyntheticConfig(actions=("walk", "fly")), "actions is .*'fly'.*different names out of walk, run"),
        (lambda: SyntheticConfig(actions=()), "actions is "),
        (lambda: SyntheticConfig(actions=("walk", "walk")), "actions is "),
        (lambda: SyntheticConfig(noise=0.1), "noise is 0.1; it must be an EstimatorNoise"),
        (lambda: EstimatorNoise(jitter=-0.1), "jitter is -0.1; it must be from 0 to 0.1"),
        (lambda: EstimatorNoise(occlusion_ratio=0.9), "occlusion_ratio is 0.9; it must be from 0 to 0.5"),
        (lambda: EstimatorNoise(swap_frames=(0, 3)), r"swap_frames is \(0, 3\); .* with 1 <= low"),
        (lambda: generate_motion(0, 0), "num_clips is 0; it must be at least 1"),
        (lambda: synthetic_dataset(4, -1), "seed is -1; it must not be negative"),
    ],
)
def test_bad_input_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()

"""Action data sets as they are shared: MSR Action3D and Daily Activity, PKU-MMD, UTKinect, ETRI, Toyota Smarthome."""

import json

import numpy as np
import pytest
from damaged_files import damaged, fuzz, read_damaged
from hypothesis import given
from scipy.io import savemat

from motion_data.corpora.load import load_corpus
from motion_data.corpora.prepare import PrepareOptions, prepare_corpus
from motion_data.inputs import as_recordings, input_options
from motion_data.layouts import get_layout
from motion_data.notes import collect_notes
from motion_data.readers import FormatError, ReadOptions, registry
from motion_data.readers.estimators.lcrnet import NAMES, read_lcrnet
from motion_data.readers.sets.etri import read_etri
from motion_data.readers.sets.msr_text import read_msr
from motion_data.readers.sets.pku_mmd import read_pku

FRAMES = 15
OPTIONS = ReadOptions(min_track=1)


def bodies(layout, frames=FRAMES):
    """Return somebody who stands before a sensor, `[F, K, 3]` in metres, y up, drifting along x."""
    heights = {"head": 0.7, "shoulder": 0.5, "elbow": 0.2, "wrist": 0.0, "hip": 0.0, "knee": -0.5, "ankle": -0.9}
    body = np.zeros((get_layout(layout).num_joints, 3))
    for place, name in enumerate(get_layout(layout).joints):
        height = next((value for part, value in heights.items() if part in name), 0.3)
        side = name.startswith("left") - name.startswith("right")
        body[place] = 0.2 * side + 0.01 * place, height + 0.001 * place, 2.5
    return body + np.linspace(0, 0.5, frames)[:, None, None] * np.array([1.0, 0, 0])


def lines(rows):
    return "\n".join(" ".join(f"{value:.6f}" for value in row) for row in rows) + "\n"


def read(path, name, options=OPTIONS):
    assert registry.format_of(path).name == name
    return as_recordings(path, options)


def msr(folder, name, joints):
    path = folder / name
    path.write_text(lines(joints.reshape(-1, joints.shape[-1])))
    return path


def test_msr_action3d_has_a_line_for_each_joint(tmp_path):
    joints = bodies("msr20")
    joints[4] = 0  # the sensor saw nobody
    path = msr(tmp_path, "a03_s07_e02_skeleton3D.txt", np.dstack((joints, np.full(joints.shape[:2], 0.9))))
    (recording,) = read(path, "msr")
    assert (recording.layout, recording.fps, recording.space) == ("msr20", 15, "camera")
    assert (recording.label, recording.subject) == ("a03", 7)
    np.testing.assert_allclose(recording.keypoints[0], joints, atol=1e-5)
    np.testing.assert_allclose(recording.scores[0], np.where(joints.any(-1), 0.9, 0), atol=1e-6)


def test_msr_action3d_in_the_picture(tmp_path):
    places = np.abs(bodies("msr20")) * 100 + 20
    path = msr(tmp_path, "a03_s07_e02_skeleton.txt", np.dstack((places, np.zeros(places.shape[:2]))))
    with collect_notes() as notes:
        (recording,) = read(path, "msr")
    np.testing.assert_allclose(recording.keypoints[0], places[..., :2], atol=1e-3)
    assert (recording.scores == 1).all() and any("all scores are 0 and say nothing" in text for text in notes)


def daily(people_in_frames):
    text = [f"{len(people_in_frames)} 20"]
    for people in people_in_frames:
        text.append(str(40 * len(people)))
        for body in people:
            for x, y, z in body:
                text += [f"{x:.6f} {y:.6f} {z:.6f} 1", f"{x / 4:.6f} {y / 4:.6f} {z:.6f} 1"]
    return "\n".join(text) + "\n"


def test_msr_daily_activity_counts_its_lines(tmp_path):
    body = bodies("kinect20")
    frames = [[one] for one in body]
    frames[3], frames[5] = [], [body[5], body[5] + [0, 0, 1]]
    path = tmp_path / "a16_s01_e02_skeleton.txt"
    path.write_text(daily(frames))
    (recording,) = read(path, "msr")
    assert (recording.layout, recording.fps, recording.space) == ("kinect20", 30, "camera")
    assert recording.keypoints.shape[:2] == (2, FRAMES) and (recording.label, recording.subject) == ("a16", 1)
    assert not recording.scores[:, 3].any() and recording.scores[1].any(-1).tolist() == [f == 5 for f in range(FRAMES)]
    np.testing.assert_allclose(np.delete(recording.keypoints[0], 3, 0), np.delete(body, 3, 0), atol=1e-5)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (lines(np.ones((39, 4))), "has 39 lines of 4 numbers; a frame is 20 lines"),
        (lines(np.ones((40, 3))), "has 40 lines of 3 numbers"),
        ("2 15\n0\n0\n", "states 15 joints; they must be 20"),
        ("2 20\n40\n1 2 3 1\n", "frame 0 has 40 lines"),
        ("1 20\n7\n" + lines(np.ones((7, 4))), "frame 0 has 7 lines; each person has 40"),
        ("2 20\n0\n", "no number of lines before frame 1"),
        ("1 20\n0\n", "holds nobody"),
        ("", "has 0 bytes"),
    ],
)
def test_what_is_wrong_with_msr_is_said(tmp_path, text, reason):
    path = tmp_path / "a01_s01_e01_skeleton.txt"
    path.write_text(text)
    with pytest.raises(FormatError, match=reason):
        list(read_msr(path, OPTIONS))


def pku(folder, name="0002-L.txt", frames=60, two=True):
    first = bodies("ntu25", frames)
    second = first + [0.8, 0, 0.3] if two else np.zeros_like(first)
    path = folder / "Skeleton" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(lines(np.concatenate((first.reshape(frames, -1), second.reshape(frames, -1)), 1)))
    return path, first, second


def test_pku_mmd_is_one_recording_without_labels(tmp_path):
    path, first, second = pku(tmp_path)
    with collect_notes() as notes:
        (recording,) = read(path, "pku-mmd")
    assert (recording.layout, recording.fps, recording.space, recording.camera) == ("ntu25", 30, "camera", "L")
    np.testing.assert_allclose(recording.keypoints, np.stack((first, second)), atol=1e-5)
    assert any("no labels lie beside it" in text for text in notes)


def test_labels_of_pku_mmd_cut_it(tmp_path):
    path, first, _ = pku(tmp_path, "A01N05-R.txt", two=False)
    labels = tmp_path / "Label_PKUMMD" / path.name
    labels.parent.mkdir()
    labels.write_text("12,5,24,1\n3,30,75,2\n")
    recordings = read(path, "pku-mmd")
    assert [(one.label, one.first_frame, one.subject, one.camera) for one in recordings] == [
        ("12", 5, 5, "R"),
        ("3", 30, 5, "R"),
    ]
    assert [one.keypoints.shape[:2] for one in recordings] == [(1, 20), (1, 30)]  # the second goes on behind the end
    np.testing.assert_allclose(recordings[0].keypoints[0], first[5:25], atol=1e-5)
    labels.write_text("12,70,80,1\n")
    with pytest.raises(FormatError, match="has an action from frame 70 to 59 of 60"):
        as_recordings(path)


def test_pku_mmd_becomes_a_corpus_that_follows_its_labels(tmp_path):
    for number in range(4):
        path, *_ = pku(tmp_path / "set", f"000{number}-M.txt")
        labels = tmp_path / "set" / "Label" / path.name
        labels.parent.mkdir(exist_ok=True)
        labels.write_text("1,0,29,1\n2,30,59,1\n")
    done = prepare_corpus([tmp_path / "set"], tmp_path / "corpus", PrepareOptions(test_fraction=0.5))
    assert done.statistics.num_clips == 8 and not done.unknown
    rows = [row for split in ("train", "test") for row in load_corpus(tmp_path / "corpus", split)]
    assert len({row["source"] for row in rows}) == 8 and {row["label"] for row in rows} == {0, 1}


def test_lines_of_numbers_may_start_with_their_frame(tmp_path):
    joints = bodies("kinect20")
    rows = np.column_stack((252 + np.arange(FRAMES) * 2, joints.reshape(FRAMES, -1)))
    path = tmp_path / "joints_s01_e01.txt"  # of UTKinect
    path.write_text(lines(np.insert(rows, 3, rows[2], 0)))  # a frame twice, and every second one left out
    (recording,) = read(path, "numbers", ReadOptions(min_track=1, layout="kinect20", coordinates="xyz"))
    assert recording.keypoints.shape[1] == 2 * FRAMES - 1
    np.testing.assert_allclose(recording.keypoints[0, ::2], joints, atol=1e-5)
    assert not recording.scores[0, 1::2].any()
    rows[5, 0] = 0
    path.write_text(lines(rows))
    with pytest.raises(FormatError, match="not those of frames, in order"):
        as_recordings(path, input_options(layout="kinect20", coordinates="xyz"))


def test_utd_mhad_is_known_by_its_variable(tmp_path):
    joints = np.concatenate([bodies("kinect20")[:, [3, 2, 1, 0]], bodies("kinect20")[:, 4:]], 1)
    path = tmp_path / "a27_s8_t2_skeleton.mat"
    savemat(path, {"d_skel": joints.transpose(1, 2, 0)})
    (recording,) = read(path, "matlab")
    assert (recording.label, recording.subject, recording.fps, recording.space) == ("a27", 8, 30, "camera")
    layout = get_layout(recording.layout).joints
    for name in ("left_wrist", "right_ankle", "left_shoulder"):
        wanted = bodies("kinect20")[:, get_layout("kinect20").joints.index(name)]
        np.testing.assert_allclose(recording.keypoints[0, :, layout.index(name)], wanted, atol=1e-5)
    savemat(path, {"d_skel": joints})
    with pytest.raises(FormatError, match=r"has d_skel float64 .*must be numbers \[20, 3, frames\]"):
        as_recordings(path)


def etri(people, frame_numbers=None):
    places = ("3dX", "3dY", "3dZ", "depthX", "depthY", "orientationX", "orientationY", "orientationZ", "orientationW")
    titles = ["frameNum", "bodyindexID", "trackingID"]
    titles += [f"joint{joint}_{part}" for joint in range(1, 26) for part in (*places, "trackingState")]
    text = [",".join(titles)]
    for frame in range(FRAMES):
        for number, body in enumerate(people):
            cells = [str(frame + 1), str(number), f"7205759403882{number:04d}"]
            for joint, (x, y, z) in enumerate(body[frame]):
                cells += [f"{x:.6f}", f"{y:.6f}", f"{z:.6f}", *["9"] * 6, "1" if joint == 4 else "2"]
            text.append(",".join(cells))
    return "\n".join(text) + "\n"


def test_etri_has_a_line_for_each_body(tmp_path):
    body = bodies("ntu25")
    path = tmp_path / "A021_P005_G001_C002.csv"
    path.write_text(etri([body, body + [1, 0, 0]]))
    (recording,) = read(path, "etri")
    assert (recording.layout, recording.space, recording.label) == ("ntu25", "camera", "A021")
    assert (recording.subject, recording.camera) == (5, "C002")
    np.testing.assert_allclose(recording.keypoints, np.stack((body, body + [1, 0, 0])), atol=1e-5)
    assert (recording.scores[:, :, 4] == 0.5).all() and (recording.scores[:, :, 5] == 1).all()
    path.write_text(path.read_text().replace("joint25_trackingState", "state"))
    with pytest.raises(FormatError, match="has no column 'joint25_trackingstate'; 1 of 102 are missing"):
        as_recordings(path)


def lcrnet(joints):
    """Return JSON with all x before all y; nobody is in frame 2."""
    frames = [[{"pose2d": [*places[:, 0], *places[:, 1]], "pose3d": [0] * 39, "cumscore": 3.2}] for places in joints]
    frames[2] = []
    return json.dumps({"K": 100, "njts": joints.shape[1], "frames": frames})


@pytest.mark.parametrize("count", [13, 17])
def test_smarthome_has_all_x_before_all_y(tmp_path, count):
    joints = np.random.default_rng(0).uniform(50, 400, (FRAMES, count, 2)).round(2)
    path = tmp_path / "Cook.Cleandishes_p02_r00_v02_c03_pose3d.json"
    path.write_text(lcrnet(joints))
    (recording,) = read(path, "lcr-net")
    assert (recording.label, recording.subject, recording.camera) == ("Cook.Cleandishes", 2, "03")
    for name in ("left_ankle", "right_shoulder", "left_wrist"):
        found = recording.keypoints[0, :, get_layout(recording.layout).joints.index(name)]
        wanted = joints[:, NAMES[count].index(name)]
        np.testing.assert_allclose(np.delete(found, 2, 0), np.delete(wanted, 2, 0), atol=1e-3)
    assert not recording.scores[:, 2].any()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda content: content | {"njts": 14}, "has njts 14; it must be 13 or 17"),
        (lambda content: content | {"frames": [[{"pose2d": [1.0] * 25}]]}, "has 25 numbers; 13 joints need 26"),
    ],
)
def test_what_is_wrong_with_smarthome_is_said(tmp_path, change, reason):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(change(json.loads(lcrnet(np.ones((3, 13, 2)))))))
    with pytest.raises(FormatError, match=reason):
        list(read_lcrnet(path, OPTIONS))


ACTION3D = lines(np.dstack((bodies("msr20", 3), np.ones((3, 20)))).reshape(-1, 4)).encode()


@fuzz
@given(content=damaged(ACTION3D, is_text=True))
def test_damaged_action3d(tmp_path, content):
    read_damaged(read_msr, tmp_path / "a01_s01_e01_skeleton3D.txt", content, OPTIONS)


@fuzz
@given(content=damaged(daily([[one] for one in bodies("kinect20", 3)]).encode(), is_text=True))
def test_damaged_daily_activity(tmp_path, content):
    read_damaged(read_msr, tmp_path / "a01_s01_e01_skeleton.txt", content, OPTIONS)


@fuzz
@given(content=damaged(lines(np.tile(bodies("ntu25", 3).reshape(3, -1), 2)).encode(), is_text=True))
def test_damaged_pku(tmp_path, content):
    read_damaged(read_pku, tmp_path / "0001-M.txt", content, OPTIONS)


@fuzz
@given(content=damaged(etri([bodies("ntu25")])[:6000].encode(), is_text=True))
def test_damaged_etri(tmp_path, content):
    read_damaged(read_etri, tmp_path / "A001_P001_G001_C001.csv", content, OPTIONS)


@fuzz
@given(content=damaged(lcrnet(np.full((4, 13, 2), 20.5)).encode(), is_text=True))
def test_damaged_lcrnet(tmp_path, content):
    read_damaged(read_lcrnet, tmp_path / "a.json", content, OPTIONS)

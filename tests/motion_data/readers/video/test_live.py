"""Cameras: the newest picture counts, people keep their ids, and what was seen is drawn over."""

import time

import numpy as np
import pytest

from motion_data.animation import AnnotatedFilm
from motion_data.readers.detections import Detections
from motion_data.readers.linking import LiveLinker, link_people
from motion_data.readers.video.decoding import VideoError
from motion_data.readers.video.live import LivePictures, is_live

av = pytest.importorskip("av")
FRAMES, FPS = 24, 24


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """A second of pictures whose grey is the number of the frame, times ten."""
    path = tmp_path_factory.mktemp("film") / "grey.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=FPS)
        stream.height, stream.width, stream.pix_fmt = 32, 48, "bgr0"
        for number in range(FRAMES):
            picture = np.full((32, 48, 3), 10 * number, np.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return str(path)


def test_who_is_slow_gets_the_newest_picture_and_the_rest_is_dropped(film):
    seen = []
    with LivePictures(film) as pictures:
        for moment, picture in pictures:
            seen.append((moment, int(picture[0, 0, 0]) // 10))
            time.sleep(0.21)  # five frames
    numbers = [number for _, number in seen]
    assert numbers == sorted(set(numbers)) and numbers[-1] == FRAMES - 1
    assert len(numbers) <= 8 and pictures.dropped == FRAMES - len(numbers)
    assert all(moment == pytest.approx(number / FPS, abs=2e-3) for moment, number in seen)


def test_time_goes_on_where_a_file_says_that_it_goes_back(film):
    class Shuffled:
        """Frames whose times are those of another order, as some AVI files have them, or not there at all."""

        def __init__(self, container):
            self.container, self.streams, self.close = container, container.streams, container.close

        def decode(self, stream):
            for number, frame in enumerate(self.container.decode(stream)):
                frame.pts = None if number == 9 else frame.pts + {4: 42, 5: -42}.get(number, 0)  # milliseconds
                yield frame

    pictures = LivePictures(film)
    pictures._container = Shuffled(pictures._container)
    with pictures:
        moments = [moment for moment, _ in pictures]
    assert len(moments) + pictures.dropped == FRAMES and (np.diff(moments) > 0).all()
    assert moments[-1] == pytest.approx((FRAMES - 1) / FPS, abs=2 / FPS)


def test_sources_that_are_none_are_refused(tmp_path):
    assert is_live("camera") and is_live("camera:1") and is_live("rtsp://host/1") and not is_live("camera.mp4")
    with pytest.raises(ValueError, match="source is 'camera:front'; a camera is 'camera' or 'camera:<number>'"):
        LivePictures("camera:front")
    (tmp_path / "text.mp4").write_text("no film")
    for source in (str(tmp_path / "text.mp4"), str(tmp_path / "gone.mp4"), "rtsp://127.0.0.1:9/none"):
        with pytest.raises(VideoError, match="cannot be opened"):
            LivePictures(source)


def crossing(frames=40):
    """Two people who walk past each other; the second is missed for some frames, and the order changes."""
    body = np.random.default_rng(0).normal(0, 20, (17, 2)).astype(np.float32) + 200
    found = []
    for frame in range(frames):
        people = [body + [8 * frame, 0], body + [300 - 8 * frame, 60]]
        people = people[:1] if 12 <= frame < 16 else people[:: 1 if frame % 2 else -1]
        found.append(np.stack(people).astype(np.float32))
    return found


def test_people_are_linked_live_as_in_a_file():
    found = crossing()
    linker = LiveLinker(10, "coco17")
    live = np.concatenate([linker.push(people, np.ones(people.shape[:2], np.float32)) for people in found])
    keypoints = np.concatenate(found)
    frames = np.repeat(np.arange(len(found)), [len(people) for people in found])
    unknown = np.full(len(frames), -1)
    whole = link_people(Detections(frames, unknown, keypoints, np.ones(keypoints.shape[:2])), 10, "coco17")
    assert len(set(whole)) == 2 and len(set(zip(live, whole, strict=True))) == 2
    assert len(linker.push(np.zeros((0, 17, 2), np.float32), np.zeros((0, 17), np.float32))) == 0
    for _ in range(30):
        linker.push(np.zeros((0, 17, 2), np.float32), np.zeros((0, 17), np.float32))
    assert linker.push(found[0], np.ones((2, 17), np.float32)).min() > live.max()  # after a long while: others


def test_what_was_seen_is_drawn_over_the_pictures(tmp_path):
    path = tmp_path / "out.mp4"
    body = np.linspace(10, 80, 34).reshape(1, 17, 2).astype(np.float32)
    with AnnotatedFilm(path) as film:
        for number in range(5):
            grey = np.full((91, 121, 3), 128, np.uint8)
            film.add(number / 4, grey, body, np.ones((1, 17)), "coco17", ["0: walk 0.90"])
        assert not path.exists()
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    assert [frame.time for frame in frames] == pytest.approx([0, 0.25, 0.5, 0.75, 1.0], abs=2e-3)
    picture = frames[2].to_ndarray(format="rgb24").astype(int)
    assert picture.shape == (90, 120, 3) and np.abs(picture - 128).max() > 60 and np.abs(picture[-5:] - 128).max() < 20
    black = np.zeros((32, 32, 3), np.uint8)
    with pytest.raises(RuntimeError), AnnotatedFilm(tmp_path / "broken off.mp4") as film:
        film.add(0, black, body, np.ones((1, 17)), "coco17", ["0"])
        raise RuntimeError
    with av.open(str(tmp_path / "broken off.mp4")) as container:
        assert len(list(container.decode(video=0))) == 1
    with pytest.raises(ValueError), AnnotatedFilm(tmp_path / "never begun.mp4") as film:
        film.add(0, black, body, np.ones((1, 17)), "coco17", ["a line for nobody", "0"])
    assert sorted(file.name for file in tmp_path.iterdir()) == ["broken off.mp4", "out.mp4"]
    with pytest.raises(ValueError, match="must end in .mp4"):
        AnnotatedFilm("out.avi")

"""Films of people: as many pictures as there should be, the people in them, and nothing half-written."""

import numpy as np
import pytest
from PIL import Image

from motion_data.animation import animate
from motion_data.keypoints import Motion


def walking(frames=60):
    body = np.stack([np.resize([0.0, 2.0, 4.0], 17), np.linspace(0, 20, 17)], -1)
    keypoints = np.tile(body, (2, frames, 1, 1)).astype(np.float32)
    keypoints[1, :, :, 0] += np.linspace(10, 30, frames)[:, None]
    return Motion(keypoints, np.ones((2, frames, 17), np.float32))


def test_a_gif_shows_every_other_frame_of_thirty_a_second(tmp_path):
    path = tmp_path / "walk.gif"
    animate(walking(), 30.0, path, captions=[f"{f}" for f in range(60)])
    with Image.open(path) as film:
        assert film.n_frames == 30 and film.info["duration"] == pytest.approx(67, abs=4)
        assert max(film.size) >= 400
        colours = {
            tuple(colour) for colour in np.unique(np.asarray(film.convert("RGB")).reshape(-1, 3), axis=0).tolist()
        }
        film.seek(29)
        last = np.asarray(film.convert("RGB"))
    assert {(0, 0, 0), (255, 255, 255)} <= colours and len(colours) >= 4  # joints, ground, both sides
    assert (last[:, : last.shape[1] // 3] < 128).any() and (last[:, -last.shape[1] // 3 :] < 128).any()
    assert [file.name for file in tmp_path.iterdir()] == ["walk.gif"]


def test_what_is_odd_is_on_red(tmp_path):
    path = tmp_path / "odd.gif"
    animate(walking(20), 10.0, path, tints=[0.0] * 10 + [1.0] * 10)
    with Image.open(path) as film:
        grounds = []
        for frame in (0, 19):
            film.seek(frame)
            grounds.append(film.convert("RGB").getpixel((1, 1)))
    assert grounds[0] == (255, 255, 255) and grounds[1][0] > 245 and grounds[1][1] < 200


def test_an_mp4_has_every_frame(tmp_path):
    av = pytest.importorskip("av")
    path = tmp_path / "walk.mp4"
    animate(walking(24), 24.0, path)
    with av.open(str(path)) as film:
        frames = list(film.decode(video=0))
        assert len(frames) == 24 and float(film.streams.video[0].average_rate) == 24


def test_what_cannot_be_drawn_is_refused(tmp_path):
    nobody = walking()
    nobody.scores[:] = 0
    for motion, name, options, message in (
        (walking(), "a.avi", {}, "must end in .gif or .mp4"),
        (walking(), "a.gif", {"captions": ["one"]}, "captions has 1 entries; it must have 60"),
        (walking(), "a.gif", {"tints": [0.5]}, "tints has 1 entries"),
        (nobody, "a.gif", {}, "nobody in any frame"),
    ):
        with pytest.raises(ValueError, match=message):
            animate(motion, 30.0, tmp_path / name, **options)
    assert not list(tmp_path.iterdir())

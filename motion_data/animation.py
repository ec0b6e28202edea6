"""Draw people frame by frame into a GIF or a film, with a caption (`pip install mofm[plot]`; films: `mofm[video]`)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .drawing import limb_colour
from .keypoints import Motion
from .layouts import SkeletonLayout, get_layout

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

SUFFIXES = (".gif", ".mp4")
SIDE = 480  # pixels of the longer side of a picture
MARGIN = 0.08  # of the longer side, around the people
GIF_FPS = 15.0  # more makes large files, and viewers show fewer


def animate(
    motion: Motion,
    fps: float,
    path: str | os.PathLike,
    captions: Sequence[str] = (),
    tints: Sequence[float] = (),
) -> None:
    """Write a film of people on a white ground, which they fill.

    Args:
        motion: `[M, F, 17, 2]` in pixels or any other unit.
        fps: frames a second.
        path: `.gif` or `.mp4`.
        captions: `[F]`, a line below the people in each frame.
        tints: `[F]` from 0 to 1, how red the ground is: for what is odd.

    Raises:
        ValueError: another suffix, captions or tints of another number, or nobody in any frame.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"path is {str(path)!r}; it must end in {' or '.join(SUFFIXES)}")
    num_frames = motion.scores.shape[1]
    for name, values in (("captions", captions), ("tints", tints)):
        if len(values) not in (0, num_frames):
            raise ValueError(f"{name} has {len(values)} entries; it must have {num_frames}, one for each frame")
    if not motion.scores.any():
        raise ValueError("motion has nobody in any frame; there is nothing to draw")
    step = max(round(fps / GIF_FPS), 1) if path.suffix.lower() == ".gif" else 1
    pictures = _pictures(motion, captions, tints, step)
    unfinished = path.with_name(f".unfinished-{path.name}")
    if path.suffix.lower() == ".gif":
        first = next(pictures)
        duration = 10 * max(round(100 * step / fps), 1)  # hundredths of a second are what the format knows
        first.save(unfinished, save_all=True, append_images=pictures, duration=duration, loop=0)
    else:
        _write_film(pictures, fps, unfinished)
    os.replace(unfinished, path)


def _pictures(motion: Motion, captions: Sequence[str], tints: Sequence[float], step: int) -> Iterator[Image]:
    from PIL import Image, ImageDraw, ImageFont

    present = motion.scores > 0
    low, high = (edge(motion.keypoints[present], axis=0) for edge in (np.min, np.max))
    factor = SIDE * (1 - 2 * MARGIN) / max((high - low).max(), 1e-6)
    # even sides, as films need
    width, height = (int(side * factor + 2 * MARGIN * SIDE) // 2 * 2 for side in high - low)
    width = max(width, SIDE // 2)
    below = 40 if len(captions) else 0
    places = (motion.keypoints - (low + high) / 2) * factor + [width / 2, height / 2]
    layout = get_layout("coco17")
    font = ImageFont.load_default(18)
    for frame in range(0, motion.scores.shape[1], step):
        tint = float(np.clip(tints[frame], 0, 1)) if len(tints) else 0.0
        ground = (255, round(255 - 70 * tint), round(255 - 70 * tint))
        picture = Image.new("RGB", (width, height + below), ground)
        pen = ImageDraw.Draw(picture)
        for body, there in zip(places[:, frame], present[:, frame], strict=True):
            _draw_person(pen, body, there, layout)
        if len(captions):
            pen.text((10, height + 8), captions[frame], fill="black", font=font)
        yield picture


def _draw_person(
    pen: ImageDraw, body: np.ndarray, there: np.ndarray, layout: SkeletonLayout, scale: float = 1
) -> None:
    for a, b in layout.limbs:
        if there[a] and there[b]:
            ends = [tuple(body[a]), tuple(body[b])]
            pen.line(ends, fill=limb_colour(layout, (a, b)), width=max(round(4 * scale), 1))
    for joint in body[there]:
        pen.ellipse([*(joint - 3 * scale), *(joint + 3 * scale)], fill="black")


class AnnotatedFilm:
    """Write pictures with people and what is said of them drawn over: `with AnnotatedFilm("out.mp4") as film:`.

    The film is in place when it is closed, with what it had until then, also where a camera broke off.
    Needs `pip install mofm[plot,video]`.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        if self.path.suffix.lower() != ".mp4":
            raise ValueError(f"path is {str(path)!r}; it must end in .mp4")
        self._unfinished = self.path.with_name(f".unfinished-{self.path.name}")
        self._film: Any = None
        self._last = -1

    def __enter__(self) -> AnnotatedFilm:
        return self

    def __exit__(self, *_: object) -> None:
        if self._film is None:
            return
        self._film.mux(self._stream.encode())
        self._film.close()
        if self._last >= 0:
            os.replace(self._unfinished, self.path)
        else:  # not even one picture
            self._unfinished.unlink(missing_ok=True)

    def add(
        self,
        time: float,
        picture: np.ndarray,
        keypoints: np.ndarray,
        scores: np.ndarray,
        layout: str,
        said: Sequence[str],
    ) -> None:
        """Add a picture.

        Args:
            time: seconds, later than the last one's.
            picture: `[H, W, 3]` uint8 RGB; all of one size.
            keypoints: `[M, K, 2]` pixels.
            scores: `[M, K]`, 0 is missing.
            layout: of the joints.
            said: a line for each of the M people, written above them.
        """
        import av
        from PIL import Image, ImageDraw, ImageFont

        height, width = picture.shape[:2]
        if self._film is None:
            self._film = av.open(str(self._unfinished), "w", format="mp4")
            self._stream = self._film.add_stream("libx264", rate=30)
            self._stream.pix_fmt, self._stream.time_base = "yuv420p", Fraction(1, 1000)
            self._stream.codec_context.time_base = Fraction(1, 1000)
            self._stream.width, self._stream.height = width // 2 * 2, height // 2 * 2  # even sides, as films need
        image = Image.fromarray(picture)
        pen = ImageDraw.Draw(image)
        scale = max(width, height) / SIDE / 2
        font = ImageFont.load_default(max(round(14 * scale), 10))
        for body, there, line in zip(keypoints, scores > 0, said, strict=True):
            if there.any():
                _draw_person(pen, body, there, get_layout(layout), scale)
                x, y = body[there].min(0)
                place = max(x, 0), max(y - 22 * scale, 0)
                pen.rectangle(pen.textbbox(place, line, font=font), fill="white")
                pen.text(place, line, fill="black", font=font)
        image = image.crop((0, 0, width // 2 * 2, height // 2 * 2))
        frame = av.VideoFrame.from_image(image)
        now = max(round(time * 1000), self._last + 1)
        frame.pts, frame.time_base = now, Fraction(1, 1000)
        self._film.mux(self._stream.encode(frame))
        self._last = now


def _write_film(pictures: Iterator[Image], fps: float, path: Path) -> None:
    import av

    with av.open(str(path), "w", format="mp4") as film:
        stream = film.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
        stream.pix_fmt = "yuv420p"
        for picture in pictures:
            if not stream.codec_context.is_open:
                stream.width, stream.height = picture.size
            for packet in stream.encode(av.VideoFrame.from_image(picture)):
                film.mux(packet)
        for packet in stream.encode():
            film.mux(packet)

"""Draw people frame by frame into a GIF or a film, with a caption (`pip install mofm[plot]`; films: `mofm[video]`)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .drawing import limb_colour
from .keypoints import Motion
from .layouts import get_layout

if TYPE_CHECKING:
    from PIL.Image import Image

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
            for a, b in layout.limbs:
                if there[a] and there[b]:
                    pen.line([tuple(body[a]), tuple(body[b])], fill=limb_colour(layout, (a, b)), width=4)
            for joint in body[there]:
                pen.ellipse([*(joint - 3), *(joint + 3)], fill="black")
        if len(captions):
            pen.text((10, height + 8), captions[frame], fill="black", font=font)
        yield picture


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

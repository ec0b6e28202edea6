"""Pictures of a video file, a batch at a time, decoded with PyAV (FFmpeg's libraries in a wheel of their own)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from types import TracebackType

import numpy as np

MAX_PICTURE = 2**26  # pixels
MAX_RATE = 1000.0  # frames per second; a damaged header may claim anything
# FFmpeg also reads playlists, which name other files and hosts: only these containers are opened.
CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,avi,matroska,webm,mpegts,mpeg,ogg,flv,asf"


class VideoError(ValueError):
    """A file is no video that can be read."""


class VideoFile:
    """An open video: `with VideoFile(path) as video:`.

    Pictures come as they are stored, turned as the file says, without sound. A video whose frame rate varies is read
    frame by frame: `fps` is its mean rate.

    Args:
        path: the file.

    Attributes:
        fps: frames per second; 0 is unknown.
        frame_size: width and height in pixels.
        num_frames: frames as the file claims; 0 is unknown.

    Raises:
        ImportError: PyAV is not installed.
        VideoError: no video, without pictures, cut off before the first, or larger than `MAX_PICTURE`.
    """

    def __init__(self, path: Path):
        try:
            import av
        except ImportError as error:
            raise ImportError("videos need PyAV, which is not installed: pip install 'mofm[video]'") from error
        self._damage = (av.error.FFmpegError, OSError, ValueError)
        try:
            self._container = av.open(str(path), options={"format_whitelist": CONTAINERS})
        except self._damage as error:
            raise VideoError(f"is no video that can be read ({_reason(error)})") from error
        try:
            self._start()
        except BaseException:
            self._container.close()
            raise

    def _start(self) -> None:
        if not self._container.streams.video:
            raise VideoError("holds no pictures, only sound or data")
        stream = self._container.streams.video[0]
        if stream.codec_context is None:
            raise VideoError("has pictures of a codec that cannot be decoded")
        stream.thread_type = "AUTO"
        width, height = stream.codec_context.width, stream.codec_context.height
        if width * height > MAX_PICTURE:
            raise VideoError(f"has pictures of {width} x {height} pixels; at most {MAX_PICTURE} pixels are read")
        rate = float(stream.average_rate or 0)
        self.fps = rate if 0 < rate <= MAX_RATE else 0.0
        self.num_frames = int(stream.frames)
        self._pictures = self._decode(stream)
        first = next(self._pictures, None)
        if first is None:
            raise VideoError("holds no frames")
        self.frame_size = first.shape[1], first.shape[0]
        self._pictures = chain([first], self._pictures)

    def __enter__(self) -> VideoFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._container.close()

    def batches(self, size: int) -> Iterator[np.ndarray]:
        """Yield `[N, H, W, 3]` uint8 RGB, N at most `size`, once through the video.

        Raises:
            VideoError: the file is damaged on the way, or its pictures change their size.
        """
        waiting: list[np.ndarray] = []
        for picture in self._pictures:
            if picture.shape[1::-1] != self.frame_size:
                raise VideoError(f"changes its pictures from {self.frame_size} to {picture.shape[1::-1]} pixels")
            waiting.append(picture)
            if len(waiting) == size:
                yield np.stack(waiting)
                waiting = []
        if waiting:
            yield np.stack(waiting)

    def _decode(self, stream: object) -> Iterator[np.ndarray]:
        number = 0
        try:
            for frame in self._container.decode(stream):
                number += 1
                yield upright(frame)
        except self._damage as error:
            raise VideoError(f"is damaged after frame {number} ({_reason(error)})") from error


def upright(frame: object) -> np.ndarray:
    """Return the picture `[H, W, 3]` uint8 RGB of a decoded frame, turned as it says."""
    picture = frame.to_ndarray(format="rgb24")
    quarter_turns = round(getattr(frame, "rotation", 0) / 90)
    return np.ascontiguousarray(np.rot90(picture, quarter_turns)) if quarter_turns else picture


def _reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__

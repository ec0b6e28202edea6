"""Pictures of a camera, a network stream or a film as they come: too many are dropped, never delayed."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ...resampling import FPS
from .decoding import CONTAINERS, VideoError, upright

CAMERA = "camera"  # the name of the first camera; "camera:1" is the second
NETWORK = ("rtsp://", "rtsps://", "rtmp://", "http://", "https://", "udp://")
# how FFmpeg names a system's cameras: format and first device
DEVICES = {"linux": ("v4l2", "/dev/video{}"), "darwin": ("avfoundation", "{}"), "win32": ("vfwcap", "{}")}
PATIENCE = 10.0  # seconds without a picture after which a camera is lost


def is_live(source: str) -> bool:
    """Tell the names of cameras and network streams from those of files."""
    return source == CAMERA or source.startswith((f"{CAMERA}:", *NETWORK))


class LivePictures:
    """The newest picture, whenever it is asked for: `with LivePictures("camera") as pictures:`.

    A thread decodes all the time; iterating yields `(seconds since it began, [H, W, 3] uint8 RGB)` of the newest
    picture that was not seen yet. A film is played at its own pace, as a camera would show it.

    Args:
        source: "camera", "camera:<number>", a network address, or a file.

    Attributes:
        dropped: pictures that nobody had time for.

    Raises:
        ImportError: PyAV is not installed.
        ValueError: a camera's number that is none, or a system whose cameras are not known.
        VideoError: nothing can be opened there.
    """

    def __init__(self, source: str):
        try:
            import av
        except ImportError as error:
            raise ImportError("cameras need PyAV, which is not installed: pip install 'mofm[video]'") from error
        self.dropped = 0
        self._news = threading.Condition()
        self._newest: tuple[float, np.ndarray] | None = None
        self._ended, self._failure = False, ""
        self._paced = not is_live(source)
        self._errors = (av.error.FFmpegError, OSError, ValueError)
        try:
            self._container = av.open(**_place(source))
            if not self._container.streams.video:
                raise VideoError("it has no pictures")
        except self._errors as error:
            raise VideoError(f"{source!r} cannot be opened: {error}") from error
        self._thread = threading.Thread(target=self._decode, daemon=True)

    def __enter__(self) -> LivePictures:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        self._thread.join(timeout=PATIENCE)
        self._container.close()

    def __iter__(self) -> Iterator[tuple[float, np.ndarray]]:
        """Yield pictures until the source ends.

        Raises:
            VideoError: the source fails, or gives no picture for `PATIENCE` seconds.
        """
        while True:
            with self._news:
                if not self._news.wait_for(lambda: self._newest is not None or self._ended, PATIENCE):
                    raise VideoError(f"no picture came for {PATIENCE:g} seconds")
                newest, self._newest = self._newest, None
            if newest is None:
                if self._failure:
                    raise VideoError(self._failure)
                return
            yield newest

    def _decode(self) -> None:
        try:
            stream = self._container.streams.video[0]
            stream.thread_type = "AUTO"
            # old containers say when a picture is decoded, not when it is shown: where time goes back, the rate tells
            between = 1 / float(stream.average_rate or FPS)
            start, first, last = time.monotonic(), None, -between
            for frame in self._container.decode(stream):
                if self._ended:
                    return
                now = time.monotonic() - start
                if self._paced:
                    first = frame.time if first is None else first
                    shown = -between if frame.time is None else frame.time - first
                    last = shown if shown > last else last + between
                    time.sleep(max(last - now, 0))
                    now = last
                picture = upright(frame)
                with self._news:
                    self.dropped += self._newest is not None
                    self._newest = (now, picture)
                    self._news.notify()
        except self._errors as error:
            self._failure = f"the pictures broke off: {error}"
        finally:
            with self._news:
                self._ended = True
                self._news.notify()


def _place(source: str) -> dict:
    """Return how PyAV opens a source."""
    if source.startswith(NETWORK):
        return {"file": source, "options": {"rtsp_transport": "tcp"}, "timeout": PATIENCE}
    if not is_live(source):
        return {"file": str(Path(source)), "options": {"format_whitelist": CONTAINERS}}
    number = source.partition(":")[2] or "0"
    if not number.isdecimal():
        raise ValueError(f"source is {source!r}; a camera is 'camera' or 'camera:<number>', such as camera:1")
    if sys.platform not in DEVICES:
        raise ValueError(f"cameras of {sys.platform!r} are not known; name a network address or a file")
    kind, device = DEVICES[sys.platform]
    return {"file": device.format(number), "format": kind}

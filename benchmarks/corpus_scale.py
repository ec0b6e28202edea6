"""Prepare a corpus of many frames: frames a second, and the memory of the largest process.

python -m benchmarks.corpus_scale [--frames 10000000] [--file-frames 5000] [--format alphapose] [--workers 2]
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve each other on a busy machine

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
FILE_FRAMES = 5_000
DISTINCT = 16  # files that are written; the others are hard links to them, and read like any file


def walk(frames: int, seed: int) -> np.ndarray:
    """Return `[F, 17, 3]` x, y, score of joints that wander about a body."""
    generator = np.random.default_rng(seed)
    body = generator.uniform(100, 500, (1, 17, 2))
    path = generator.normal(0, 1, (frames, 1, 2)).cumsum(0) + generator.normal(0, 3, (frames, 17, 2))
    return np.concatenate((body + path, generator.uniform(0.3, 1, (frames, 17, 1))), -1).round(3)


def write_alphapose(path: Path, motion: np.ndarray) -> None:
    people = [
        {"image_id": f"{frame}.jpg", "category_id": 1, "keypoints": row, "score": 2.5, "idx": 1}
        for frame, row in enumerate(motion.reshape(len(motion), -1).tolist())
    ]
    path.write_text(json.dumps(people))


def write_npy(path: Path, motion: np.ndarray) -> None:
    np.save(path, motion[..., :2].astype(np.float32))


WRITERS = {"alphapose": (".json", write_alphapose), "npy": (".npy", write_npy)}


def generate(folder: Path, frames: int, file_frames: int, format_name: str) -> int:
    """Fill a folder with at least `frames` frames and return the bytes of its files."""
    suffix, write = WRITERS[format_name]
    sizes = 0
    for number in range(-(-frames // file_frames)):
        path = folder / f"{number:06d}{suffix}"
        if number < DISTINCT:
            write(path, walk(file_frames, number))
        else:
            os.link(folder / f"{number % DISTINCT:06d}{suffix}", path)
        sizes += path.stat().st_size
    return sizes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=10_000_000)
    parser.add_argument("--file-frames", type=int, default=FILE_FRAMES)
    parser.add_argument("--format", choices=list(WRITERS), default="alphapose")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--keep", help="folder in which the corpus stays")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        poses = Path(scratch) / "poses"
        poses.mkdir()
        size = generate(poses, args.frames, args.file_frames, args.format)
        output = args.keep or str(Path(scratch) / "corpus")
        command = [sys.executable, str(ROOT / "run" / "prepare.py"), str(poses), "--output", output]
        command += ["--layout", "coco17", "--fps", "30", "--workers", str(args.workers)]
        start = time.perf_counter()
        process = subprocess.Popen(command)
        _, status, usage = os.wait4(process.pid, 0)  # the largest process among it and its workers
        seconds = time.perf_counter() - start
        if status:
            sys.exit(f"prepare.py ended with status {status}")
        written = sum(path.stat().st_size for path in Path(output).rglob("*.parquet"))
        frames = json.loads((Path(output) / "corpus.json").read_text())["statistics"]["frames"]
        print(
            f"{sum(frames.values())} frames, {size / 1e9:.1f} GB of {args.format} to {written / 1e9:.1f} GB: "
            f"{seconds:.0f} s, {sum(frames.values()) / seconds:.0f} frames/s with {args.workers} workers, "
            f"largest process {usage.ru_maxrss / 1024:.0f} MiB"
        )


if __name__ == "__main__":
    main()

"""Time how fast clips are read from candidate column types for key-points, in one run.

python -m benchmarks.corpus_columns [--clips 2000]
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from datasets import Array2D, Array3D, Dataset, Features, List, Value, load_dataset

JOINTS = 17


def candidates() -> dict[str, tuple[object, Callable[[np.ndarray], object], Callable[[object, int], np.ndarray]]]:
    """Return, by name: the feature, clip [F, 17, 3] to column value, and column value and F to clip."""

    def reshaped(value: object, frames: int) -> np.ndarray:
        return np.asarray(value, np.float32).reshape(frames, JOINTS, 3)

    return {
        "nested lists": (List(List(List(Value("float32")))), lambda clip: clip.tolist(), reshaped),
        "Array3D": (Array3D((None, JOINTS, 3), "float32"), lambda clip: clip, reshaped),
        "Array2D": (Array2D((None, JOINTS * 3), "float32"), lambda clip: clip.reshape(-1, JOINTS * 3), reshaped),
        "flat list, float32": (List(Value("float32")), lambda clip: clip.reshape(-1), reshaped),
        "flat list, float16": (List(Value("float16")), lambda clip: clip.reshape(-1).astype(np.float16), reshaped),
        "binary": (
            Value("binary"),
            lambda clip: clip.tobytes(),
            lambda value, frames: np.frombuffer(value, np.float32).reshape(frames, JOINTS, 3),
        ),
    }


def rate(read: Callable[[], int]) -> float:
    """Return clips per second of the better of two readings; the first also warms the cache."""
    best = 0.0
    for _ in range(2):
        start = time.perf_counter()
        clips = read()
        best = max(best, clips / (time.perf_counter() - start))
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=2000)
    args = parser.parse_args()
    generator = np.random.default_rng(0)
    clips = [generator.random((frames, JOINTS, 3), np.float32) for frames in generator.integers(32, 97, args.clips)]
    order = generator.permutation(args.clips)[: min(args.clips, 500)]

    print(f"{args.clips} clips of 32 to 96 frames; clips/s")
    print(f"{'column':20s} {'write':>8s} {'random':>8s} {'batches':>8s} {'stream':>8s} {'MB':>7s}")
    for name, (feature, store, restore) in candidates().items():
        features = Features({"motion": feature, "frames": Value("int32")})
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "clips.parquet"
            start = time.perf_counter()
            rows = {"motion": [store(clip) for clip in clips], "frames": [len(clip) for clip in clips]}
            Dataset.from_dict(rows, features=features).to_parquet(path)
            written = args.clips / (time.perf_counter() - start)
            files = {"path": "parquet", "data_files": str(path), "split": "train"}
            table = load_dataset(**files, cache_dir=folder).with_format("numpy")
            stream = load_dataset(**files, streaming=True).with_format("numpy")

            def check(row: dict, index: int | None = None, restore=restore) -> None:
                clip = restore(row["motion"], int(row["frames"]))
                if index is not None:
                    assert np.allclose(clip, clips[index], atol=1e-3)

            def one_by_one(table=table, check=check) -> int:
                for index in order:
                    check(table[int(index)], index)
                return len(order)

            def in_batches(table=table, check=check) -> int:
                for start in range(0, len(order), 32):
                    for row in table.__getitems__(order[start : start + 32].tolist()):
                        check(row)
                return len(order)

            def in_order(stream=stream, check=check) -> int:
                for row in stream:
                    check(row)
                return args.clips

            rates = [written, rate(one_by_one), rate(in_batches), rate(in_order)]
            size = path.stat().st_size / 1e6
            print(f"{name:20s} " + " ".join(f"{value:8.0f}" for value in rates) + f" {size:7.1f}")


if __name__ == "__main__":
    main()

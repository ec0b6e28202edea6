"""Time a training step beside busy processes, with OpenMP threads that spin while they wait and with ones that sleep.

python -m benchmarks.busy_machine [--busy 0 3] [--threads 2]
"""

import argparse
import os
import statistics
import subprocess
import sys

from benchmarks.timing import timed

BUSY = "while True: pass"


def measure(threads: int, repeats: int, preset: str) -> None:
    """Print the median and the largest time of a step, in this process."""
    import torch

    from modeling_mofm import MoFMConfig, MoFMForMaskedMotionModeling

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = MoFMForMaskedMotionModeling(MoFMConfig.from_preset(preset)).train()
    config = model.config
    keypoints = torch.rand(16, config.num_frames, 17, 2) * (config.heatmap_size - 1)
    labels = torch.randint(0, config.codebook_size, (16, config.num_cubes))

    def step() -> None:
        model(keypoints, labels=labels).loss.backward()
        model.zero_grad()

    times = timed(step, repeats)
    print(f"{statistics.median(times):.2f} {max(times):.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--busy", type=int, nargs="+", default=[0, 3], help="processes that keep a core busy")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        measure(args.threads, args.repeats, args.preset)
        return
    options = ["--threads", str(args.threads), "--repeats", str(args.repeats), "--preset", args.preset]
    command = [sys.executable, "-m", "benchmarks.busy_machine", "--child", *options]
    print(f"{args.preset}, 16 clips, {args.threads} threads; seconds a step, median and largest of {args.repeats}")
    for count in args.busy:
        others = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(count)]
        try:
            for policy in ("ACTIVE", "PASSIVE"):
                environment = os.environ | {"OMP_WAIT_POLICY": policy}
                result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
                median, largest = result.stdout.split()
                print(f"  {count} busy processes, OMP_WAIT_POLICY={policy:8s} {median} s, at most {largest} s")
        finally:
            for other in others:
                other.kill()


if __name__ == "__main__":
    main()

"""Put a pre-trained MoFM and heads that are fitted on it together in one folder.

python run/release.py --model runs/mofm --dataset corpora/uiprmd_kinect corpora/cmu_subset synthetic --output-dir mofm
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve each other on a busy machine

from training_mofm.arguments import TrainingParser
from training_mofm.release import ReleaseArguments, release


def main() -> None:
    parser = TrainingParser(ReleaseArguments, __doc__)
    (options,) = parser.parse_args_into_dataclasses()
    with parser.refusals():
        counts = release(options)
    for name, count in counts.items():
        print(f"  {name:16s} {count}")


if __name__ == "__main__":
    main()

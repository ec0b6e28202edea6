"""Train the dVED on a motion corpus and save it as a motion tokenizer.

accelerate launch run/train_tokenizer.py --dataset <folder or Hub id> --output-dir <folder>
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve each other on a busy machine

from training_mofm.arguments import DataArguments, MotionTrainingArguments, TrainingParser
from training_mofm.dved import DVEDArguments, train_dved


def main() -> None:
    parser = TrainingParser((DVEDArguments, DataArguments, MotionTrainingArguments), __doc__)
    model, data, training = parser.parse_args_into_dataclasses()
    with parser.refusals(folder=training.output_dir):
        metrics = train_dved(model, data, training)
    if training.process_index == 0:
        print("\nheld-out figures:")
        for name, value in metrics.items():
            print(f"  {name.removeprefix('eval_'):22s} {value:.4f}")
        print(f'\nload it with\n  tokenizer = MoFMTokenizer.from_pretrained("{training.output_dir}")')


if __name__ == "__main__":
    main()

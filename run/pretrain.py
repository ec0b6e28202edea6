"""Pre-train MoFM on a motion corpus with a trained motion tokenizer.

accelerate launch run/pretrain.py --dataset <folder or Hub id> --tokenizer <folder> --output-dir <folder>
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve each other on a busy machine

from training_mofm.arguments import DataArguments, MotionTrainingArguments, TrainingParser
from training_mofm.pretraining import MoFMArguments, pretrain
from training_mofm.probing import ProbeArguments


def main() -> None:
    parser = TrainingParser((MoFMArguments, DataArguments, ProbeArguments, MotionTrainingArguments), __doc__)
    model, data, probes, training = parser.parse_args_into_dataclasses()
    with parser.refusals(folder=training.output_dir):
        metrics = pretrain(model, data, training, probes)
    if training.process_index == 0:
        print("\nheld-out figures:")
        for name, value in metrics.items():
            print(f"  {name.removeprefix('eval_'):22s} {value:.4f}")
        folder = training.output_dir
        print(
            "\nload it with\n  import modeling_mofm\n  from transformers import AutoModel\n"
            f"  from tokenization_mofm import MoFMTokenizer\n"
            f'  model = AutoModel.from_pretrained("{folder}")\n'
            f'  tokenizer = MoFMTokenizer.from_pretrained("{folder}")'
        )


if __name__ == "__main__":
    main()

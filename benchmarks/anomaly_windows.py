"""Time the parts of scoring a sliding window, and what neighbouring windows and masks of one window can share.

python -m benchmarks.anomaly_windows [--model <folder>] [--threads 1]
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve each other on a busy machine

import argparse

import numpy as np
import torch

from benchmarks.hot_paths import milliseconds
from modeling_mofm import AnomalyScorer, MoFMConfig, MoFMForAnomalyDetection
from modeling_mofm.masking import covering_masks
from modeling_mofm.windows import sliding_windows
from motion_data.corpora.load import SYNTHETIC, load_corpus
from motion_data.rows import row_recording
from motion_data.views import view
from tokenization_mofm import DVEDConfig, DVEDModel, MoFMTokenizer
from tokenization_mofm.clip_inputs import ClipInputs
from tokenization_mofm.thermal_cubes import render_volume


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a pre-trained MoFM with its tokenizer; without it, a random one of --preset")
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--dataset", default=SYNTHETIC, help="a motion corpus")
    parser.add_argument("--windows", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    if args.model:
        tokenizer = MoFMTokenizer.from_pretrained(args.model)
        model = MoFMForAnomalyDetection.from_pretrained(args.model, anomaly_score="nll").eval()
    else:
        tokenizer = MoFMTokenizer(DVEDModel(DVEDConfig.from_preset(args.preset)))
        model = MoFMForAnomalyDetection(MoFMConfig.from_preset(args.preset, anomaly_score="nll")).eval()
    config, n = model.config, args.windows
    scorer = AnomalyScorer(model, tokenizer, batch_size=n)
    for row in load_corpus(args.dataset, "test").with_format("numpy"):
        motion = view(row_recording(row))
        people, starts = sliding_windows(motion.scores.any(-1), scorer.window_frames, 1, scorer.gap_frames)
        if len(starts) >= n:
            break
    frames = starts[:n, None] + np.arange(scorer.window_frames)
    windows = motion.keypoints[people[:n, None], frames], motion.scores[people[:n, None], frames]
    clips = [tokenizer.feature_extractor(*(x[i] for x in windows)) for i in range(n)]
    keypoints, scores = (torch.cat([clip[name][0] for clip in clips]) for name in ("keypoints", "scores"))
    checked = model.read_clips(keypoints, scores)
    masks = covering_masks(checked.touched, config.grid_size, config.num_nll_masks, config.mask_span)
    embeds = model.mofm.get_input_embeddings()(checked)

    def hidden_passes(clips: ClipInputs | None = None) -> None:
        for r in range(config.num_nll_masks):
            model.mofm(clips=clips or model.read_clips(keypoints, scores), bool_masked_pos=masks[:, r])

    steps = {
        "a window, all of it": lambda: scorer.score_windows(*windows),
        "its words (dVED)": lambda: tokenizer.dved.encode(keypoints, scores),
        "its embedding from key-points": lambda: model.mofm.get_input_embeddings()(checked),
        "its heat-maps, were they rendered": lambda: render_volume(keypoints, scores, config.heatmap_size, 0.75, 3.0),
        "masked passes, embedding shared": lambda: hidden_passes(checked.repeat_embedded(embeds, 1)),
        "masked passes, each embedding anew": hidden_passes,
    }
    print(
        f"{n} windows of {scorer.window_frames} frames, {config.num_nll_masks} masks, {args.threads} thread(s); "
        "ms a window"
    )
    for name, step in steps.items():
        print(f"  {name:36s} {milliseconds(step, n, args.repeats):8.2f}")


if __name__ == "__main__":
    main()

"""Hot paths beside what a user would take instead, and beside the machine's own limit, in one run.

python -m benchmarks.peers --dataset corpora/uiprmd_kinect --json peers.json [--peer <name>=<its checkout> ...]

Peers are imported from checkouts: pyskl (PoseC3D, ST-GCN++; its networks need mmcv 1.x and OpenCV), vqgan
(TeCSAR-UNCC/Pose-Quantization), stg-nf (orhir/STG-NF) and sparta (TeCSAR-UNCC/SPARTA).
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve each other on a busy machine

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm import trange
from transformers import BeitConfig, BeitForMaskedImageModeling, PreTrainedModel, VideoMAEConfig, VideoMAEModel

from benchmarks.checkouts import PEERS, checkouts, import_from
from benchmarks.loading import training_flops
from benchmarks.timing import VISIBLE, kept_bytes, seconds, training_step
from modeling_mofm import (
    MoFMConfig,
    MoFMForAnomalyDetection,
    MoFMForMaskedMotionModeling,
    MoFMForSequenceClassification,
)
from modeling_mofm.shipped import SHIPPED
from motion_data.corpora.load import SYNTHETIC, load_corpus
from tokenization_mofm import DVEDConfig, DVEDModel, MoFMFeatureExtractor
from tokenization_mofm.thermal_cubes import render_map
from training_mofm.samples import held_out_clips

IMAGE_TOKENS = 196  # of BEiT and VideoMAE: a picture of 14 x 14 patches, a film of 4 x 7 x 7
MASKED = 0.4
SHAPE = (2048, 768, 768)  # of the product that shows the machine's peak


@dataclass
class Row:
    """One comparison; seconds of each run, ours and the peer's in turn, so that other work falls on both."""

    path: str
    peer: str
    ours: Callable[[], object]
    theirs: Callable[[], object]
    worth: float  # how much of the peer's work one of our runs does
    aim: str = ""

    def measure(self, repeats: int) -> dict:
        pairs = [(seconds(self.ours), seconds(self.theirs)) for _ in trange(repeats + 1, desc=self.path, leave=False)][
            1:
        ]  # the first one warms up
        ratios = [self.worth * theirs / ours for ours, theirs in pairs]
        spread = [min(ratios), max(ratios)]
        medians = (statistics.median(values) for values in (*zip(*pairs, strict=True), ratios))
        return dict(zip(("seconds", "peer_seconds", "ratio"), medians, strict=True)) | {"spread": spread}


MAPS = ((56, 1, 20), (56, 2, 15), (72, 1, 20), (72, 2, 15))  # pixels, people, times as fast as we aim at
CLASSES = 60  # of NTU-60, for which PYSKL's networks are
# PYSKL's configurations of the joints of NTU-60: PoseC3D's SlowOnly-R50, and ST-GCN++
SLOW_ONLY = {
    **{"pretrained": None, "in_channels": 17, "base_channels": 32, "num_stages": 3, "out_indices": (2,)},
    **{"stage_blocks": (4, 6, 3), "conv1_stride": (1, 1), "pool1_stride": (1, 1), "inflate": (0, 1, 1)},
    **{"spatial_strides": (2, 2, 2), "temporal_strides": (1, 1, 2)},
}
STGCN = {"gcn_adaptive": "init", "gcn_with_res": True, "tcn_type": "mstcn", "in_channels": 3}
GRAPH = {"layout": "coco", "mode": "spatial"}
# the VQ-GAN's configuration of 2D heat-maps at its least compression, F8
VQGAN = {
    **{"img_channels": 1, "latent_channels": 256, "intermediate_channels": [64, 64, 128, 128, 256]},
    **{"num_residual_blocks": 2, "attention_resolution": [16], "downsample_layers": 3},
}
# STG-NF's defaults, and the windows of both: 24 frames of 18 joints
STG_NF = {
    **{"pose_shape": (2, 24, 18), "hidden_channels": 0, "K": 8, "L": 1, "R": 3.0, "actnorm_scale": 1.0},
    **{"flow_permutation": "permute", "flow_coupling": "affine", "LU_decomposed": True, "learn_top": False},
    **{"device": "cpu"},
}
SPARTA = {"d_model": 72, "num_heads": 2, "d_feedforward": 64, "num_layers": 4, "device": "cpu"}
WINDOWS = 256  # of theirs in a run, one for each frame of a person
CAMERA = 25.0  # frames a second


def one_thread(step: Callable[[], object]) -> Callable[[], object]:
    def run() -> object:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return step()
        finally:
            torch.set_num_threads(threads)

    return run


def render_rows(checkout: Path) -> list[Row]:
    """Heat-maps of each joint, the maximum over people, 48 frames, on one thread."""
    target = import_from(checkout, "pyskl.datasets.pipelines.heatmap_related").GeneratePoseTarget(sigma=0.6)
    rows = []
    for size, people, aim in MAPS:
        generator = np.random.default_rng(0)
        path = generator.uniform(10, size - 10, (people, 1, 17, 2)) + generator.normal(0, 0.5, (people, 48, 17, 2))
        places, scores = path.astype(np.float32), generator.uniform(0.3, 1, (people, 48, 17)).astype(np.float32)
        theirs = {"keypoint": places, "keypoint_score": scores, "img_shape": (size, size)}
        ours = torch.from_numpy(places).permute(2, 1, 0, 3), torch.from_numpy(scores).permute(2, 1, 0)
        found, expected = render_map(*ours, size, 0.6, 3.0).numpy(), target(dict(theirs))["imgs"].swapaxes(0, 1)
        edge = np.exp(-0.5 * 3.0**2)  # they also fill the pixel that lies partly beyond three sigma
        if not np.allclose(found, np.where(np.abs(found - expected) < edge, found, expected), atol=1e-6):
            raise RuntimeError("heat-maps are not those of PYSKL within three sigma")
        rows.append(
            Row(
                f"maps of 17 joints, 48 x {size} x {size}, {people} people, one thread",
                "PYSKL",
                one_thread(lambda ours=ours, size=size: render_map(*ours, size, 0.6, 3.0)),
                one_thread(lambda theirs=theirs: target(dict(theirs))),
                1.0,
                f">= {aim}",
            )
        )
    return rows


def network_rows(checkout: Path, preset: str, clips: dict[str, torch.Tensor]) -> list[Row]:
    """Which action it is, of clips of one person; PYSKL's networks get their inputs ready made."""
    labels = {number: str(number) for number in range(CLASSES)}
    ours = MoFMForSequenceClassification(MoFMConfig.from_preset(preset, id2label=labels)).eval()
    graph = import_from(checkout, "pyskl.utils.graph").Graph
    gcn = import_from(checkout, "pyskl.models.gcns.stgcn", utils={"Graph": graph}).STGCN(graph_cfg=GRAPH, **STGCN)
    cnn = import_from(checkout, "pyskl.models.cnns.resnet3d_slowonly").ResNet3dSlowOnly(**SLOW_ONLY)
    for network in (gcn, cnn):
        network.eval()
    n = 4  # of their clips in a run, ours have all
    heat, skeletons = torch.rand(n, 17, 48, 56, 56), torch.rand(n, 2, 100, 17, 3)
    rows = []
    for peer, network, inputs, aim in (("PoseC3D", cnn, heat, ">= 10"), ("ST-GCN++", gcn, skeletons, ">= 1")):
        classify = torch.inference_mode()(lambda: ours(**clips))
        theirs = torch.inference_mode()(lambda network=network, inputs=inputs: network(inputs))
        worth = len(clips["keypoints"]) / n
        rows.append(Row(f"classification, {preset}, clips/s", peer, classify, theirs, worth, aim))
    return rows


def tokeniser_row(checkout: Path, config: DVEDConfig, encode: Callable[[], object], num_clips: int) -> Row:
    """Words of clips; the VQ-GAN's encoder gets a map of the same size ready made, and looks up no words."""
    theirs = import_from(checkout, "vqgan.encoder").Encoder(image_size=config.heatmap_size, **deepcopy(VQGAN)).eval()
    heat = torch.rand(1, 1, config.num_frames, config.heatmap_size, config.heatmap_size)
    look = torch.inference_mode()(lambda: theirs(heat))
    return Row("tokenising, clips/s", "VQ-GAN's encoder", encode, look, float(num_clips), ">= 20")


def anomaly_rows(peers: dict[str, Path], clips: dict[str, torch.Tensor]) -> list[Row]:
    """Seconds of a person scored in a second: ours by distance every 0.4 s, theirs at each frame."""
    theirs = []
    if "stg-nf" in peers:
        flow = import_from(peers["stg-nf"], "models.STG_NF.model_pose").STG_NF(**STG_NF)
        flow.set_actnorm_init()
        theirs.append(("STG-NF", flow.eval(), (torch.randn(WINDOWS, 2, 24, 18),)))
    if "sparta" in peers:
        poses = torch.randn(WINDOWS, 24, SPARTA["d_model"])
        theirs.append(("SPARTA-C", import_from(peers["sparta"], "models").SPARTA_C(**SPARTA).eval(), (poses, poses)))
    if not theirs:
        return []
    detector = MoFMForAnomalyDetection.from_pretrained(SHIPPED).eval()
    score = torch.inference_mode()(lambda: detector(**clips))
    seconds_of_ours, seconds_of_theirs = len(clips["keypoints"]) * 0.4, WINDOWS / CAMERA
    return [
        Row(
            "scoring, a person's seconds/s (every 0.4 s; they at each frame)",
            peer,
            score,
            torch.inference_mode()(lambda network=network, inputs=inputs: network(*inputs)),
            seconds_of_ours / seconds_of_theirs,
        )
        for peer, network, inputs in theirs
    ]


def seconds_of(*command: str) -> Callable[[], None]:
    return lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--dataset", default=SYNTHETIC, help="how full its clips are changes what leaving out pays")
    parser.add_argument("--clips", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peer", action="append", default=[], help="<name>=<folder of its checkout>; may be repeated")
    parser.add_argument("--rows", default="", help="measure only what has this in its name, such as pre-training")
    parser.add_argument("--json", help="file to write")
    args = parser.parse_args()
    peers = checkouts(args.peer)
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)

    dense = MoFMForMaskedMotionModeling(MoFMConfig.from_preset(args.preset, drop_empty_cubes=False)).train()
    sparse = MoFMForMaskedMotionModeling(MoFMConfig.from_preset(args.preset)).train()
    visible = MoFMForMaskedMotionModeling(MoFMConfig.from_preset(args.preset, **VISIBLE)).train()
    dved = DVEDModel(DVEDConfig.from_preset(args.preset)).eval()
    config = dense.config
    sizes = {
        name: getattr(config, name)
        for name in ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
    }
    clips = held_out_clips(load_corpus(args.dataset, "test"), MoFMFeatureExtractor.for_config(config), args.clips)
    n = len(clips["keypoints"])
    with torch.no_grad():
        encoded = dved.encode(**clips)
    active = (encoded.input_ids != dved.config.empty_id).sum(1).float()
    beit = BeitForMaskedImageModeling(
        BeitConfig(**sizes, vocab_size=config.codebook_size, use_mask_token=True)
    ).train()
    pixels = torch.rand(n, 3, 224, 224)
    masked = torch.rand(n, IMAGE_TOKENS) < MASKED
    words = torch.randint(0, config.codebook_size, (int(masked.sum()),))
    video = VideoMAEModel(VideoMAEConfig(**sizes, image_size=112, num_frames=8)).train()
    film = torch.rand(n, 8, 3, 112, 112)
    left, right = torch.rand(SHAPE[0], SHAPE[1]), torch.rand(SHAPE[1], SHAPE[2])

    losses = {
        "dense": lambda: dense(**clips, labels=encoded.input_ids).loss,
        "sparse": lambda: sparse(**clips, labels=encoded.input_ids).loss,
        "visible": lambda: visible(**clips, labels=encoded.input_ids).loss,
        "beit": lambda: beit(pixels, bool_masked_pos=masked, labels=words).loss,
    }
    dense_step, sparse_step = training_step(dense, losses["dense"]), training_step(sparse, losses["sparse"])
    visible_step, beit_step = training_step(visible, losses["visible"]), training_step(beit, losses["beit"])
    video_step = training_step(video, lambda: video(film).last_hidden_state.square().mean())

    def product() -> None:
        for _ in range(20):
            left @ right

    def forward(model: PreTrainedModel) -> Callable[[], object]:
        @torch.no_grad()
        def run() -> object:
            model.eval()
            found = model(**clips)
            model.train()
            return found

        return run

    def encode() -> None:
        with torch.no_grad():
            dved.encode(**clips)

    work = n * training_flops(config, config.num_cubes)
    of_peak = work / (20 * 2.0 * SHAPE[0] * SHAPE[1] * SHAPE[2])
    of_video = work / (n * training_flops(config, IMAGE_TOKENS))  # of the same width and depth
    more_tokens = config.num_cubes / IMAGE_TOKENS
    python = sys.executable
    alone = seconds_of(python, "-c", "import torch, transformers; transformers.PreTrainedModel, transformers.Pipeline")
    package = seconds_of(python, "-c", "import modeling_mofm")
    usage, nothing = seconds_of(python, "-m", "training_mofm.command"), seconds_of(python, "-c", "pass")
    rows = [
        Row("pre-training step, tokens/s, nothing left out", "BEiT", dense_step, beit_step, more_tokens, ">= 1.4"),
        Row("pre-training step, clips/s, empty cubes left out", "BEiT", sparse_step, beit_step, 1.0, ">= 3"),
        Row("pre-training step, clips/s, visible 40 % alone", "BEiT", visible_step, beit_step, 1.0, ">= 3"),
        Row("FLOP use of a step", "matrix products", dense_step, product, of_peak, ">= 0.5 at tiny"),
        Row("FLOP use of a step", "VideoMAE", dense_step, video_step, of_video, ">= 1"),
        Row("tokenising, clips/s", "MoFM's forward", encode, forward(sparse), 1.0, ">= 1"),
        Row("import modeling_mofm", "torch and transformers", package, alone, 1.0, ">= 0.9"),
        Row("mofm --help", "Python alone", usage, nothing, 1.0),
    ]
    if "pyskl" in peers:
        rows += render_rows(peers["pyskl"])
        try:
            rows += network_rows(peers["pyskl"], args.preset, clips)
        except ImportError as error:
            print(f"PoseC3D and ST-GCN++: not measured ({error})")
    if "vqgan" in peers:
        rows.append(tokeniser_row(peers["vqgan"], dved.config, encode, n))
    rows = [row for row in rows + anomaly_rows(peers, clips) if args.rows in row.path]
    if not rows:
        raise SystemExit(f"rows is {args.rows!r}, which no path has in its name")
    for name in sorted(PEERS.keys() - peers.keys()):
        print(f"{name}: not measured; name a checkout by --peer {name}=<folder>")
    filled = f"{active.mean():.0f} of {config.num_cubes} cubes active"
    print(f"preset {args.preset}, {n} clips, {filled}, {args.threads} threads")
    print("| path | beside | times as fast | spread | aim | seconds, ours and theirs |")
    print("| --- | --- | --- | --- | --- | --- |")
    figures = []
    for row in rows:
        found = row.measure(args.repeats)
        low, high = found["spread"]
        print(
            f"| {row.path} | {row.peer} | **{found['ratio']:.2f}** | {low:.2f} to {high:.2f} | {row.aim} | "
            f"{found['seconds']:.3f}, {found['peer_seconds']:.3f} |",
            flush=True,
        )
        figures.append({"path": row.path, "peer": row.peer, "aim": row.aim, **found})
    kept = {
        name: kept_bytes(model, losses[name]) / n
        for name, model in (("dense", dense), ("sparse", sparse), ("visible", visible), ("beit", beit))
    }
    print(
        f"kept for the backward pass, MB a clip: {kept['dense'] / 1e6:.1f} ({kept['sparse'] / 1e6:.1f} without empty "
        f"cubes, {kept['visible'] / 1e6:.1f} of visible ones alone), BEiT {kept['beit'] / 1e6:.1f}; "
        f"a token {kept['dense'] / config.num_cubes / 1e3:.0f} and "
        f"{kept['beit'] / IMAGE_TOKENS / 1e3:.0f} kB (aim: not more)"
    )
    if args.json:
        with open(args.json, "w") as file:
            json.dump({**vars(args), "rows": figures, "kept_bytes": kept}, file, indent=1)


if __name__ == "__main__":
    main()

"""Comparisons with peers that are imported from the user's checkouts of them.

pyskl (PoseC3D, ST-GCN++; its networks need mmcv 1.x and OpenCV), vqgan (TeCSAR-UNCC/Pose-Quantization), stg-nf
(orhir/STG-NF) and sparta (TeCSAR-UNCC/SPARTA).
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import numpy as np
import torch

from benchmarks.checkouts import import_from
from benchmarks.comparison import Row, one_thread
from modeling_mofm import MoFMConfig, MoFMForAnomalyDetection, MoFMForSequenceClassification
from modeling_mofm.shipped import SHIPPED
from tokenization_mofm import DVEDConfig
from tokenization_mofm.thermal_cubes import render_map

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

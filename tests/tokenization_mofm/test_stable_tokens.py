"""The same clips give the same tokens in every version: rearranging or speeding up must not change what words mean."""

import hashlib

import torch

from motion_data import Camera
from motion_data.schema import decode_row
from motion_data.synthetic.corpus import generate_joints_3d, generate_motion
from tokenization_mofm import DVEDConfig, DVEDModel, MoFMTokenizer

DIGEST = "ff2bd8fb52c5b0679e9d2c73943186031c8784467a68ffdcf0bd84cabadbbefc"


def test_generated_clips_have_the_tokens_that_they_always_had():
    torch.manual_seed(7)
    config = DVEDConfig(hidden_size=32, codebook_size=64, code_size=8, num_encoder_blocks=1, num_decoder_blocks=1)
    # in double precision, so that no word hangs on how a processor rounds
    tokenizer = MoFMTokenizer(DVEDModel(config).double())
    flat = [decode_row(row) for row in generate_motion(12, 3)]
    ids = [tokenizer(keypoints, scores).input_ids for keypoints, scores in flat]
    solid, _, _ = generate_joints_3d(4, 3)
    camera = Camera(yaw=40.0, pitch=5.0, distance=3.5)
    ids += [tokenizer(joints, camera=camera).input_ids for joints in solid]
    ids = torch.cat(ids).flatten(0, 1)
    assert ids.shape == (16, 256) and len(ids.unique()) > 32
    assert hashlib.sha256(ids.to(torch.int16).numpy().tobytes()).hexdigest() == DIGEST

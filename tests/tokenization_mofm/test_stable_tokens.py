"""The same clips give the same tokens in every version: rearranging or speeding up must not change what words mean.

A change of the rules of a clip does change them: the digest below counts since one wild joint no longer shrinks a
person.
"""

import hashlib

import torch

from motion_data import Camera
from motion_data.rows import decode_row
from motion_data.synthetic.corpus import generate_joints_3d, generate_motion
from tokenization_mofm import DVEDConfig, DVEDModel, MoFMTokenizer

DIGEST = "e55bd7b6d6b745f6c67d85fe363a51d7133d3d621775f3db8745cea42708b4d9"


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

import pytest
import torch
from clips import TINY_GEOMETRY, TINY_SIZES, touching, uneven_clips

from modeling_mofm import MoFMConfig, MoFMForMaskedMotionModeling, MoFMModel, packing
from modeling_mofm.packing import PackedClips, can_pack, packed_attention_forward

KEPT = torch.tensor([[1, 0, 0], [1, 1, 1], [1, 1, 0]]).bool()


def test_clips_are_packed_by_hand():
    clips = PackedClips(KEPT, 3)
    assert clips.lengths.tolist() == [1, 3, 2] and clips.starts.tolist() == [0, 1, 4, 6]
    tokens = torch.arange(1.0, 10).view(3, 3, 1)
    packed = clips.pack(tokens)
    assert packed.tolist() == [[[1], [4], [5], [6], [7], [8]]]
    assert clips.unpack(packed).flatten().tolist() == [1, 0, 0, 4, 5, 6, 7, 8, 0]


def test_a_token_attends_to_its_own_clip_alone():
    asking, asked = PackedClips(KEPT[:, :2], 3), PackedClips(KEPT, 3)
    torch.manual_seed(0)
    query, key, value = torch.randn(1, 2, 5, 4), torch.randn(1, 2, 6, 4), torch.randn(1, 2, 6, 4)
    found = packed_attention_forward(query, key, value, (asking, asked), scaling=0.5)
    of_query, of_key = torch.tensor([0, 1, 1, 2, 2]), torch.tensor([0, 1, 1, 1, 2, 2])
    weights = (query @ key.transpose(2, 3) * 0.5).masked_fill(of_query[:, None] != of_key, -torch.inf).softmax(-1)
    torch.testing.assert_close(found, (weights @ value).transpose(1, 2))


def test_where_layers_run_over_packed_clips():
    tokens = torch.zeros(1, 2, 8)
    config = MoFMConfig(**{**TINY_GEOMETRY, **TINY_SIZES})
    config._attn_implementation = "sdpa"
    assert can_pack(config, tokens, training=True, recorded=False)
    assert not can_pack(config, tokens, training=True, recorded=True)
    assert not can_pack(config, tokens.to("meta"), training=True, recorded=False)
    config._attn_implementation = "eager"
    assert not can_pack(config, tokens, training=True, recorded=False)


def test_states_that_are_asked_for_have_their_padding():
    torch.manual_seed(0)
    model = MoFMModel(MoFMConfig(**{**TINY_GEOMETRY, **TINY_SIZES})).eval()
    assert model.config._attn_implementation == "sdpa"
    clips = uneven_clips()
    lengths = touching(*clips).any(-1).sum(1)
    assert lengths.min() < lengths.max()
    with torch.no_grad():
        plain, asked = model(*clips), model(*clips, output_hidden_states=True)
        model.config.output_hidden_states = True
        states = model(*clips).hidden_states
    assert [len(state) for state in states] == [5] * 3
    assert [tuple(state.shape) for state in asked.hidden_states] == [tuple(plain.last_hidden_state.shape)] * 3
    torch.testing.assert_close(asked.last_hidden_state, plain.last_hidden_state)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
@pytest.mark.parametrize("fields", [{}, {"predictor_layers": 1}])
def test_packed_equals_padded_on_a_gpu(monkeypatch, fields):
    torch.manual_seed(0)
    sizes = {**TINY_GEOMETRY, "hidden_size": 64, "num_attention_heads": 2, "intermediate_size": 128}
    model = MoFMForMaskedMotionModeling(MoFMConfig(**{**sizes, "num_hidden_layers": 2, **fields})).cuda().train()
    keypoints, scores = (values.cuda() for values in uneven_clips())
    inputs = {"keypoints": keypoints.nan_to_num(), "scores": scores, "mask_noise": torch.rand(5, 17, 2).cuda()}
    inputs["labels"] = torch.randint(0, 512, (5, model.config.num_cubes)).cuda()

    def gradients():
        model.zero_grad()
        with torch.autocast("cuda", torch.bfloat16):
            model(**inputs).loss.backward()
        return torch.cat([weights.grad.flatten() for weights in model.parameters() if weights.grad is not None])

    called = []
    monkeypatch.setattr(
        packing,
        "varlen_attn",
        lambda *args, real=packing.varlen_attn, **kwargs: called.append(1) or real(*args, **kwargs),
    )
    packed = gradients()
    assert len(called) == 2 + len(fields)
    monkeypatch.setattr(packing, "varlen_attn", None)
    padded = gradients()
    assert len(called) == 2 + len(fields)
    assert (packed - padded).norm() < 0.03 * padded.norm()

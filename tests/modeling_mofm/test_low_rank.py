"""LoRA by PEFT: adapters on encoder and classifier train, merge, are saved and load; models load at any precision."""

import pytest
import torch
from clips import TINY_GEOMETRY, TINY_SIZES, make_clips
from peft import AutoPeftModelForSequenceClassification, LoraConfig, PeftModel, get_peft_model
from transformers import TorchAoConfig

from modeling_mofm import MoFMConfig, MoFMForSequenceClassification, MoFMModel

PROJECTIONS = ["q_proj", "v_proj"]


@pytest.fixture
def folder(tmp_path):
    torch.manual_seed(0)
    config = MoFMConfig(**TINY_GEOMETRY, **TINY_SIZES, num_labels=3)
    MoFMForSequenceClassification(config).save_pretrained(tmp_path)
    return tmp_path


def test_a_classifier_learns_by_adapters_alone(folder):
    keypoints, scores = make_clips(6)
    inputs = {"keypoints": keypoints, "scores": scores}
    labels = torch.arange(6) % 3
    classifier = MoFMForSequenceClassification.from_pretrained(folder)
    frozen = {name: values.clone() for name, values in classifier.mofm.state_dict().items()}
    adapters = LoraConfig(task_type="SEQ_CLS", r=4, target_modules=PROJECTIONS, modules_to_save=["classifier"])
    model = get_peft_model(classifier, adapters).train()
    learnt = [values for values in model.parameters() if values.requires_grad]
    optimizer = torch.optim.AdamW(learnt, lr=1e-2)
    losses = []
    for _ in range(30):
        loss = model(**inputs, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss))
    assert losses[-1] < 0.5 * losses[0]
    model.save_pretrained(folder / "adapters")
    with torch.no_grad():
        expected = model.eval()(**inputs).logits
        fresh = MoFMForSequenceClassification.from_pretrained(folder)
        assert all(torch.equal(values, frozen[name]) for name, values in fresh.mofm.state_dict().items())
        before = fresh(**inputs).logits
        loaded = PeftModel.from_pretrained(fresh, folder / "adapters").eval()
        assert torch.equal(loaded(**inputs).logits, expected) and not torch.allclose(before, expected, atol=1e-2)
        auto = AutoPeftModelForSequenceClassification.from_pretrained(folder / "adapters").eval()
        assert torch.equal(auto(**inputs).logits, expected)
        merged = model.merge_and_unload()
        torch.testing.assert_close(merged(**inputs).logits, expected, rtol=1e-4, atol=1e-5)
    assert isinstance(merged, MoFMForSequenceClassification)


def test_the_encoder_takes_adapters(folder):
    keypoints, scores = make_clips(2)
    adapters = LoraConfig(task_type="FEATURE_EXTRACTION", target_modules=PROJECTIONS)
    model = get_peft_model(MoFMModel.from_pretrained(folder), adapters)
    model(keypoints=keypoints, scores=scores).pooler_output.sum().backward()
    moved = [name for name, values in model.named_parameters() if values.grad is not None]
    assert moved and all("lora" in name for name in moved)


@torch.no_grad()
@pytest.mark.parametrize("options", [{"device_map": "cpu"}, {"dtype": torch.float16}, {"dtype": torch.bfloat16}])
def test_answers_stay_with_a_device_map_and_in_half_precision(folder, options):
    keypoints, scores = make_clips(3)
    expected = MoFMForSequenceClassification.from_pretrained(folder)(keypoints, scores).logits
    loaded = MoFMForSequenceClassification.from_pretrained(folder, **options)
    assert loaded.dtype == options.get("dtype", torch.float32)
    torch.testing.assert_close(loaded(keypoints, scores).logits.float(), expected, rtol=0.05, atol=0.05)


@torch.no_grad()
def test_weights_of_eight_bits_answer_alike_and_are_stored(folder):
    pytest.importorskip("torchao")  # not set up by `make test`: with it each import of transformers takes longer
    from torchao.quantization import Int8WeightOnlyConfig

    plain = MoFMForSequenceClassification.from_pretrained(folder).eval()
    small = MoFMForSequenceClassification.from_pretrained(
        folder, quantization_config=TorchAoConfig(Int8WeightOnlyConfig())
    ).eval()
    clips = make_clips(4)
    assert type(small.mofm.layers[0].mlp.fc1.weight) is not type(plain.mofm.layers[0].mlp.fc1.weight)
    answers, expected = small(*clips).logits, plain(*clips).logits
    assert 0 < (answers - expected).abs().max() < 0.02 * expected.std()
    small.save_pretrained(folder / "small")
    again = MoFMForSequenceClassification.from_pretrained(folder / "small").eval()
    assert torch.equal(again(*clips).logits, answers)
    sizes = [(path / "model.safetensors").stat().st_size for path in (folder / "small", folder)]
    assert sizes[0] < 0.9 * sizes[1]

"""What a training pushes is a whole model: through the real client, to a server on loopback, and back at a commit."""

import json
import os
import subprocess
import sys

import processes
import pytest
import torch
from clips import TINY_GEOMETRY, TINY_SIZES
from datasets import Dataset
from hub_server import HubServer, Repository
from huggingface_hub import ModelCard

from modeling_mofm import MoFMConfig, MoFMModel
from motion_data.schema import motion_features
from motion_data.synthetic.corpus import generate_motion
from tokenization_mofm.remote_code import CODE_FILE

TRAIN = """
import sys, torch
from modeling_mofm import MoFMConfig, MoFMForMaskedMotionModeling
from tokenization_mofm import DVEDConfig, DVEDModel, MoFMTokenizer
from training_mofm.action_folds import finetune_classification
from training_mofm.actions import ClassificationArguments, ClassificationTrainingArguments
from training_mofm.anomaly import AnomalyArguments, finetune_anomaly
from training_mofm.arguments import DataArguments, MotionTrainingArguments

corpus, folder = sys.argv[1:]
torch.manual_seed(0)
geometry = {"num_frames": 8, "heatmap_size": 24, "cube_size": (4, 6, 6), "codebook_size": 32}
sizes = {"hidden_size": 36, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 72}
MoFMForMaskedMotionModeling(MoFMConfig(**geometry, **sizes)).save_pretrained(folder + "/mofm")
MoFMTokenizer(DVEDModel(DVEDConfig(**geometry, hidden_size=16))).save_pretrained(folder + "/mofm")
common = {"use_cpu": True, "report_to": "none", "push_to_hub": True, "save_steps": 1, "dataloader_num_workers": 0}
data = DataArguments(dataset=corpus)
for name, options, steps in (
    ("watch", {"normal_classes": ["walk"]}, 2),
    ("head", {"normal_classes": ["walk"], "mode": "supervised"}, 2),
):
    options = AnomalyArguments(folder + "/mofm", **options, window=0, reference_size=8, held_out_fraction=0.4)
    args = MotionTrainingArguments(folder + "/" + name, max_steps=steps, hub_model_id="user/" + name, **common)
    finetune_anomaly(options, data, args)
args = ClassificationTrainingArguments(folder + "/actions", max_steps=2, hub_model_id="user/actions", **common)
finetune_classification(ClassificationArguments(folder + "/mofm", num_clips=1), data, args)
"""

LOAD = """
import json, sys
import modeling_mofm
from transformers import pipeline
commit, clip = sys.argv[1], json.loads(sys.argv[2])
watch = pipeline("motion-anomaly-detection", model="user/watch", revision=commit, device="cpu")
found = watch({"keypoints": clip, "fps": 30.0})[0]
try:
    pipeline("motion-anomaly-detection", model="user/watch", revision="main", device="cpu")
    main = "it loads"
except Exception as error:
    main = type(error).__name__
actions = pipeline("motion-classification", model="user/actions", device="cpu")
watch.push_to_hub("user/pipeline")
actions.model.push_to_hub("user/model")
watch.model.push_to_hub("user/detector")
watch.tokenizer.push_to_hub("user/tokenizer")
taught = modeling_mofm.MotionRecogniser.from_pretrained("user/actions")
taught.teach("reach", {"keypoints": clip})
taught.push_to_hub("user/taught")
print(json.dumps({
    "main": main,
    "detector": type(watch.model).__name__,
    "reference": watch.model.config.reference_size,
    "scores": found["people"][0]["scores"],
    "head": pipeline("motion-anomaly-detection", model="user/head", device="cpu").model.config.anomaly_score,
    "actions": actions({"keypoints": clip}),
    "taught": [modeling_mofm.MotionRecogniser.from_pretrained(f"user/{name}").names for name in ("taught", "actions")],
}))
"""

# in a process that cannot import any package of MoFM
WITHOUT = """
import json, sys
for name in ("motion_data", "tokenization_mofm", "modeling_mofm", "training_mofm"):
    sys.modules[name] = None
from transformers import AutoFeatureExtractor, AutoModel, AutoModelForPreTraining, AutoTokenizer, pipeline
commit, clip = sys.argv[1], json.loads(sys.argv[2])
pinned = {"revision": commit, "trust_remote_code": True}
watch = pipeline("motion-anomaly-detection", model="user/watch", device="cpu", **pinned)
actions = pipeline("motion-classification", model="user/actions", trust_remote_code=True, device="cpu")
embed = pipeline("motion-feature-extraction", model="user/actions", trust_remote_code=True, device="cpu")
dved = AutoModel.from_pretrained("user/watch", subfolder="dved", **pinned)
extractor = AutoFeatureExtractor.from_pretrained("user/watch", **pinned)
clips = extractor({"keypoints": clip})
print(json.dumps({
    "scores": watch({"keypoints": clip, "fps": 30.0})[0]["people"][0]["scores"],
    "actions": actions({"keypoints": clip}),
    "length": float((embed({"keypoints": clip})["vector"] ** 2).sum()),
    "words": dved.encode(clips["keypoints"][0], clips["scores"][0]).input_ids.tolist(),
    "book": AutoTokenizer.from_pretrained("user/watch", **pinned).convert_ids_to_tokens([3, 32]),
    "modules": sorted({type(part).__module__.split(".")[0] for part in (
        watch, actions, dved, extractor, AutoModelForPreTraining.from_pretrained("user/actions", **{
            "trust_remote_code": True}))}),
}))
"""


@pytest.fixture
def hub(tmp_path):
    with HubServer() as hub:
        hub.home = tmp_path / "hub-home"
        yield hub


def client(hub, code, *arguments):
    return processes.run(code, *arguments, env=hub.environment(hub.home), cwd=hub.home.parent)


def stranger(hub, code, *arguments):
    """Run code in a new interpreter."""
    environment = {**os.environ, **hub.environment(hub.home)}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, cwd=hub.home.parent, timeout=250)


def test_every_head_is_pushed_whole_and_loads_at_a_commit(hub, tmp_path):
    names = ["walk", "wave"]
    rows = [row for row in generate_motion(120, 0) if row["label"] in (0, 4)]
    rows = [row | {"label": int(row["label"] == 4)} for row in rows]
    corpus = tmp_path / "corpus"
    for split, part in (("train", rows[:12]), ("test", rows[12:16])):
        Dataset.from_list(part, features=motion_features(names)).to_parquet(str(corpus / f"{split}.parquet"))
    result = client(hub, TRAIN, corpus, tmp_path)
    assert result.returncode == 0, result.stderr
    parts = {CODE_FILE, "config.json", "model.safetensors", "preprocessor_config.json", "training_rows.json"}
    tokenizer = {"tokenizer.json", "tokenizer_config.json", "dved/config.json", "dved/model.safetensors"}
    pushed = {name: hub.repositories["model", f"user/{name}"] for name in ("watch", "head", "actions")}
    for name, repository in pushed.items():
        files = set(repository.files) - {".gitattributes"}
        assert len(repository.commits) == 2, "one commit, after the empty one"
        assert {*parts, "README.md"} <= files and (name == "actions" or tokenizer <= files)
        assert not [file for file in files if "checkpoint" in file or file.endswith((".bin", ".pt"))]
    cards = {name: ModelCard(repository.files["README.md"].decode()) for name, repository in pushed.items()}
    for name, card in cards.items():
        assert card.data.library_name == "transformers" and f'model="user/{name}"' in card.text
        assert "{{" not in card.content and "{%" not in card.content and "Corpora: corpus" in card.text
    measured = {result.metric_type: result.metric_value for result in cards["actions"].data.eval_results}
    figures = json.loads(pushed["actions"].files["figures.json"])
    assert measured["accuracy"] == pytest.approx(figures["accuracy"], abs=1e-4)
    assert f"| accuracy | {figures['accuracy']:.4f} |" in cards["actions"].text
    assert json.loads(pushed["watch"].files["config.json"])["architectures"] == ["MoFMForAnomalyDetection"]

    commit = list(pushed["watch"].commits)[-1]
    broken = dict(pushed["watch"].files)
    for name in ("dved/model.safetensors", "model.safetensors", "preprocessor_config.json"):
        broken[name] = b"not this one"
    pushed["watch"].commit(broken)  # main has moved on
    clip = [[[float(x), float(y)] for x, y in zip(range(17), range(17, 0, -1), strict=True)] for _ in range(40)]
    result = client(hub, LOAD, commit, json.dumps(clip))
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout.splitlines()[-1])
    assert found["detector"] == "MoFMForAnomalyDetection" and 4 <= found["reference"] <= 8
    assert len(found["scores"]) == 40 and found["head"] == "classifier" and found["actions"][0]["label"] in names
    assert found["taught"] == [["reach"], []]
    assert found["main"] != "it loads", "main holds files that cannot be read"

    whole = {CODE_FILE, "README.md", "preprocessor_config.json"}
    for name, also in {
        "pipeline": {"config.json", "model.safetensors", *tokenizer},
        "detector": {"config.json", "model.safetensors", *tokenizer},
        "model": {"config.json", "model.safetensors"},
        "tokenizer": tokenizer,
    }.items():
        files = hub.repositories["model", f"user/{name}"].files
        assert whole | also <= set(files), name
        card = ModelCard(files["README.md"].decode())
        assert card.data.library_name == "transformers" and f"# {name}" in card.text and "[More" not in card.text

    result = stranger(hub, WITHOUT, commit, json.dumps(clip))
    assert result.returncode == 0, result.stderr
    alone = json.loads(result.stdout.splitlines()[-1])
    assert alone["modules"] == ["transformers_modules"] and alone["book"] == ["<motion_3>", "<empty>"]
    assert [score is None for score in alone["scores"]] == [score is None for score in found["scores"]]
    known = [pair for pair in zip(alone["scores"], found["scores"], strict=True) if pair[0] is not None]
    assert known and all(one == pytest.approx(other, abs=1e-6) for one, other in known)
    for one, other in zip(alone["actions"], found["actions"], strict=True):
        assert one["label"] == other["label"] and one["score"] == pytest.approx(other["score"], abs=1e-6)
    assert alone["length"] == pytest.approx(1, abs=1e-5) and len(alone["words"][0]) == 32


def test_a_card_that_somebody_wrote_stays_and_a_hub_that_refuses_costs_no_training(hub, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "README.md").write_text("# mine\n")
    (folder / "config.json").write_text("{}")
    code = (
        "import sys\nfrom training_mofm.arguments import MotionTrainingArguments, check_run\n"
        "from training_mofm.publishing import publish\n"
        "args = MotionTrainingArguments(sys.argv[1], push_to_hub=True, hub_model_id='user/x', use_cpu=True)\n"
    )
    result = client(hub, code + "publish(args)\n", folder)
    assert result.returncode == 0, result.stderr
    assert hub.repositories["model", "user/x"].files["README.md"] == b"# mine\n"
    hub.refuse = "POST /api/repos/create"
    result = client(hub, code + "check_run(args)\n", folder)
    assert result.returncode == 1 and "HfHubHTTPError" in result.stderr


INTERRUPTED = """
import sys, time, urllib.request
from pathlib import Path
time.sleep = lambda seconds: None  # between attempts
from modeling_mofm import MoFMModel
try:
    MoFMModel.from_pretrained("user/model")
    raise SystemExit("half a file was taken for a model")
except Exception as error:
    print(type(error).__name__, str(error).replace("\\n", " "))
cache = Path(sys.argv[1])
assert not [path for path in cache.rglob("*.safetensors")]  # no name leads to half of a file
urllib.request.urlopen(sys.argv[2] + "/mend")
model = MoFMModel.from_pretrained("user/model")
print(float(sum(parameter.abs().sum() for parameter in model.parameters())))
"""


def test_a_download_that_breaks_off_is_not_taken_for_whole_and_goes_on_later(hub, tmp_path):
    torch.manual_seed(0)
    model = MoFMModel(MoFMConfig(**TINY_GEOMETRY, **TINY_SIZES))
    model.save_pretrained(tmp_path / "model")
    files = {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()}
    hub.repositories["model", "user/model"] = repository = Repository(False)
    repository.commit(files)
    hub.cut = "GET */model.safetensors"
    result = client(hub, INTERRUPTED, hub.home, hub.url)
    assert result.returncode == 0, result.stderr
    said, whole = result.stdout.splitlines()[-2:]
    assert said.startswith("OSError the download of 'user/model' broke off") and "start it again" in said, said
    with torch.no_grad():
        assert float(whole) == pytest.approx(float(sum(one.abs().sum() for one in model.parameters())), rel=1e-5)

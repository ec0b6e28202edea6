"""Write the model card of a folder, from the template `model_card.md`."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from .remote_code import CODE_FILE

TEMPLATE = "model_card.md"
TAGS = ["human-motion", "pose", "skeleton", "key-points", "mofm"]
FILES = {
    CODE_FILE: "code, for `trust_remote_code=True` where MoFM is not installed",
    "config.json": "sizes and options",
    "model.safetensors": "weights",
    "preprocessor_config.json": "how key-points become clips",
    "tokenizer.json": "the MotionBook",
    "dved": "the discrete variational encoder-decoder, which says what the words are",
    "training_rows.json": "hashes of the rows that were learnt from",
    "figures.json": "the figures below",
}
PIPELINE = 'from transformers import pipeline\n\npipeline("{task}", model="{{0}}")("walk.json")'
USES = {
    "MoFMForSequenceClassification": PIPELINE.format(task="motion-classification"),
    "MoFMForAnomalyDetection": PIPELINE.format(task="motion-anomaly-detection"),
    "MoFMForMaskedMotionModeling": 'from transformers import AutoModel\n\nmodel = AutoModel.from_pretrained("{0}")',
}
TOKENIZER = 'from tokenization_mofm import MoFMTokenizer\n\ntokenizer = MoFMTokenizer.from_pretrained("{0}")'


def template() -> Path:
    """Return the template: that of the clone, else the one that was installed.

    Raises:
        FileNotFoundError: there is neither.
    """
    places = [Path(__file__).parents[1] / TEMPLATE, Path(sys.prefix) / "share" / "mofm" / TEMPLATE]
    for place in places:
        if place.is_file():
            return place
    raise FileNotFoundError(f"the template of model cards is in none of {', '.join(map(str, places))}")


def write_card(
    folder: Path,
    repository: str,
    datasets: Sequence[str] = (),
    figures: Mapping[str, float] = MappingProxyType({}),
    command: Sequence[str] = (),
) -> ModelCard:
    """Write `README.md` into the folder of a model and return the card.

    Args:
        folder: with all parts of the model.
        repository: name under which it will be known, such as "user/mofm".
        datasets: corpora that it learnt from.
        figures: measured on held-out rows, by name.
        command: that measured them, with its arguments.

    Raises:
        FileNotFoundError: the folder holds neither a model nor a dVED, or the template is not there.
    """
    place = folder if (folder / "config.json").is_file() else folder / "dved"
    config = json.loads((place / "config.json").read_text())
    kind = next(iter(config.get("architectures") or ["MoFMForMaskedMotionModeling"]))
    names = [Path(name).name for name in datasets]
    results = [
        EvalResult(
            task_type="video-classification",
            task_name="human motion",
            dataset_type="motion",
            dataset_name=", ".join(names),
            metric_type=name,
            metric_value=round(float(value), 4),
        )
        for name, value in figures.items()
    ]
    card_data = ModelCardData(
        library_name="transformers",
        pipeline_tag="video-classification",
        tags=TAGS,
        model_name=repository.split("/")[-1],
        **({"eval_results": results} if results else {}),
    )
    frames, rows, columns = config.get("cube_size", (12, 9, 9))
    script = f"{Path(command[0]).parent.name}/{Path(command[0]).name}" if command else ""
    card = ModelCard.from_template(
        card_data,
        template_path=str(template()),
        cube=f"{frames} frames of {rows} x {columns} pixels",
        use=(USES.get(kind, TOKENIZER) if place == folder else TOKENIZER).format(repository),
        files={name: said for name, said in FILES.items() if (folder / name).exists()},
        data=f"Corpora: {', '.join(names)}" if names else "Unknown",
        num_frames=config.get("num_frames", 48),
        seconds=f"; its windows are {config['window_seconds']} seconds" if "window_seconds" in config else "",
        figures={name: f"{value:.4f}" for name, value in figures.items()},
        command=shlex.join([script, *command[1:]]),
    )
    card.save(folder / "README.md")
    return card

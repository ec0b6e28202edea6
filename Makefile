# `make pretrain` and `make test` set up a virtual environment in .venv on their first run.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# one process (for several see run/README.md) on all cores: left alone, accelerate gives a process one thread
CORES := $(shell getconf _NPROCESSORS_ONLN)
LAUNCH := $(BIN)/accelerate launch --num-processes 1 --num-machines 1 --mixed-precision no --dynamo-backend no \
	--num-cpu-threads-per-process $(CORES)
# a smaller clip than the default 48 x 72 x 72, so that two cores learn it in minutes
QUICK := --num-frames 24 --heatmap-size 54

.PHONY: setup pretrain test check format bench docs clean

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check -q -c constraints.txt -e ".[dev]"
	touch $@

pretrain: setup
	$(LAUNCH) run/train_tokenizer.py --preset tiny $(QUICK) --dataset synthetic --output-dir runs/quick-tokenizer \
		--max-steps 1700
	$(LAUNCH) run/pretrain.py --preset tiny --tokenizer runs/quick-tokenizer --dataset synthetic --output-dir runs/mofm \
		--max-steps 1000 --learning-rate 2e-3

test: setup
	$(BIN)/python -m pytest -n $(CORES)

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup
	$(BIN)/python -m benchmarks.peers --json bench.json

docs: setup
	$(BIN)/python -m pip install --disable-pip-version-check -q -c constraints.txt -e ".[docs]"
	$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html

clean:
	rm -rf $(VENV) runs build docs/_build *.egg-info

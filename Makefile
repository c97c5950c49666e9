# Everything lives in .venv (`make lowest`: in .venv-lowest); nothing else on the machine is touched.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt
PROMPT ?= Once upon a time
LOWEST = .venv-lowest
LOWEST_PYTHON ?= python3.11
TESTS ?= tests tokenizer minigpt weights

.PHONY: lessons story test fuzz lint format docs pictures gallery lowest clean help

help:  ## show this list
	@sed -n 's/^\([a-z]*\):.*## /make \1	/p' Makefile | expand -t 14

story: $(VENV)/installed  ## write a story with the embedded model (make story PROMPT="The old king")
	@$(BIN)/minigpt generate "$(PROMPT)" --max-new-tokens 200 --repetition-penalty 1.15

# slipcover stops watching the lines it has seen once one of them has run 10,000 times; each time it walks all modules
test: $(VENV)/installed-dev  ## run the whole test suite, and print how much of the code it ran
	@mkdir -p build
	OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m slipcover --threshold 10000 \
		--source minigpt,tokenizer,weights --out build/coverage.txt \
		-m pytest -n 2 --dist loadfile --no-loadscope-reorder $(TESTS)
	@sed -n '/^File/p; /^(summary)/s/$$/   of the code ran in this process; file by file in build\/coverage.txt/p' build/coverage.txt

fuzz: $(VENV)/installed-dev  ## 10,000 damaged files and odd arguments (make fuzz SEED=7 N=100000); the suite has 1,000
	$(BIN)/python -m tests.fuzz.campaign $(or $(N),$(MINIGPT_FUZZ),10000) $(SEED)

lint: $(VENV)/installed-dev  ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/installed-dev  ## bring the files into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lessons: $(VENV)/installed-dev  ## build the lessons' notebooks and the lecturers' pages anew
	$(BIN)/python tutorials/build.py
	$(BIN)/python tutorials/lecture.py

docs: $(VENV)/installed-docs  ## write the API pages into build/docs
	$(BIN)/python docs/api.py

pictures: $(VENV)/installed-dev  ## draw the README's pictures and the list of all anew
	$(BIN)/python docs/way.py
	$(BIN)/python docs/pictures.py
	$(BIN)/minigpt show lens "Once upon a time there was a little girl" --png docs/lens.png
	$(BIN)/minigpt show beams "Once upon a time there was a" --num-beams 3 --png docs/beams.png

gallery: $(VENV)/installed-dev  ## every picture of minigpt show in build/gallery, by chromium and by matplotlib
	$(BIN)/python -m tests.pictures.gallery

lowest: $(LOWEST)/installed  ## run the suite on the lowest versions that pyproject.toml states (make lowest TESTS=tests/core)
	$(LOWEST)/bin/python -m pytest $(TESTS)

clean:  ## remove the environment and every cache
	rm -rf $(VENV) $(LOWEST) .pytest_cache .ruff_cache .mypy_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "minigpt needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make story PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(BIN)/python pyproject.toml constraints.txt
	$(PIP) -e '.[gguf]'
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(PIP) -e '.[dev]'
	@touch $@

$(VENV)/installed-docs: $(VENV)/installed
	$(PIP) -e '.[docs]'
	@touch $@

# Every ">=" of pyproject.toml read as "==". On Linux the index's torch brings gigabytes of CUDA; where PyTorch's own index
# can be reached, a CPU build comes with: make lowest PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu
$(LOWEST)/installed: pyproject.toml
	$(LOWEST_PYTHON) -m venv $(LOWEST)
	sed -n 's/^ *"\([A-Za-z0-9_-]*\)>=\([0-9.]*\)",.*/\1==\2/p' pyproject.toml > $(LOWEST)/lowest.txt
	$(LOWEST)/bin/python -m pip install --disable-pip-version-check -c $(LOWEST)/lowest.txt -e '.[test]'
	@touch $@

# DrumScribe: `make run` serves the app, `make test` runs the tests; both set up what they need first.
# The same without make, on any system: `python scripts/run.py` and `python scripts/run.py test`.
VENV ?= .venv
PY = $(VENV)/bin/python
OUT ?= out
PORT ?= 8501
# the first that starts; the version that the full set of packages was verified with comes first
PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3 python; do \
	$$name -c "" >/dev/null 2>&1 && echo $$name && break; done)
RUN = VENV="$(abspath $(VENV))" "$(PYTHON)" scripts/run.py
export MALLOC_ARENA_MAX ?= 4

.PHONY: run transcribe test fuzz lint types check train rhythm clean help setup setup-dev setup-train

help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

run:  ## set up, then serve the app with the example ready (PORT=8501)
	@$(RUN) serve --port $(PORT)

transcribe: setup  ## set up, then transcribe SONG=path into OUT=out
	$(VENV)/bin/drumscribe transcribe $(if $(SONG),"$(SONG)","$$($(VENV)/bin/drumscribe example)") -o "$(OUT)" $(ARGS)

test:  ## set up, then run lint, types and tests (ARGS= for pytest)
	@$(RUN) test $(ARGS)

fuzz: setup-dev  ## the property tests with other examples each time, and twenty times as many (ARGS=)
	$(PY) -m pytest -m hypothesis --hypothesis-profile=fuzz -n auto --dist loadfile $(ARGS)

lint: setup-dev  ## ruff
	$(VENV)/bin/ruff check .

types: setup-dev  ## mypy
	$(VENV)/bin/mypy

train: setup-train  ## train the hit network (see training/README.md; DATA=, WORK=)
	KERAS_BACKEND=torch MALLOC_MMAP_THRESHOLD_=8000000000 MALLOC_TRIM_THRESHOLD_=8000000000 \
	$(PY) -m training.train --data "$(DATA)" --work "$(WORK)" $(ARGS)

rhythm: setup-train  ## fit the numbers of the rhythm stage (see training/README.md; DATA=, WORK=)
	OMP_NUM_THREADS=1 $(PY) -m training.rhythm --data "$(DATA)" --work "$(WORK)" $(ARGS)

setup:  ## only set up
	@$(RUN) setup

setup-dev:
	@$(RUN) setup requirements-dev.txt

setup-train:
	@$(RUN) setup training/requirements.txt

clean:  ## remove the environment and caches, never your data
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache build *.egg-info

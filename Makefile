# DrumScribe: `make run` serves the app, `make test` runs the tests; both set up what they need first.
VENV ?= .venv
PY = $(VENV)/bin/python
OUT ?= out
PORT ?= 8501
export MALLOC_ARENA_MAX ?= 4

.PHONY: run transcribe test fuzz lint types check train rhythm clean help

help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

run: $(VENV)/.installed  ## set up, then serve the app with the example ready (PORT=8501)
	$(VENV)/bin/drumscribe serve --port $(PORT)

transcribe: $(VENV)/.installed  ## set up, then transcribe SONG=path into OUT=out
	$(VENV)/bin/drumscribe transcribe $(if $(SONG),"$(SONG)","$$($(VENV)/bin/drumscribe example)") -o "$(OUT)" $(ARGS)

test: $(VENV)/.installed-dev  ## set up, then run lint, types and tests (ARGS= for pytest)
	@scripts/test_tools.sh
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(PY) -m pytest -n auto --dist loadfile $(ARGS)

fuzz: $(VENV)/.installed-dev  ## the property tests with other examples each time, and twenty times as many (ARGS=)
	$(PY) -m pytest -m hypothesis --hypothesis-profile=fuzz -n auto --dist loadfile $(ARGS)

lint: $(VENV)/.installed-dev  ## ruff
	$(VENV)/bin/ruff check .

types: $(VENV)/.installed-dev  ## mypy
	$(VENV)/bin/mypy

train: $(VENV)/.installed-train  ## train the hit network (see training/README.md; DATA=, WORK=)
	KERAS_BACKEND=torch MALLOC_MMAP_THRESHOLD_=8000000000 MALLOC_TRIM_THRESHOLD_=8000000000 \
	$(PY) -m training.train --data "$(DATA)" --work "$(WORK)" $(ARGS)

rhythm: $(VENV)/.installed-train  ## fit the numbers of the rhythm stage (see training/README.md; DATA=, WORK=)
	OMP_NUM_THREADS=1 $(PY) -m training.rhythm --data "$(DATA)" --work "$(WORK)" $(ARGS)

clean:  ## remove the environment and caches, never your data
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache build *.egg-info

SETUP = scripts/setup.sh requirements.txt requirements-nodeps.txt $(wildcard constraints.txt)

$(VENV)/.installed: $(SETUP)
	scripts/setup.sh $(VENV)
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.txt
	scripts/setup.sh $(VENV) requirements-dev.txt
	@touch $@

$(VENV)/.installed-train: $(VENV)/.installed training/requirements.txt
	scripts/setup.sh $(VENV) training/requirements.txt
	@touch $@

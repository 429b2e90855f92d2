# Two commands do everything on a machine with Python 3.11+ and make:
#   make demo   environment, install, kernels compiled, the main job on the embedded default, path of the report
#   make test   environment, install, ruff, mypy --strict, pytest (12 kills, 200 examples); make test-long for the full figures
# Both use .venv in this folder, reinstall only after pyproject.toml or constraints.txt changed, and need no network then.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
KERNELS := $(VENV)/.kernels

.PHONY: demo test test-long lint install clean

demo: $(KERNELS)
	$(BIN)/dissect demo
	@echo "the command dissect is in this environment: . $(VENV)/bin/activate"

test: $(KERNELS) lint
	$(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile

test-long: $(KERNELS) lint
	$(BIN)/pytest --kills 60 --examples 1000 --long

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/mypy

install: $(KERNELS)

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

# numba compiles each kernel once and keeps it on disk; doing it here keeps the first run of a user quick.
# What is on disk goes first: numba looks at the date of a kernel's own file, not at those of the kernels that it calls.
$(KERNELS): $(STAMP) $(wildcard dissect/probe/*.py dissect/compose/*.py dissect/verify/*.py dissect/audit/*.py)
	rm -f $(wildcard $(foreach room,probe compose verify audit,dissect/$(room)/__pycache__/*.nb?))
	$(BIN)/python -m dissect.probe.warm
	$(BIN)/python -m dissect.compose.warm
	$(BIN)/python -m dissect.verify.warm
	$(BIN)/python -m dissect.audit.warm
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info

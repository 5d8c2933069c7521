# Everything that a checkout can do: `make help`. Needs Python 3.11 to 3.13, git and make; a network only to install.
.DEFAULT_GOAL := help
.SUFFIXES:

# Variables, set on the command line (make train ARGS="--trainer.max_epochs 2"):
#: PYTHON    interpreter of the environment, 3.11 to 3.13 (default: the first of python3, python3.12, 3.13, 3.11 that fits)
#: VENV      folder of the environment (default: .venv)
#: CONFIG    configuration of resume and evaluate (default: configs/quickstart.yaml), and sweep (configs/corpus.yaml)
#: CKPT      checkpoint of evaluate: a file, or `last` for the newest run (default: last); of probe: a file; of enhance: a
#:           file (default: the network that comes with the package)
#: IN        file or folder of enhance
#: ROOT      corpus folder of train-corpus, sweep, probe and reproduce, the one with speech.csv
#: OVERLAYS  networks of sweep (default: configs/sweep/*.yaml)
#: OUT       folder of sweep (default: runs/sweep), probe (default: runs/probing) and reproduce (default:
#:           runs/reproduction); file or folder of enhance
#: RUN       run of report, runs/NAME for its newest version (default: runs/quickstart)
#: ENTITY    user or team at W&B of dashboard; without, its specification is only checked and written
#: PROJECT   project at W&B of dashboard (default: dyncp)
#: JOBS      trainings of sweep at a time, which share the cores (default: 1)
#: WORKERS   processes that share the tests, 0 for none (default: 2)
#: ARGS      more arguments for the lightning command, pytest, mkdocs or `make lock`
PYTHON ?= python3
VENV ?= .venv
CONFIG ?= configs/quickstart.yaml
RUN ?= runs/quickstart
CKPT ?= last
ROOT ?=
IN ?=
OVERLAYS ?= configs/sweep/*.yaml
OUT ?= runs/sweep
ENTITY ?=
PROJECT ?= dyncp
JOBS ?= 1
WORKERS ?= 2
ARGS ?=

BIN := $(VENV)/bin
LOCKS := requirements.lock requirements-pesq.lock requirements-uv.lock
# Named after what was installed, so that an edited pyproject.toml or lock installs again and nothing else does.
STAMP := $(VENV)/.installed-$(shell cat pyproject.toml $(LOCKS) | cksum | cut -d ' ' -f 1)
# An interpreter that the user named is taken or refused; only our own default is searched for.
ifeq ($(origin PYTHON),file)
PYTHONS := $(PYTHON) python3.12 python3.13 python3.11
else
PYTHONS := $(PYTHON)
endif

.PHONY: help install train train-corpus sweep probe reproduce enhance report dashboard resume evaluate smoke lint format test audit docs docs-serve \
	lock clean distclean check-config check-root check-in

help: ## Show this
	@echo "Targets:"
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  %-13s %s\n", $$1, $$2 }' Makefile
	@echo "Variables:"
	@sed -n 's/^#: /  /p' Makefile

install: $(STAMP) ## Create the environment (5.3 GB on Linux) with the locked packages; nothing to do the second time

train: install ## Train on the built-in synthetic corpus (configs/quickstart.yaml)
	$(BIN)/lightning fit --config configs/quickstart.yaml $(ARGS)

train-corpus: check-root install ## Train on recordings: make train-corpus ROOT=/folder/of/the/corpus
	$(BIN)/lightning fit --config configs/corpus.yaml --data.root "$(ROOT)" $(ARGS)

sweep: CONFIG = configs/corpus.yaml
sweep: check-config $(if $(filter file,$(origin CONFIG)),check-root) install ## Compare networks of several costs: make sweep ROOT=/folder/of/the/corpus
	$(BIN)/dyncp sweep --config "$(CONFIG)" --out "$(OUT)" --jobs $(JOBS) $(OVERLAYS) -- $(if $(ROOT),--data.root "$(ROOT)") $(ARGS)

probe: OUT = runs/probing
probe: install ## Find out what the masks of CKPT know: make probe CKPT=runs/.../last.ckpt ROOT=/folder/of/the/corpus
	$(BIN)/dyncp probe --checkpoint "$(CKPT)" --out "$(OUT)" -- $(if $(ROOT),--data.root "$(ROOT)") $(ARGS)

reproduce: OUT = runs/reproduction
reproduce: check-root install ## Check the published scores: make reproduce ROOT=/folder/of/the/corpus
	$(BIN)/dyncp reproduce --root "$(ROOT)" --out "$(OUT)" $(ARGS)

enhance: CKPT =
enhance: OUT = enhanced
enhance: check-in install ## Enhance recordings, and write down what is heard: make enhance IN=noisy.wav OUT=clean.wav
	$(BIN)/dyncp enhance "$(IN)" "$(OUT)" $(if $(CKPT),--checkpoint "$(CKPT)") $(ARGS)

report: install ## Put a run on one page: make report RUN=runs/corpus
	$(BIN)/dyncp report "$(RUN)" $(ARGS)

dashboard: OUT = dashboard.json
dashboard: install ## Build the W&B dashboard: make dashboard ENTITY=you PROJECT=dyncp
	$(BIN)/dyncp dashboard --entity "$(ENTITY)" --project "$(PROJECT)" --out "$(OUT)" $(ARGS)

resume: check-config install ## Go on with the newest run of CONFIG
	$(BIN)/lightning fit --config "$(CONFIG)" --ckpt_path last $(ARGS)

evaluate: check-config install ## Score CKPT on the test split of CONFIG
	$(BIN)/lightning test --config "$(CONFIG)" --ckpt_path "$(CKPT)" $(ARGS)

smoke: install ## Train for about a minute, to see that everything works
	$(BIN)/lightning fit --config configs/smoke.yaml $(ARGS)

lint: install ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: install ## Rewrite the code in the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: lint ## Run lint, the tests and the examples of the docstrings
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

audit: install ## Ask PyPI for known vulnerabilities of the locked packages, and list licences; needs a network
	$(BIN)/uv --no-config tool run --from pip-audit pip-audit --strict --disable-pip --require-hashes $(addprefix -r ,$(LOCKS)) $(ARGS)
	$(BIN)/python docs/generators/licences.py --check

docs: install ## Build the documentation into site/, and stop at dead links
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict $(ARGS)
	@echo "open site/index.html"

docs-serve: install ## Show the documentation on http://127.0.0.1:8000 and rebuild it while you write
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs serve $(ARGS)

clean: ## Remove caches, the built documentation and build artefacts; keeps the environment, prepared targets and runs
	rm -rf build dist site *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage
	find . -path "./$(VENV)" -prune -o -path ./runs -prune -o -name __pycache__ -type d -exec rm -rf {} +

distclean: clean ## Remove the environment and prepared targets (.cache) too; keeps runs
	@test ! -d "$(VENV)" || test -f "$(VENV)/pyvenv.cfg" || { echo "$(VENV) is no virtual environment; not removed" >&2; exit 1; }
	rm -rf "$(VENV)" .cache

# Hashes and versions for every platform and Python 3.11 to 3.13. `uv` takes nothing from this machine's configuration.
COMPILE = $(BIN)/uv --no-config --quiet pip compile --universal --python-version 3.11 --generate-hashes --no-header \
	--no-emit-index-url --no-emit-find-links $(ARGS)

lock: $(VENV)/pyvenv.cfg ## Resolve pyproject.toml into the lock files anew (ARGS=--upgrade: to the newest releases)
	$(PIP) --require-hashes -r requirements-uv.lock
	$(COMPILE) --extra wandb --extra tensorboard --extra stoi --extra shards --extra losses --extra dnsmos --extra estimators \
		--extra enhancers --extra stream --extra onnx --extra live --extra parquet --extra report --extra docs --extra dev pyproject.toml -o requirements.lock
	$(COMPILE) --group uv -o requirements-uv.lock
	$(COMPILE) --group pesq --constraint requirements.lock -o requirements-pesq.lock

check-config:
	@test -f "$(CONFIG)" || { echo "CONFIG=$(CONFIG): no such file; expected one of: $(wildcard configs/*.yaml)" >&2; exit 2; }

check-in:
	@test -e "$(IN)" || { echo "IN=$(IN): expected a file or folder with recordings; for example IN=noisy.wav OUT=clean.wav" >&2; exit 2; }

check-root:
	@test -f "$(ROOT)/speech.csv" || { echo "ROOT=$(ROOT): expected the folder of a corpus, with speech.csv in it;" \
		"for example ROOT=/data/corpus" >&2; exit 2; }

# ---- The environment --------------------------------------------------------------------------------------------------

PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check
# uv installs three times faster than pip. Every file is checked against the lock, so any index may serve it.
UV = $(BIN)/uv --no-config pip install --python $(BIN)/python --index-strategy unsafe-best-match

# Stamps go first and come back last: an installation that was interrupted has none, and the next one starts anew.
$(STAMP):
	@ls "$(VENV)"/.installed-* >/dev/null 2>&1 || $(MAKE) --no-print-directory --always-make "$(VENV)/pyvenv.cfg"
	@rm -f "$(VENV)"/.installed-*
	@echo "Installing the locked packages into $(VENV) (the first time about 3 GB to download on Linux)"
	@trap 'exit 130' INT TERM; { $(PIP) --require-hashes -r requirements-uv.lock \
		&& $(UV) --require-hashes -r requirements.lock; } \
		|| { echo "uv could not install the packages (see above); trying pip, which reads this machine's pip settings"; \
			$(PIP) --require-hashes -r requirements.lock; }
	@$(PIP) --no-deps --no-build-isolation --editable .
	@$(PIP) --require-hashes --no-deps --no-build-isolation --use-pep517 -r requirements-pesq.lock >"$(VENV)/pesq.log" 2>&1 \
		|| echo "pesq could not be built (no C compiler or no Python headers? see $(VENV)/pesq.log): PESQ scores are skipped"
	@touch $@
	@echo "Installed"

$(VENV)/pyvenv.cfg:
	@if test -d "$(VENV)" && test -n "$$(ls -A "$(VENV)")" && ! test -f "$(VENV)/pyvenv.cfg"; then \
		echo "VENV=$(VENV) exists and is no virtual environment; remove it or name another folder" >&2; exit 2; fi
	@for python in $(PYTHONS); do \
		if $$python -c 'import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then \
			echo "Creating $(VENV) with $$($$python --version)"; exec $$python -m venv --clear "$(VENV)"; fi; done; \
	echo "No suitable Python: Python 3.11, 3.12 or 3.13 with its venv module is needed." >&2; \
	for python in $(PYTHONS); do \
		echo "  $$python: $$($$python --version 2>&1 || true)" >&2; done; \
	echo "Name one: make PYTHON=/path/to/python3.12 (Debian and Ubuntu: apt install python3-venv)" >&2; exit 2

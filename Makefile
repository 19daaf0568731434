# Everything is made in .venv; nothing outside this folder is touched.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.made

.PHONY: help setup browser pictures test test-sdk test-sdk-suite test-frameworks test-receivers check format demo bench soak mutants clean

help: ## List what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

setup: $(STAMP) ## Make .venv with Bursar, its extras and the tools

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("Bursar needs Python 3.11 or newer; say which: make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --group dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --no-build-isolation --editable '.[agent,otel]' 'anthropic[bedrock,vertex]'
	@touch $(STAMP)

browser: ## Have Debian's Chromium installed, for the tests of the dashboard (as root; without one they are skipped)
	@command -v chromium chromium-browser google-chrome || { test "$$(id -u)" = 0 && apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium > /dev/null && command -v chromium; } || echo "no Chromium: install Debian's package chromium, or name one in BURSAR_CHROMIUM; tests/browser is skipped until then"

test: $(STAMP) ## Run the tests; many start processes, which need not compile everything again
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -q -n 2 --dist loadgroup

test-sdk: $(STAMP) ## Run them on six versions of the SDK; SDK="1.14.0 2.0.0" names others
	$(BIN)/python -m tests.sdk.versions $(SDK)

test-sdk-suite: $(STAMP) ## Run the SDK's own tests with Bursar active: they must not notice
	$(BIN)/python -m tests.sdk.suite

test-frameworks: $(STAMP) ## Run the frameworks that stand on the SDK, each in an environment of its own
	$(BIN)/python -m tests.frameworks $(NAMES)

test-receivers: $(STAMP) ## Ask Phoenix itself (in an environment of its own, 850 MB) and Prometheus (apt-get install prometheus) what they have
	$(BIN)/python -m tests.receivers $(NAMES)

check: $(STAMP) ## Format, lint, import contracts, types, and the built wheel
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/mypy tests examples
	$(BIN)/pyright
	$(BIN)/python tests/wheel.py

format: $(STAMP) ## Format and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# `make demo --keep` is make's own --keep-going, and means the same to us.
pictures: $(STAMP) ## Take the README's pictures anew, of the demo in a Chromium and in a terminal
	BURSAR_PICTURES=docs $(BIN)/python -m pytest -q tests/browser/test_pictures.py
	$(BIN)/bursar demo --picture docs/demo.svg

demo: $(STAMP) ## A day's budget spent in a minute, against a sandbox: no key, no network; KEEP=1 leaves it running, to look at
	$(BIN)/bursar demo $(if $(KEEP)$(findstring k,$(firstword -$(MAKEFLAGS))),--keep)

bench: $(STAMP) ## Figures, as ratios in one run
	$(BIN)/python tests/benchmarks/overhead.py

soak: $(STAMP) ## Prove that budgets hold, from where it stopped; NAMES="storm windows" names some, MINUTES=20 ends each that is measured in parts
	$(BIN)/python -m tests.soak $(NAMES) --keep .soak $(if $(MINUTES),--minutes $(MINUTES))

mutants: $(STAMP) ## Break each rule of docs/failures.md, and see its tests fail; ROWS="1 21" names some
	$(BIN)/python -m tests.mutants $(ROWS)

clean: ## Remove what was made
	rm -rf .venv dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .soak

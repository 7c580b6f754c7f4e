# make setup | demo | test | check | package | deploy | golden | lock      (README.md)
PY ?= python3.11
ifeq ($(shell command -v $(PY) 2>/dev/null),)
PY := python3
endif
V := .venv/bin
UV := $(V)/uv --quiet

.PHONY: setup demo test check types lint imports unit package deploy golden lock clean

setup: .venv/.local-ready

.venv/bin/uv:
	$(PY) -m venv .venv
	$(V)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt

.venv/.local-ready: .venv/bin/uv requirements/local.txt pyproject.toml
	$(UV) pip install --python $(V)/python --require-hashes -r requirements/local.txt
	$(UV) pip install --python $(V)/python --no-deps --no-build-isolation --editable .
	touch $@

.venv/.dev-ready: .venv/.local-ready requirements/dev.txt
	$(UV) pip install --python $(V)/python --require-hashes -r requirements/dev.txt
	touch $@

demo: .venv/.local-ready
	$(V)/revenue-engine demo

test: check

check: lint types imports unit

lint: .venv/.dev-ready
	$(V)/ruff check .
	$(V)/ruff format --check .

types: .venv/.dev-ready
	$(V)/mypy layers/engine/python/revenue_engine functions infra workbench benchmarks tests

imports: .venv/.dev-ready
	$(V)/lint-imports --no-logo

unit: .venv/.dev-ready
	$(V)/pytest

golden: .venv/.dev-ready
	$(V)/python -m infra.golden

package: .venv/.dev-ready
	$(V)/python -m infra.package

deploy: package
	npx --yes aws-cdk@2.1148.1 deploy --app "$(V)/python -m infra.app" -c packaged=true

lock: .venv/.dev-ready
	$(UV) pip compile pyproject.toml --extra scoring --extra local --extra learning --python-version 3.11 --universal --generate-hashes --no-header -o requirements/local.txt
	$(UV) pip compile pyproject.toml --extra scoring --extra local --extra learning --extra dev -c requirements/local.txt --python-version 3.11 --universal --generate-hashes --no-header -o requirements/dev.txt
	$(V)/python -m infra.package --lock

clean:
	rm -rf .venv build cdk.out demo-out

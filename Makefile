# Everything that one does with a checkout. `make` alone lists it.

PYTHON ?= python3
VENV := .venv
FUZZ_VENV := build/fuzz-venv
KUBERNETES_VENV := build/kubernetes-venv
TARGET ?= framing
SECONDS ?= 60
# Debian's own, which users run: a Python that was built without profiling is a quarter slower.
BENCH_PYTHON ?= $(firstword $(wildcard /usr/bin/python3) $(PYTHON))
BENCH_VENV := build/bench/venv
CHECKED := gateway maillog policy queue_agent service sink bench stack tests
# Versions are resolved once, in dev.txt; the files of the services take theirs from it.
COMPILE := $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-emit-find-links

.PHONY: help up down destroy test lint types bench figures fuzz keep kubernetes lock

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

up: ## bring everything up (TEST=1: the integration-test environment; WAY=containers|native)
	@stack/up

down: ## stop it and keep the data (TEST=1)
	@stack/down

destroy: ## stop it and remove the data, after a question (TEST=1, YES=1)
	@stack/destroy

lint: $(VENV)/complete ## ruff, and shellcheck where it is installed
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	@if command -v shellcheck >/dev/null; then shellcheck -x sallyport stack/up stack/down stack/destroy stack/native-inside; fi

types: $(VENV)/complete ## mypy --strict
	$(VENV)/bin/mypy

test: lint types ## lint, types, then every test that this machine can run, on all its processors
	$(VENV)/bin/pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

fuzz: $(FUZZ_VENV)/complete ## look for octets that break a parser (TARGET=framing, see fuzz/targets.py; SECONDS=60)
	mkdir -p build/fuzz/$(TARGET)
	$(FUZZ_VENV)/bin/python -m fuzz $(TARGET) -max_total_time=$(SECONDS) -artifact_prefix=build/fuzz/$(TARGET)- \
		-print_final_stats=1 build/fuzz/$(TARGET) fuzz/corpus/$(TARGET)

keep: $(FUZZ_VENV)/complete ## put what `make fuzz` found on the way into the corpus, minimised (TARGET=framing)
	rm -rf build/fuzz/kept && mkdir -p build/fuzz/kept
	$(FUZZ_VENV)/bin/python -m fuzz $(TARGET) -merge=1 build/fuzz/kept fuzz/corpus/$(TARGET) build/fuzz/$(TARGET)
	test -n "$$(ls build/fuzz/kept)" && rm -rf fuzz/corpus/$(TARGET) && mv build/fuzz/kept fuzz/corpus/$(TARGET)

bench: $(BENCH_VENV)/complete ## measure side by side with Postfix and Haraka (as root on Debian; ARGS=--help tells more)
	@$(BENCH_VENV)/bin/python -m bench $(ARGS)

figures: $(BENCH_VENV)/complete ## measure the decision engine: decisions, connects, logins, history, budgets, replay (some minutes, no root)
	@for part in decisions connects logins history budgets replay; do \
		echo "== $$part" && $(BENCH_VENV)/bin/python -m bench.$$part || exit 1; done

kubernetes: $(VENV)/complete $(KUBERNETES_VENV)/complete ## check the manifests: rendered, the API's schemas, checkov, played by podman, published
	SALLYPORT_PLAY_LARGE=1 SALLYPORT_PUBLISH=1 $(VENV)/bin/pytest tests/kubernetes

lock: $(VENV)/complete ## resolve the requirements anew: every version pinned, every file with its hash
	$(VENV)/bin/python -m pip install --quiet uv
	$(COMPILE) --upgrade --extra dev pyproject.toml --output-file requirements/dev.txt
	$(COMPILE) --extra gateway --constraint requirements/dev.txt pyproject.toml --output-file requirements/gateway.txt
	$(COMPILE) --extra sink --constraint requirements/dev.txt pyproject.toml --output-file requirements/sink.txt
	$(COMPILE) --extra queue-agent --constraint requirements/dev.txt pyproject.toml --output-file requirements/queue-agent.txt
	$(COMPILE) --extra policy --constraint requirements/dev.txt pyproject.toml --output-file requirements/policy.txt
	$(COMPILE) --extra policy --extra alerts --constraint requirements/dev.txt pyproject.toml --output-file requirements/alerts.txt
	$(COMPILE) --extra gateway --extra telemetry --constraint requirements/dev.txt pyproject.toml --output-file requirements/gateway-traces.txt
	$(COMPILE) --extra policy --extra telemetry --constraint requirements/dev.txt pyproject.toml --output-file requirements/policy-traces.txt
	$(COMPILE) --upgrade --allow-unsafe requirements/native.in --output-file requirements/native.txt
	$(COMPILE) --upgrade requirements/fuzz.in --output-file requirements/fuzz.txt
	$(COMPILE) --upgrade requirements/interop.in --output-file requirements/interop.txt
	$(COMPILE) --upgrade requirements/kubernetes.in --output-file requirements/kubernetes.txt

$(VENV)/complete: requirements/dev.txt
	stack/dev-venv "$(PYTHON)" $(VENV)

$(KUBERNETES_VENV)/complete: requirements/kubernetes.txt
	"$(PYTHON)" -m venv --clear $(KUBERNETES_VENV)
	$(KUBERNETES_VENV)/bin/python -m pip --quiet --disable-pip-version-check install --require-hashes -r requirements/kubernetes.txt
	touch $@

$(BENCH_VENV)/complete: requirements/gateway.txt requirements/policy.txt
	"$(BENCH_PYTHON)" -m venv --clear $(BENCH_VENV)
	$(BENCH_VENV)/bin/python -m pip --quiet --disable-pip-version-check install --require-hashes $(foreach file,$^,-r $(file))
	touch $@

$(FUZZ_VENV)/complete: requirements/gateway.txt requirements/fuzz.txt
	"$(PYTHON)" -m venv --clear $(FUZZ_VENV)
	$(FUZZ_VENV)/bin/python -m pip --quiet --disable-pip-version-check install --require-hashes $(foreach file,$^,-r $(file))
	touch $@

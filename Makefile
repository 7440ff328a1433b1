# Each target makes the environment it needs; stamp files see to it that nothing is done twice.
#
#   make demo [TEXT=path]   the whole road on our texts, or on a file or folder of yours
#   make test               all tests: Rust, documentation, Python
#   make integrations       the tests of what works with other libraries, such as transformers
#   make lint               formatting, clippy, documentation, ruff, mypy, stubs, licences
#   make examples           the programs in examples/
#   make bench              the benchmarks
#   make fuzz [TARGET=load_json] [TIME=60]   look for inputs that break something
#   make clean              remove what was made here, the environment included

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
TARGET ?= load_json
TIME ?= 60
# The slow twins: integration tests compare with them.
FEATURES := reference

RUST_SOURCES := Cargo.toml Cargo.lock pyproject.toml $(shell find src -name '*.rs')
export VIRTUAL_ENV := $(CURDIR)/$(VENV)
unexport CONDA_PREFIX PYTHONPATH PYTHONHOME
# PyO3's build script asks this interpreter; one name for all keeps the builds shared.
export PYO3_PYTHON := $(CURDIR)/$(PY)

.PHONY: demo test test-rust test-doc test-python integrations lint fmt clippy rustdoc ruff mypy stubtest licences \
	fuzz-check fuzz examples bench clean

demo: $(VENV)/.extension
	@$(PY) examples/demo.py --out demo-out $${TEXT:+"$$TEXT"}

test: test-rust test-doc test-python

test-rust: $(VENV)/.tools
	@if cargo nextest --version >/dev/null 2>&1; then \
		cargo nextest run --locked --features $(FEATURES); \
	else \
		cargo test --locked --features $(FEATURES) --lib --bins --tests; \
	fi

test-doc: $(VENV)/.tools
	cargo test --locked --doc --features $(FEATURES)

test-python: $(VENV)/.extension
	$(PY) -m pytest

# The libraries are large and not needed for anything else, so they come only here. torch brings the
# libraries of its accelerators, some gigabytes; an index of torch's own in pip's settings spares them.
# Spark needs Java.
integrations: $(VENV)/.extension requirements-integrations.txt
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements-integrations.txt
	HF_HUB_OFFLINE=1 TRANSFORMERS_VERBOSITY=error $(PY) -m pytest tests/python/test_transformers.py \
		tests/python/test_arrow_integrations.py tests/python/test_engines.py tests/python/test_ray.py \
		tests/python/test_embedding_integrations.py tests/python/test_albert_transformers.py \
		tests/python/test_torch.py tests/python/test_static_models.py
	$(PY) examples/masked_lm.py --steps 3

lint: fmt clippy rustdoc ruff mypy stubtest licences

fmt:
	cargo fmt --check
	cargo fmt --check --manifest-path fuzz/Cargo.toml

clippy: $(VENV)/.tools
	cargo clippy --locked -- -D warnings
	cargo clippy --locked --all-targets --features $(FEATURES) -- -D warnings
	cargo clippy --locked --all-targets --features $(FEATURES),python -- -D warnings

rustdoc:
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps

ruff: $(VENV)/.tools
	$(PY) -m ruff check
	$(PY) -m ruff format --check

mypy: $(VENV)/.extension
	$(PY) -m mypy

stubtest: $(VENV)/.extension
	cd python && ../$(PY) -m mypy.stubtest subtok._subtok

licences: $(VENV)/.tools
	$(PY) scripts/check_licences.py

# The fuzzing engine itself is C++ and takes a minute: a check does without it.
fuzz-check:
	CUSTOM_LIBFUZZER_PATH=unused/libfuzzer.a \
		cargo check --locked --manifest-path fuzz/Cargo.toml --target-dir target

# What cargo-fuzz does, on the stable compiler. What is found lies in fuzz/artifacts.
fuzz: HOST = $(shell rustc -vV | sed -n 's/^host: //p')
fuzz:
	mkdir -p fuzz/artifacts/$(TARGET) fuzz/target/corpus/$(TARGET)
	CARGO_PROFILE_RELEASE_LTO=off RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module \
		-Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
		-Cllvm-args=-sanitizer-coverage-pc-table -Cdebug-assertions" \
		cargo build --locked --release --manifest-path fuzz/Cargo.toml --target $(HOST) --bin $(TARGET)
	fuzz/target/$(HOST)/release/$(TARGET) fuzz/target/corpus/$(TARGET) fuzz/corpus/$(TARGET) \
		-max_total_time=$(TIME) -artifact_prefix=fuzz/artifacts/$(TARGET)/

examples: $(VENV)/.extension
	@for file in $$(ls examples/*.py | grep -v -e /demo.py -e /masked_lm.py); do echo "$$file"; $(PY) "$$file"; done
	@for file in examples/*.rs; do name=$$(basename "$$file" .rs); echo "$$file"; \
		cargo run --quiet --locked --profile test --example "$$name"; done

bench: $(VENV)/.extension
	cargo bench --locked --features $(FEATURES) --benches

clean:
	rm -rf $(VENV) target fuzz/target demo-out .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find python tests examples scripts -name __pycache__ -prune -exec rm -rf {} +
	rm -f python/subtok/_subtok*.so

$(VENV)/.tools: requirements-dev.txt
	@command -v cargo >/dev/null || { \
		echo "make: cargo is missing: install Rust 1.89 or later (rustup)" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "make: $(PYTHON) is missing or older than 3.11; give another: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "make: $(PYTHON) has no venv module (on Debian: apt-get install python3-venv)" >&2; exit 1; }
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

$(VENV)/.extension: $(VENV)/.tools $(RUST_SOURCES)
	$(BIN)/maturin develop --release --locked
	@touch $@

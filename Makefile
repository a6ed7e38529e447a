# make run     see the HTTP traffic of this host          make demo   the same pipeline on a capture file, without privileges
# make test    every check and every test                 make bench  measure everything that the documentation states
# make unit    what needs neither root nor a server, in seconds
PYTHON ?= python3.11
export PYTHON

BIN := .venv/bin
SUDO := $(shell [ "$$(id -u)" = 0 ] || command -v sudo)
LOCK := $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --no-emit-index-url \
  --no-emit-find-links --extra kafka
C_FILES := $(shell find pipeline tests -name '*.[ch]')

.PHONY: help setup run demo test check unit bench kernels kafka lock docs clean

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile | sed 's/  *make /\nmake /g'

setup:
	@tools/setup.sh run

# `set -m` gives the terminal to httpipe alone: Ctrl-C ends it, and make says nothing.
run: setup
	@echo
	@echo 'In another terminal:'
	@echo '  python3 -m http.server 8080 & sleep 1; python3 -c "import urllib.request as u; u.urlopen(\"http://127.0.0.1:8080/\")"; kill $$!'
	@echo
	@[ ! -t 0 ] || set -m; \
	$(SUDO) $(BIN)/httpipe run pipeline.toml || { code=$$?; \
	  [ $$code = 69 ] || [ $$code = 77 ] && echo 'Without capture rights, see the same on a capture file: make demo' >&2; exit $$code; }

demo:
	@tools/setup.sh demo
	@$(BIN)/httpipe run examples/demo.toml

test:
	@tools/setup.sh test
	@$(MAKE) --no-print-directory check
	$(BIN)/pytest -q

check:
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	clang-format --dry-run --Werror $(C_FILES)

# As many processes as processors; what takes long on any of them is left to `make test`.
unit:
	@tools/setup.sh dev
	$(BIN)/pytest -q -n auto -m 'not slow and not wheel' tests/unit tests/property tests/contract

bench:
	@tools/setup.sh test
	$(BIN)/python -m benchmarks

kernels:
	@tools/setup.sh test
	HTTPIPE_KERNELS_ARCH=$(or $(ARCH),amd64) $(BIN)/pytest -q tests/kernels

kafka:
	@tools/setup.sh test
	$(BIN)/python -m tests.kafka.broker

lock:
	$(LOCK) --group build pyproject.toml -o requirements.lock
	$(LOCK) --group dev -c requirements.lock pyproject.toml -o requirements-dev.lock

docs:
	$(BIN)/httpipe reference > docs/configuration.md
	$(BIN)/python -m pipeline.codecs.fields_page > docs/fields.md
	$(BIN)/python -m pipeline.codecs.proto > pipeline/codecs/httpipe.proto
	$(BIN)/python -m tools.transform_docs
	$(BIN)/python -m tools.kafka_ddl
	$(BIN)/python -m tools.quoted_examples

clean:
	rm -rf .venv .cache build dist pipeline/bpf/*.bpf.o .mypy_cache .ruff_cache .pytest_cache .hypothesis

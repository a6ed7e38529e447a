# make run     see the HTTP traffic of this host          make demo    the same pipeline on a capture file, without privileges
# make test    every check and every test                 make bench   measure everything that the documentation states
# make dev     .venv with what `make unit` and `make check` need, no servers
# make unit    what needs neither root nor a server, in about a minute on two cores
# make wheels  dist/: the sdist, and wheels for x86-64 and arm64
# make deb     dist/: the package for the Debian release that this is
# make check   the linters and the type checker           make newer   `make unit` under every newer Python of this machine
PYTHON ?= python3.11
export PYTHON
# Some containers set it. Without bytecode each process of a test run compiles every test again, which takes longer than running them.
unexport PYTHONDONTWRITEBYTECODE

BIN := .venv/bin
SUDO := $(shell [ "$$(id -u)" = 0 ] || command -v sudo)
LOCK := $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --no-emit-index-url \
  --no-emit-find-links
C_FILES := $(shell find pipeline tests -name '*.[ch]')
# What needs neither root nor a server and takes less than a second each. As many processes as processors.
UNIT := -q -n auto --dist worksteal -m 'not slow and not wheel' tests/unit tests/property tests/contract

.PHONY: help setup run demo dev test check unit newer coverage bench lock docs clean site wheels deb manifest \
  kernels kafka test-lane test-tls test-gate test-sinks test-kubernetes test-packages ui-load watch-load fuzz-http2 fuzz-lane

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

dev:
	@tools/setup.sh dev

test:
	@tools/setup.sh test
	@$(MAKE) --no-print-directory check
	tools/lane.sh test
	$(BIN)/pytest -q
	@echo 'What decodes, once more without the compiled lane:'
	HTTPIPE_LANE=0 $(BIN)/pytest -q -n auto --dist worksteal tests/unit/decode tests/unit/pcap tests/property tests/replay
	HTTPIPE_LANE=0 $(BIN)/pytest -q tests/live
	@$(MAKE) --no-print-directory newer

check:
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	tools/lane.sh check
	clang-format --dry-run --Werror $(C_FILES)

unit: dev
	$(BIN)/pytest $(UNIT)

# The same on every newer Python of this machine; the newest prints how much of `pipeline` that reaches.
newer: dev
	@tools/newer_pythons.sh $(UNIT)

# On the Python of .venv, where measuring takes as long again as the tests.
coverage: dev
	$(BIN)/pytest $(UNIT) --cov --cov-report=term

# All, or those that are named behind it: make bench peers stages
bench:
	@tools/setup.sh test
	$(BIN)/python -m benchmarks $(BENCHMARKS)
ifeq ($(firstword $(MAKECMDGOALS)),bench)
BENCHMARKS := $(wordlist 2,99,$(MAKECMDGOALS))
$(filter-out kernels kafka,$(BENCHMARKS)):
	@:
endif

# With and without the compiled lane, on millions of segments: what both report must be the same.
test-lane: dev
	$(BIN)/python -m tests.lane.differential --segments $(or $(SEGMENTS),5000000)

kernels:
	@tools/setup.sh test
	HTTPIPE_KERNELS_ARCH=$(or $(ARCH),amd64) $(BIN)/pytest -q tests/kernels

# What `make test` has of tests/gate, with 200,000 requests against h11 and uploads of a gigabyte; and what it costs.
test-gate:
	@tools/setup.sh test
	HTTPIPE_GATE_REQUESTS=200000 HTTPIPE_GATE_UPLOAD=1024 $(BIN)/pytest -q -rs tests/gate
	$(BIN)/python -m benchmarks gate

# What `make test` has of tests/tls, and versions of Go and programs that have to be fetched. Says which were not to be had.
test-tls:
	@tools/setup.sh test
	HTTPIPE_TLS_ALL=1 $(BIN)/pytest -q -rs tests/tls

# What `make test` has of tests/sinks, and servers that take minutes to fetch or build, the first time (Loki and MinIO five each). Says which were not to be had.
test-sinks:
	@tools/setup.sh test
	HTTPIPE_SINKS_ALL=1 $(BIN)/pytest -q -rs tests/sinks

# The transform kubernetes against a real kube-apiserver, which takes half an hour to build, the first time.
test-kubernetes:
	@tools/setup.sh test
	HTTPIPE_KUBERNETES=1 $(BIN)/pytest -q -rs tests/kubernetes

# The page while 5,000 exchanges a second pass for a minute: what the pipeline loses beyond what it does without, and how the page takes it.
ui-load:
	@tools/setup.sh test
	$(BIN)/python -m benchmarks ui

# The same of the terminal view, with keys pressed meanwhile.
watch-load:
	@tools/setup.sh test
	$(BIN)/python -m benchmarks watch

# Into dist/: the sdist, and a wheel with the compiled lane for each processor.
wheels:
	@tools/setup.sh run
	@tools/wheels.sh

# Into dist/site: the documentation as a searchable site. A link or an anchor that leads nowhere is an error.
site:
	@tools/setup.sh run
	@tools/site.sh

# Into dist/: the package for the Debian release that this is, as root.
deb:
	@PYTHON=/usr/bin/python3 tools/setup.sh run
	@tools/deb.sh

# The package on fresh Debian 12 and 13: built there, installed, booted, killed, upgraded, purged. The image, run as on a node of
# Kubernetes. The chart, by Helm. Twenty minutes, and traffic to a mirror.
test-packages:
	@tools/setup.sh test
	@for tool in buildah:buildah debootstrap:debootstrap runc:runc systemd-nspawn:systemd-container; do \
	  command -v "$${tool%:*}" >/dev/null || $(SUDO) apt-get install -y -qq --no-install-recommends "$${tool#*:}" || exit 1; done
	HTTPIPE_PACKAGES=1 $(BIN)/pytest -q tests/distribution

# contrib/kubernetes/httpipe.yaml from the Helm chart, by the Helm of this machine.
manifest:
	@{ echo '# Rendered from contrib/helm/httpipe by `make manifest`.'; \
	  $(or $(HELM),helm) template httpipe contrib/helm/httpipe --namespace httpipe --kube-version 1.30; } > contrib/kubernetes/httpipe.yaml

# Ten minutes of cargo fuzz: what the lane reads of untrusted bytes. Takes a nightly Rust.
fuzz-lane: dev
	tools/lane.sh fuzz

# Ten minutes of atheris, which is no dependency of ours: it is installed into .venv for this.
fuzz-http2: dev
	$(BIN)/python -m pip install -q --disable-pip-version-check atheris
	mkdir -p .cache/fuzz_http2
	PYTHONPATH=. $(BIN)/python tests/fuzz/fuzz_http2.py -max_total_time=600 .cache/fuzz_http2

kafka:
	@tools/setup.sh test
	$(BIN)/python -m tests.kafka.broker

lock:
	$(LOCK) --extra kafka --extra http --extra otlp --extra s3 --extra parquet --extra geoip --extra kubernetes --extra containers --extra ui --extra watch --group build pyproject.toml -o requirements.lock
	$(LOCK) --extra kafka --extra http --extra otlp --extra s3 --extra parquet --extra geoip --extra kubernetes --extra containers --extra ui --extra watch --group dev -c requirements.lock pyproject.toml -o requirements-dev.lock
	$(LOCK) --group wheels -o requirements-wheels.lock
	$(LOCK) --group site -o requirements-site.lock
	$(LOCK) --no-deps tests/sinks/servers.in -o tests/sinks/servers.lock

docs:
	$(BIN)/httpipe reference > docs/configuration.md
	$(BIN)/python -m pipeline.codecs.fields_page > docs/fields.md
	$(BIN)/python -m pipeline.codecs.proto > pipeline/codecs/httpipe.proto
	$(BIN)/python -m tools.transform_docs
	$(BIN)/python -m tools.kafka_ddl
	$(BIN)/python -m tools.quoted_examples

clean:
	rm -rf .venv .cache build dist lane/target pipeline/_lane.abi3.so pipeline/bpf/*.bpf.o .mypy_cache .ruff_cache .pytest_cache .hypothesis

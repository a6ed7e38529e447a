#!/bin/sh
# The crate `lane`: `lane.sh check` runs rustfmt and clippy, `lane.sh test` its own tests. Without a current Rust both say so and do nothing,
# which CI does not allow. `lane.sh fuzz` fuzzes for ten minutes.
set -eu
cd "$(dirname "$0")/../lane"

if ! cargo clippy --version >/dev/null 2>&1 || ! cargo fmt --version >/dev/null 2>&1; then
    echo "lane: no cargo with clippy and rustfmt here: the crate is neither checked nor tested" >&2
    [ "${CI:-}" != true ]
    exit
fi

case $1 in
    check)
        cargo fmt --check
        # One extension serves every Python, so none is looked for; hatch_build.py says the same, and compiles PyO3 no second time.
        PYO3_NO_PYTHON=1 cargo clippy -q --locked --release -- -D warnings
        ;;
    test)
        # An extension is linked without libpython, a program that runs tests with it.
        PYO3_PYTHON=$(cd .. && pwd)/.venv/bin/python
        LD_LIBRARY_PATH=$("$PYO3_PYTHON" -c 'import sysconfig; print(sysconfig.get_config_var("LIBDIR"))')
        export PYO3_PYTHON LD_LIBRARY_PATH
        cargo test -q --locked --no-default-features --target-dir target/test
        ;;
    fuzz)
        cargo +nightly fuzz --version >/dev/null 2>&1 || {
            echo 'lane: fuzzing takes a nightly Rust and cargo-fuzz: rustup toolchain install nightly && cargo install cargo-fuzz' >&2
            exit 1
        }
        PYO3_PYTHON=$(cd .. && pwd)/.venv/bin/python
        LIBDIR=$("$PYO3_PYTHON" -c 'import sysconfig; print(sysconfig.get_config_var("LIBDIR"))')
        export PYO3_PYTHON LD_LIBRARY_PATH="$LIBDIR" RUSTFLAGS="-L $LIBDIR"
        mkdir -p ../.cache/fuzz_lane
        cargo +nightly fuzz run --target-dir target/fuzz any ../.cache/fuzz_lane fuzz/seeds -- -max_total_time="${SECONDS_OF_FUZZING:-600}" -max_len=4096
        ;;
esac

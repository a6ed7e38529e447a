#!/bin/sh
# Builds what a release consists of, into dist/: the sdist, and a wheel for x86-64 and for arm64 that run wherever there is glibc 2.17
# (manylinux2014) and CPython 3.11 or later. Needs cargo, and for the other processor Rust's standard library for it (rustup gets it).
set -eu
cd "$(dirname "$0")/.."

folder=.cache/wheels
state=$(cksum < requirements-wheels.lock)
if [ "$(cat $folder/.lock 2>/dev/null)" != "$state" ]; then
    echo "wheels: installing cargo-zigbuild, zig and twine into $folder" >&2
    python3.11 -m venv --clear $folder
    $folder/bin/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes -r requirements-wheels.lock
    echo "$state" > $folder/.lock
fi
# A sysroot of another toolchain than rustup's has what its distribution put there; cargo says so if the library is missing.
if command -v rustup >/dev/null; then rustup -q target add x86_64-unknown-linux-gnu aarch64-unknown-linux-gnu; fi

PATH=$PWD/$folder/bin:$PATH
export PATH
HTTPIPE_LANE=0 python -m hatchling build -t sdist -d dist
for processor in x86_64 aarch64; do
    HTTPIPE_LANE_TARGET=$processor python -m hatchling build -t wheel -d dist
done
twine check --strict dist/*.whl dist/*.tar.gz

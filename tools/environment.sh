#!/bin/sh
# environment.sh PYTHON FOLDER: a virtual environment with httpipe and everything in requirements.lock, as packages and images ship it.
# The compiled lane has to be there or to compile.
set -eu
cd "$(dirname "$0")/.."

folder=$2
pip() { "$folder/bin/python" -m pip "$@" -q --disable-pip-version-check --no-cache-dir --root-user-action=ignore; }

"$1" -m venv "$folder"
pip install --no-deps --require-hashes -r requirements.lock
HTTPIPE_LANE=1 pip install --no-deps --no-build-isolation .
pip uninstall -y hatchling editables pathspec pluggy trove-classifiers # what builds httpipe

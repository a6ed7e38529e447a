#!/bin/sh
# Runs pytest, with the arguments given, under every Python of this machine that is newer than the one of .venv: those on PATH (Debian's) and
# pyenv's. The newest measures coverage too, by sys.monitoring (PEP 669), which costs nearly nothing; where there is
# none, that of .venv does. Says what it passed over, and why.
# Nothing is downloaded but the locked packages, as wheels, into .cache/.
set -eu
cd "$(dirname "$0")/.."

say() { printf 'newer: %s\n' "$*" >&2; }

mkdir -p .cache
ours=$(.venv/bin/python -c 'import sys; print(sys.version_info[1])')

interpreter() { # MINOR: prints where it is; a shim of pyenv may be there and not start
    for candidate in "$(command -v "python3.$1" || true)" $(find "${PYENV_ROOT:-$HOME/.pyenv}/versions" -path "*/bin/python3.$1" 2>/dev/null | sort -rV); do
        if [ -n "$candidate" ] && "$candidate" -c 'import ensurepip' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
}

install() { # FOLDER INTERPRETER: a virtual environment with the locked packages and httpipe
    state=$(cat requirements-dev.lock pyproject.toml | cksum)
    [ "$(cat "$1/.lock" 2>/dev/null)" = "$state" ] && return
    .venv/bin/uv venv -q --clear --python "$2" "$1" &&
        .venv/bin/uv pip install -q --python "$1" --no-deps --require-hashes --only-binary :all: -r requirements-dev.lock &&
        .venv/bin/uv pip install -q --python "$1" --no-deps --no-build-isolation -e . &&
        echo "$state" > "$1/.lock"
}

newest=""
for minor in $(seq $((ours + 1)) $((ours + 12))); do
    python=$(interpreter "$minor")
    [ -n "$python" ] || continue
    folder=.cache/python3.$minor
    if install "$folder" "$python" 2> .cache/newer.log; then
        earlier=${newest:-} newest=$folder
    else
        say "Python 3.$minor passed over, the locked packages cannot be installed: $(tail -n 1 .cache/newer.log)"
        continue
    fi
    if [ -n "$earlier" ]; then
        say "$($earlier/bin/python --version)"
        "$earlier/bin/pytest" "$@"
    fi
done
if [ -z "$newest" ]; then
    say "no Python newer than 3.$ours here: coverage on 3.$ours, whose tracer takes as long again as the tests"
    exec .venv/bin/pytest "$@" --cov --cov-report=term
fi
say "$($newest/bin/python --version), with coverage"
COVERAGE_CORE=sysmon "$newest/bin/pytest" "$@" --cov --cov-report=term

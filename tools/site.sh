#!/bin/sh
# Builds the documentation as a site, into dist/site. Open dist/site/index.html by a web server: python3 -m http.server -d dist/site
set -eu
cd "$(dirname "$0")/.."

folder=.cache/site
state=$(cksum < requirements-site.lock)
if [ "$(cat $folder/.lock 2>/dev/null)" != "$state" ]; then
    echo "site: installing mkdocs into $folder" >&2
    "${PYTHON:-python3.11}" -m venv --clear $folder/venv
    $folder/venv/bin/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes -r requirements-site.lock
    echo "$state" > $folder/.lock
fi
.venv/bin/python -m tools.site $folder/pages
NO_MKDOCS_2_WARNING=1 $folder/venv/bin/mkdocs build --quiet
echo dist/site

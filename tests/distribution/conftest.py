"""The Debian package takes minutes to build and try in systems of its own: `make test-deb`, no part of the rest."""

import os

collect_ignore = [] if os.environ.get("HTTPIPE_DEB") else ["test_deb.py"]

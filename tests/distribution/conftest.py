"""Packages take minutes to build and try in systems of their own: `make test-packages`, no part of the rest."""

import os

collect_ignore = [] if os.environ.get("HTTPIPE_PACKAGES") else ["test_chart.py", "test_deb.py", "test_image.py"]

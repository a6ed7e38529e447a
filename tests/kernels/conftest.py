"""Kernels are booted once a session, as many at a time as the machine can carry, and only those that a test asks for."""

import os
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from kernel_image import kernel_image
from kernel_machine import Report, Reports, boot, httpipe_drive
from kernel_root import root_image

from tests.debian_packages import NotAvailable

ARCHITECTURE = os.environ.get("HTTPIPE_KERNELS_ARCH", "amd64")
"""`make kernels ARCH=arm64` sets it."""

AT_ONCE = 2 if (os.cpu_count() or 1) > 1 else 1
"""Machines: each keeps one processor busy."""

collect_ignore = ["inside"]  # for the guests


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here is marked."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.kernels)


@pytest.fixture(scope="session")
def reports(request: pytest.FixtureRequest) -> Generator[Reports, None, None]:
    """``reports(suite)`` is what that suite's kernel said. Where its packages cannot be had, the test is skipped."""
    asked = [item.callspec.params for item in request.session.items if "reports" in getattr(item, "fixturenames", ())]
    suites, names = (list(dict.fromkeys(params[which] for params in asked)) for which in ("suite", "name"))
    with httpipe_drive(names) as drive, ThreadPoolExecutor(AT_ONCE) as pool:
        booting: dict[str, Future[Report]] = {suite: pool.submit(_boot, suite, drive) for suite in suites}

        def report(suite: str) -> Report:
            try:
                return booting[suite].result()
            except NotAvailable as reason:
                pytest.skip(f"no kernel of {suite} here: {reason}")

        yield report


def _boot(suite: str, drive: Path) -> Report:
    return boot(kernel_image(suite, ARCHITECTURE), root_image(ARCHITECTURE), drive, ARCHITECTURE)

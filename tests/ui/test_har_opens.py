"""A browser reads the archives that httpipe writes: it answers requests from one as the server did."""

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.ui.browsing import DEMO

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.ui


def test_chromium_answers_from_an_archive(browser: "Browser", tmp_path: Path) -> None:
    """Body, status and headers of what was captured, with nobody on the network."""
    archive = tmp_path / "demo.har"
    command = [sys.executable, "-c", "from pipeline.cli.start import main; main()", "print", "-q", "-r", DEMO]
    subprocess.run([*command, "-f", "har", "--bodies", "64KiB", "-o", archive], check=True)
    context = browser.new_context(service_workers="block")
    try:
        context.route_from_har(archive, not_found="abort")
        page = context.new_page()
        answer = page.goto("http://shop.example/")
        assert answer is not None
        assert (answer.status, answer.headers["server"]) == (200, "Python/3.11 aiohttp/3.14.5")
        assert "Teapots, and nothing but teapots." in page.content()
        listed = page.goto("http://shop.example/api/items?limit=40")
        assert listed is not None
        assert len(listed.json()["items"]) == 40
        failed = page.goto("http://shop.example/api/report")
        assert failed is not None
        assert failed.status == 503
    finally:
        context.close()

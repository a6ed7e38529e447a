"""Makes docs/ui.png, the picture of the page in README.md: ``python -m tools.ui_picture``. Needs chromium and playwright.

What it shows is `httpipe ui` on examples/demo.pcap.
"""

import os
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.ui.browsing import DEMO, running

TARGET = Path(__file__).parents[1] / "docs" / "ui.png"


def main() -> None:
    """The table beside the details of one exchange."""
    with running("-r", os.path.relpath(DEMO), "--bodies", "64KiB") as ours, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1360, "height": 560})
        page.goto(ours.link)
        page.get_by_text("22 exchanges here").wait_for()
        page.locator("#follow").click()
        page.evaluate("document.getElementById('scroll').scrollTop = 0")
        page.get_by_text("/favicon.ico").wait_for()
        page.get_by_text("/api/items?limit=40").click()
        page.locator("#details pre").first.wait_for()
        page.mouse.move(0, 0)
        page.screenshot(path=TARGET)
        browser.close()


if __name__ == "__main__":
    main()

"""A browser, and a running `httpipe ui` to look at."""

import os
import shutil
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.ui.browsing import DEMO, Running, Watched, running

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """Debian's Chromium, of one module: while it is there its event loop runs in this thread, and asynchronous tests cannot.

    ``rebound.test`` is a name of somebody else's that leads to this host, as after DNS rebinding.
    """
    where = shutil.which("chromium")
    if where is None:
        pytest.skip("no chromium: tools/setup.sh test installs it")
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  large

    arguments = ["--host-resolver-rules=MAP rebound.test 127.0.0.1"]
    arguments += ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=where, args=arguments)
        yield opened
        opened.close()


@pytest.fixture
def look(browser: "Browser") -> Iterator[Callable[..., Watched]]:
    """Opens a link in a page of its own, in light or dark."""
    contexts = []

    def open_(link: str = "", scheme: str = "light", **options: Any) -> Watched:
        context = browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme=scheme, **options)
        context.set_default_timeout(20_000)
        contexts.append(context)
        watched = Watched(context.new_page())
        if link:
            watched.page.goto(link)
        return watched

    yield open_
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def demo() -> Iterator[Running]:
    """22 exchanges of a shop, with bodies."""
    with running("-r", DEMO, "--bodies", "64KiB") as found:
        yield found

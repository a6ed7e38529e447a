"""Firefox, as somebody uses it: the page of `httpipe ui`, and its network tab with an archive of httpipe's."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ui.browsing import DEMO, HERE, Running
from tests.ui.firefox import Firefox, started
from tests.ui.test_har_opens import archive_of

pytestmark = pytest.mark.ui

ENTER, HOME = "\ue007", "\ue011"
"""As WebDriver names keys (section 17.4.2)."""

ROWS = """[...document.querySelectorAll("#rows [role=row]:not([hidden])")]"""

OPEN_ARCHIVE = """
const { require } = ChromeUtils.importESModule("resource://devtools/shared/loader/Loader.sys.mjs");
const { gDevTools } = require("devtools/client/framework/devtools");
const toolbox = await gDevTools.showToolboxForTab(gBrowser.selectedTab, { toolId: "netmonitor" });
const { panelWin } = toolbox.getCurrentPanel();
const { HarImporter } = panelWin.windowRequire("devtools/client/netmonitor/src/har/har-importer");
const { bindActionCreators } = panelWin.windowRequire("devtools/client/shared/vendor/redux");
const actions = panelWin.windowRequire("devtools/client/netmonitor/src/actions/index");
new HarImporter(bindActionCreators(actions, panelWin.store.dispatch)).import(arguments[0]);
const requests = [...panelWin.store.getState().requests.requests];
await toolbox.destroy();
return requests.map((each) => [each.method, each.url, each.status, each.contentSize, each.responseContent.content.text ?? null]);
"""
"""What "Import HAR File" of the network tab does with the text of the file that was chosen."""


@pytest.fixture(scope="module")
def firefox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firefox]:
    """Debian's."""
    where = shutil.which("firefox-esr")
    if where is None:
        pytest.skip("no firefox-esr: tools/setup.sh test installs it")
    with started(where, tmp_path_factory.mktemp("firefox")) as firefox:
        yield firefox


def test_the_page(firefox: Firefox, demo: Running) -> None:
    """Every exchange, a filter, the details of one by the keyboard, and nothing that axe-core finds serious."""
    firefox.open(demo.link)
    firefox.until(f"return {ROWS}.length", 22)
    assert "token" not in firefox.script("return location.href")
    firefox.press("/")
    for character in "status >= 500":
        firefox.press(character)
    firefox.press(ENTER)
    firefox.until(f"return {ROWS}.map((row) => row.innerText.split('\\n')[2])", ["500", "503"])
    firefox.script("document.getElementById('grid').focus()")
    for key in (HOME, ENTER):
        firefox.press(key)
    firefox.until(
        "return document.getElementById('details').innerText.includes('HTTP/1.1 500 Internal Server Error')", wanted=True
    )
    script = HERE / "node_modules" / "axe-core" / "axe.min.js"
    if not script.is_file():
        pytest.skip("no axe-core: tools/setup.sh test installs it")
    firefox.script(script.read_text())
    found = firefox.script("return (await axe.run()).violations")
    assert [each["id"] for each in found if each["impact"] in ("serious", "critical")] == []


def test_the_network_tab_opens_an_archive(firefox: Firefox, tmp_path: Path) -> None:
    """With every exchange in it. Firefox asks for ``log.pages``, which HAR 1.2 does not."""
    text = archive_of(DEMO, tmp_path / "demo.har").read_text()
    expected = [
        [
            each["request"]["method"],
            each["request"]["url"],
            each["response"]["status"],
            each["response"]["content"]["size"],
            each["response"]["content"].get("text"),
        ]
        for each in json.loads(text)["log"]["entries"]
    ]
    assert firefox.script(OPEN_ARCHIVE, text, chrome=True) == expected
    assert len(expected) == 22

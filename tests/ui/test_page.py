"""The page as somebody uses it, in a real browser, on the exchanges of a real capture."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.ui.browsing import DEMO, Running, Watched, piped, running

pytestmark = pytest.mark.ui

Look = Callable[..., Watched]
ROWS = "#rows [role=row]:not([hidden])"


def rows(watched: Watched, count: int) -> list[str]:
    """The texts of so many rows, once they are there."""
    expect(watched.page.locator(ROWS)).to_have_count(count)
    return watched.page.locator(ROWS).all_inner_texts()


def test_every_exchange_of_the_capture_has_a_row(demo: Running, look: Look) -> None:
    """With method, status, host and path; the token is no longer in the address; nothing comes from elsewhere."""
    seen = look(demo.link)
    first, *_, last = rows(seen, 22)
    assert first.split("\n")[1:5] == ["GET", "200", "shop.example", "/"]
    assert last.split("\n")[1:5] == ["BREW", "400", "shop.example", "/api/items/418"]
    assert "token" not in seen.page.url
    assert {url.split("/")[2] for url in seen.requests} == {demo.address}
    assert not any(demo.token in url for url in seen.requests)
    assert seen.wrong == []


def test_details_show_heads_without_secrets_and_bodies_set_out(demo: Running, look: Look) -> None:
    """Opened by the keyboard alone, closed by Escape, and the focus goes back."""
    seen = look(demo.link)
    rows(seen, 22)
    page = seen.page
    page.locator("#grid").focus()
    for key in ("Home", "ArrowDown", "ArrowDown", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    details = page.locator("#details")
    details.wait_for()
    text = details.inner_text()
    assert "http://shop.example/api/items?limit=40" in text
    assert '"name": "teapot no. 0"' in text  # in one line in the capture, without spaces
    assert "application/json; charset=utf-8" in text
    assert page.evaluate("document.activeElement.id") == "details"
    page.keyboard.press("Escape")
    assert details.is_hidden()
    assert page.evaluate("document.activeElement.id") == "grid"
    page.locator("#where").fill("path == '/api/login'")
    page.keyboard.press("Enter")
    rows(seen, 1)
    page.locator(ROWS).click()
    details.wait_for()
    assert seen.wrong == []


def test_a_filter_is_an_expression_and_its_errors_show_in_place(demo: Running, look: Look) -> None:
    """The pipeline's own language, with its own words for what is wrong."""
    seen = look(demo.link)
    rows(seen, 22)
    page = seen.page
    page.keyboard.press("/")
    page.keyboard.type("statu >= 500")
    expect(page.locator("#where-error")).to_have_text('unknown field "statu"; did you mean "status"?')
    expect(page.locator("#where")).to_have_attribute("aria-invalid", "true")
    page.locator("#where").fill("status >= 500")
    page.keyboard.press("Enter")
    assert [row.split("\n")[2] for row in rows(seen, 2)] == ["500", "503"]
    assert page.locator("#where-error").is_hidden()
    page.locator("#clear").click()
    rows(seen, 22)
    assert seen.wrong == []


def test_a_filter_is_completed_by_the_keyboard_and_by_the_mouse(demo: Running, look: Look) -> None:
    """Words for what stands in front of the cursor; an error waits until nothing fits any more."""
    seen = look(demo.link)
    rows(seen, 22)
    page = seen.page
    field, words = page.locator("#where"), page.locator("#where-words [role=option]")
    page.keyboard.press("/")
    page.keyboard.type("sta")
    expect(words.first).to_have_text("status")
    assert page.locator("#where-error").is_hidden()
    assert seen.accessibility() == []
    page.keyboard.press("Tab")
    expect(field).to_have_value("status")
    page.keyboard.type(" >= 400 and pat")
    expect(words).to_have_text(["path"])
    page.keyboard.type("h.s")
    expect(words.first).to_have_text("path.startswith(")
    page.keyboard.press("ArrowDown")
    expect(field).to_have_attribute("aria-activedescendant", "word-0")
    page.keyboard.press("Enter")
    expect(field).to_have_value("status >= 400 and path.startswith(")
    page.keyboard.type('"/api/") and meth')
    words.get_by_text("method", exact=True).click()
    page.keyboard.type(" == 'GET'")
    page.keyboard.press("Enter")
    assert [row.split("\n")[2] for row in rows(seen, 2)] == ["500", "503"]
    page.keyboard.type(" or sta")
    words.first.wait_for()
    page.keyboard.press("Escape")
    assert words.count() == 0
    page.keyboard.press("Escape")
    expect(field).to_have_value(re.compile("== 'GET'$"))  # as it is filtered by
    assert page.evaluate("document.activeElement.id") == "grid"
    assert seen.wrong == []


def test_a_request_is_copied_as_a_curl_command(demo: Running, look: Look) -> None:
    """To the clipboard; and it stands among the details."""
    seen = look(demo.link, permissions=["clipboard-read", "clipboard-write"])
    rows(seen, 22)
    page = seen.page
    page.locator(ROWS).nth(17).click()
    page.get_by_role("button", name="Copy as curl").click()
    page.get_by_role("button", name="Copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("curl -i --path-as-is -g http://shop.example/api/login -H 'User-Agent: curl/7.88.1'")
    page.get_by_text("As a curl command").click()
    expect(page.get_by_label("curl command")).to_have_text(copied)
    assert seen.wrong == []


def test_sorting_and_standing_still(demo: Running, look: Look) -> None:
    """A heading sorts by its column, longest first; following again undoes it."""
    seen = look(demo.link)
    rows(seen, 22)
    page = seen.page
    page.get_by_role("button", name="Duration").click()
    expect(page.locator(ROWS).first).to_contain_text("352 ms")
    assert page.locator("[data-place='9']").get_attribute("aria-sort") == "descending"
    assert page.locator("#follow").get_attribute("aria-pressed") == "false"
    page.locator("#follow").click()
    expect(page.locator("[aria-sort]")).to_have_count(0)


@pytest.mark.parametrize("form", ["HAR 1.2", "JSON lines", "curl commands"])
def test_exchanges_can_be_taken_away(demo: Running, look: Look, form: str) -> None:
    """What fits the filter, and the selected one, as files."""
    seen = look(demo.link)
    rows(seen, 22)
    page = seen.page
    page.locator("#where").fill("status >= 500")
    page.keyboard.press("Enter")
    rows(seen, 2)

    def saved(what: str) -> list[object]:
        page.get_by_role("button", name="Save as…").click()
        with page.expect_download() as download:
            page.get_by_role("button", name=f"{form}: {what}").click()
        text = download.value.path().read_text()
        if form == "curl commands":
            return [
                {"/api/orders/9": 500, "/api/report": 503}[line.split("shop.example")[1].split()[0]] for line in text.splitlines()
            ]
        if form == "JSON lines":
            return [json.loads(line)["http.response.status_code"] for line in text.splitlines()]
        return [entry["response"]["status"] for entry in json.loads(text)["log"]["entries"]]

    assert saved("what fits the filter") == [500, 503]
    page.locator(ROWS).nth(1).click()
    assert saved("the selected exchange") == [503]
    assert seen.wrong == []


def test_packets_of_connections_can_be_taken_away(demo: Running, look: Look, tmp_path: Path) -> None:
    """What fits the filter: httpipe reads the same exchanges from them, and the page says what is in the file."""
    assert look(demo.link).page.locator("#save-menu").get_by_text("pcapng").count() == 0
    with running("-r", DEMO, "--packets", "1MiB") as run:
        seen = look(run.link)
        rows(seen, 22)
        page = seen.page
        page.locator("#where").fill("status >= 500")
        page.keyboard.press("Enter")
        rows(seen, 2)
        page.get_by_role("button", name="Save as…").click()
        with page.expect_download() as download:
            page.get_by_role("button", name="pcapng, packets of the connections: what fits the filter").click()
        assert download.value.suggested_filename.endswith(".pcapng")
        expect(page.locator("#missed")).to_have_text("Saved: 2 events of 1 connection.")
        assert seen.wrong == []
    taken = tmp_path / "taken.pcapng"
    download.value.save_as(taken)
    command = [Path(sys.executable).with_name("httpipe"), "print", "-q", "-f", "json"]
    there, back = (subprocess.run([*command, "-r", each], check=True, capture_output=True).stdout for each in (DEMO, taken))
    assert set(back.splitlines()) <= set(there.splitlines())
    assert [json.loads(line)["http.response.status_code"] for line in back.splitlines()].count(503) == 1


def test_endpoints_map_and_pipeline(demo: Running, look: Look) -> None:
    """Numbers add up to the exchanges of the capture; each view has its drawing."""
    seen = look(demo.link)
    rows(seen, 22)
    page = seen.page
    page.keyboard.press("2")
    page.locator("#endpoints tbody tr").first.wait_for()
    texts = page.locator("#endpoints tbody tr").all_inner_texts()
    assert any(text.startswith("GET shop.example/api/items/{id}") for text in texts)
    assert sum(int(text.split("\t")[3]) for text in texts) == 22
    page.locator("#endpoints .plot svg").nth(2).wait_for()
    page.get_by_role("button", name="GET shop.example/api/items/{id}").click()
    page.get_by_role("button", name="Show its exchanges").click()
    assert rows(seen, 1)[0].split("\n")[4] == "/api/items/7"
    page.keyboard.press("3")
    page.locator("#map .call").first.wait_for()
    assert sum(int(text.split("\t")[2]) for text in page.locator("#map tbody tr").all_inner_texts()) == 22
    page.keyboard.press("4")
    page.locator("#pipeline .component").nth(1).wait_for()
    ledger = page.locator("#pipeline table").first.inner_text()
    assert "http (source pcap)" in ledger
    assert "out (sink null)" in ledger
    assert seen.wrong == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_it(demo: Running, look: Look, scheme: str) -> None:
    """axe-core finds nothing serious in any view."""
    seen = look(demo.link, scheme)
    rows(seen, 22)
    page = seen.page
    page.locator(ROWS).nth(3).click()
    page.locator("#details pre").first.wait_for()
    assert seen.accessibility() == []
    for key, what in (("2", "#endpoints .plot"), ("3", "#map .call"), ("4", "#pipeline .component")):
        page.locator("#tab-traffic").focus()
        page.keyboard.press(key)
        page.locator(what).first.wait_for()
        assert seen.accessibility() == []


def test_it_ends_by_a_signal_with_a_summary_and_the_page_says_so(look: Look) -> None:
    """A capture is shown until then, though it has long been read."""
    with running("-r", DEMO) as ours:
        seen = look(ours.link)
        rows(seen, 22)
        seen.page.locator("#state[data-state=ended]").wait_for()
        assert "22 exchanges seen" in ours.stop()
        assert ours.process.returncode == 0
        seen.page.locator("#state[data-state=closed]").wait_for()


def test_a_wrong_token_is_told(demo: Running, look: Look) -> None:
    """In words, and nothing is shown."""
    seen = look(f"http://{demo.address}/#token=wrong")
    seen.page.get_by_text("Open the link that httpipe printed").first.wait_for()
    assert seen.page.locator(ROWS).count() == 0


def test_a_pipeline_file_has_a_page(tmp_path: Path, look: Look) -> None:
    """`[ui]` shows what the sinks get, behind the transforms, while the run goes on."""
    file = tmp_path / "shop.toml"
    file.write_text(
        '[ui]\nkeep = 100\n[sources.shop]\ntype = "pcap"\npath = "-"\n'
        '[transforms.bad]\ntype = "filter"\ninputs = ["shop"]\nwhere = "status >= 500"\n'
        '[sinks.out]\ntype = "null"\ninputs = ["bad"]\n'
    )
    with running(file, command="run", stdin=DEMO.read_bytes()) as ours:
        seen = look(ours.link)
        assert [row.split("\n")[2] for row in rows(seen, 2)] == ["500", "503"]
        assert seen.page.title() == f"{file} | httpipe"
        seen.page.locator("#state[data-state=live]").wait_for()
        assert seen.wrong == []


def test_a_running_pipeline_can_be_looked_at(tmp_path: Path, look: Look) -> None:
    """By its name, with heads where they are kept there; the page says when it has ended, and stays."""
    file = tmp_path / "shop.toml"
    sink = 'type = "har"\npath = "out.har"'
    file.write_text(f'[sources.shop]\ntype = "pcap"\npath = "-"\n[sinks.out]\n{sink}\ninputs = ["shop"]\n')
    capture = DEMO.read_bytes()
    with piped(file, tmp_path) as shop, running("--attach", "shop", folder=tmp_path) as ours:
        seen = look(ours.link)
        seen.page.locator("#state[data-state=live]").wait_for()
        assert shop.stdin is not None
        shop.stdin.write(capture[24:])
        shop.stdin.flush()
        rows(seen, 22)
        seen.page.locator(ROWS).nth(17).click()
        expect(seen.page.locator("#details")).to_contain_text("POST /api/login HTTP/1.1")
        assert "User-Agent\tcurl/7.88.1" in seen.page.locator("#details").inner_text()
        seen.page.locator("#grid").focus()
        seen.page.keyboard.press("4")
        expect(seen.page.locator("#pipeline .component")).to_have_count(2)
        shop.stdin.close()
        seen.page.locator("#state[data-state=ended]").wait_for()
        assert seen.wrong == []

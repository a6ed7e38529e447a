"""The archives that httpipe writes are as HAR 1.2 has it, and a browser answers requests from one as the server did."""

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from jsonschema import Draft6Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT6

from tests.ui.browsing import DEMO, HERE
from tests.ui.test_hostile import PAYLOADS, capture_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.ui

HTTP2 = HERE.parent / "replay" / "captures" / "http2" / "node.pcap"

OPEN_ARCHIVE = """async (archive) => {
  const { HARFormat, Importer } = await import("./models/har/har.js");
  const requests = Importer.Importer.requestsFromHARLog(new HARFormat.HARRoot(archive).log);
  return Promise.all(requests.map(async (each) => {
    const content = await each.requestContentData();
    return [each.requestMethod, each.url(), each.statusCode, content.text || null];
  }));
}"""
"""What "Import HAR file" of the network tab does with a file."""


def archive_of(capture: Path, into: Path) -> Path:
    """Of a capture file, with bodies."""
    command = [sys.executable, "-c", "from pipeline.cli.start import main; main()", "print", "-q", "-r", capture]
    subprocess.run([*command, "-f", "har", "--bodies", "64KiB", "-o", into], check=True)
    return into


def schema() -> Draft6Validator:
    """That of the npm package har-schema, which many tools use."""
    folder = HERE / "node_modules" / "har-schema" / "lib"
    if not folder.is_dir():
        pytest.skip("no har-schema: tools/setup.sh test installs it")
    parts = [json.loads(file.read_text()) for file in folder.glob("*.json")]
    registry: Registry[object] = Registry().with_resources((each["$id"], Resource(each, DRAFT6)) for each in parts)
    return Draft6Validator({"$ref": "har.json#"}, registry=registry, format_checker=Draft6Validator.FORMAT_CHECKER)


@pytest.mark.parametrize("name", ["demo", "http2", "hostile"])
def test_it_is_as_the_schema_has_it(name: str, tmp_path: Path) -> None:
    """A shop, HTTP/2 and gRPC joined in the middle, and what no browser would send."""
    captures = {"demo": DEMO, "http2": HTTP2, "hostile": tmp_path / "hostile.pcap"}
    capture_of(PAYLOADS, captures["hostile"])
    archive = json.loads(archive_of(captures[name], tmp_path / "out.har").read_text())
    assert len(archive["log"]["entries"]) >= 20
    assert [f"{list(each.absolute_path)}: {each.message}" for each in schema().iter_errors(archive)][:5] == []
    broken = json.loads(json.dumps(archive))
    del broken["log"]["entries"][0]["request"]["headers"]
    assert not schema().is_valid(broken)  # it does look


def test_chromiums_network_tab_opens_an_archive(browser: "Browser", tmp_path: Path) -> None:
    """With every exchange in it."""
    archive = json.loads(archive_of(DEMO, tmp_path / "demo.har").read_text())
    context = browser.new_context()
    try:
        page = context.new_page()
        page.goto("devtools://devtools/bundled/devtools_app.html")
        shown = page.evaluate(OPEN_ARCHIVE, archive)
    finally:
        context.close()
    assert shown == [
        [each["request"]["method"], each["request"]["url"], each["response"]["status"], each["response"]["content"].get("text")]
        for each in archive["log"]["entries"]
    ]
    assert len(shown) == 22


def test_chromium_answers_from_an_archive(browser: "Browser", tmp_path: Path) -> None:
    """Body, status and headers of what was captured, with nobody on the network."""
    archive = archive_of(DEMO, tmp_path / "demo.har")
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

"""What a page costs the pipeline, and the load the page: nginx at 5,000 exchanges a second for a minute, four times.

Without ``[ui]``, with it, with a page in Chromium that follows the newest, and that with heads whole. Prints exchanges reported,
left out by whole connections, and lost otherwise; CPU of httpipe per exchange, its largest memory; of the page its longest task,
how many tasks took longer than 50 ms, its heap at the end, and the exchanges that it was not given.
``python -m benchmarks.ui SECONDS WAY…`` for another length, and for some of the four: ``none``, ``unseen``, ``page``, ``heads``.
Needs root, nginx, h2load, chromium and playwright.
"""

import re
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

from playwright.sync_api import Page, sync_playwright

from benchmarks import live

RATE = 5000
LINK = re.compile(r"http://\S+#token=\S+")
LOOKS = ("none", "unseen", "page", "heads")

WATCH = """() => {
  window.longest = [];
  new PerformanceObserver((list) => { for (const each of list.getEntries()) window.longest.push(each.duration); })
    .observe({ type: "longtask", buffered: true });
}"""
FOUND = """() => ({ longest: Math.round(Math.max(0, ...window.longest)), tasks: window.longest.length,
  heap: Math.round(performance.memory.usedJSHeapSize / 1e6), rows: document.querySelectorAll("#rows [role=row]").length,
  missed: document.getElementById("missed").textContent, counts: document.getElementById("counts").textContent })"""


@contextmanager
def httpipe(folder: Path, how: str) -> Iterator[tuple[Popen[str], str]]:
    """A pipeline that writes what it sees to a file, and the link of its page."""
    for name in ("out.jsonl", "ready"):
        (folder / name).unlink(missing_ok=True)
    page = "" if how == "none" else f"[ui]\nheads = {str(how == 'heads').lower()}\n"
    file = folder / "pipeline.toml"
    file.write_text(
        f'{page}[sources.http]\n{live.BY_PACKETS}\n[sinks.out]\ntype = "file"\ninputs = ["http"]\npath = "{folder}/out.jsonl"\n'
    )
    process = Popen([live.HTTPIPE, "run", str(file), "--ready-file", str(folder / "ready")], stderr=PIPE, text=True)
    assert process.stderr is not None
    try:
        while not (folder / "ready").exists():
            time.sleep(0.05)
        yield process, next(found[0] for line in process.stderr if (found := LINK.search(line))) if page else ""
    finally:
        process.terminate()
        (folder / "watcher.log").write_text(process.communicate(timeout=60)[1])


@contextmanager
def browser(link: str) -> Iterator[Page]:
    """A page that follows the newest."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--enable-precise-memory-info"]
        )
        page = chromium.new_page(viewport={"width": 1280, "height": 800})
        page.goto(link)
        page.evaluate(WATCH)
        yield page
        chromium.close()


def memory_mb(pid: int) -> int:
    """The largest that it was (proc(5): VmHWM)."""
    found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) // 1000


def turn(how: str, folder: Path) -> None:
    """One minute, and its line."""
    looked: dict[str, Any] = {}
    with httpipe(folder, how) as (process, link):
        with ExitStack() as stack:
            page = stack.enter_context(browser(link)) if how in ("page", "heads") else None
            before = live.cpu_of(process.pid)
            answered, _, p99 = live.load(folder, RATE)
            if page is not None:
                time.sleep(2)
                looked = page.evaluate(FOUND)
        own, memory = live.cpu_of(process.pid) - before, memory_mb(process.pid)
    reported, marked = live.count(folder / "out.jsonl")
    said = re.search(r"shed_requests ([\d,]+)", (folder / "watcher.log").read_text())
    shed = int(said[1].replace(",", "")) if said else 0
    print(
        f"{how:<8} {answered:>9} {reported:>9} {shed:>6} {answered - reported - shed:>6} {marked:>6}"
        f" {own / answered * 1e6:>8.1f} {p99:>7.0f} {memory:>6}   {looked or ''}",
        flush=True,
    )


def main() -> None:
    """Print the table."""
    live.SECONDS = int(sys.argv[1]) if sys.argv[1:] else 60
    print("          answered  reported   shed   lost marked own_us/x  p99_us  mem_MB   page (ms, MB)")
    with tempfile.TemporaryDirectory() as name, live.nginx(Path(name)):
        for how in sys.argv[2:] or LOOKS:
            turn(how, Path(name))


if __name__ == "__main__":
    main()

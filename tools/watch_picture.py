"""Writes docs/watch.svg, the picture of `httpipe watch` in the README: the demo capture on a terminal of 110 columns.

``python -m tools.watch_picture``, in the time zone UTC, from a clone with the development packages.
"""

import asyncio
import os
import re
import time
from functools import partial
from pathlib import Path

from pipeline.cli.traffic import Traffic, plan_of, text_of
from pipeline.cli.watch.app import WatchApp
from pipeline.cli.watch.running import Running

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs/watch.svg"
SIZE = (110, 27)
FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
"""Rich's template names fonts of another server; the viewer's own will do."""


async def picture(app: WatchApp) -> str:
    """The screen, some rows up from the newest."""
    async with app.run_test(size=SIZE) as pilot:
        while len(app.gatherer.listing.rows) < 22:
            await pilot.pause(0.05)
        app.draw()
        for _ in range(4):
            await pilot.press("up")
        await pilot.pause(0.5)
        return app.export_screenshot(title="httpipe watch -r examples/demo.pcap")


def main() -> None:
    """Run the capture through and write the picture."""
    os.environ["TZ"] = "UTC"
    time.tzset()
    tables, reads = Traffic(capture=str(ROOT / "examples/demo.pcap")).tables()
    tables["sinks.out"] = {"type": "null", "inputs": reads}
    load = partial(plan_of, text_of(tables))
    running = Running(load(), load, for_secs=None, keep=1000)
    try:
        svg = asyncio.run(picture(WatchApp(running.start(), in_progress=False)))
    finally:
        running.close()
    svg = re.sub(r"terminal-\d+", "terminal", FONTS.sub("", svg))
    PICTURE.write_text("\n".join(line.rstrip() for line in svg.splitlines()) + "\n")


if __name__ == "__main__":
    main()

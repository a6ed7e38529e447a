"""Make ``examples/demo.pcap`` again: two dozen exchanges of a small shop, each of another kind, for ``make demo``.

    sudo python tests/replay/make_demo.py

Needs tcpdump, curl, and an interpreter with aiohttp. It prints what it fetched.
"""

import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import aiohttp
from make import HERE, INSIDE, enter_namespace, tcpdump

SHOP = "http://shop.example"
DEMO = HERE.parents[1] / "examples/demo.pcap"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
CURL = ["curl", "-s", "-o", "/dev/null", "-w", "%{method} %{url} %{http_code}\\n", "--resolve", "shop.example:80:198.51.100.80"]


def curl(client: str, *arguments: str) -> None:
    """Fetch from one of the clients' addresses."""
    subprocess.run([*CURL, "--interface", client, *arguments], check=False, timeout=20)


def visit(photo: Path) -> None:
    """A customer, a phone, a load balancer's probe, a script and somebody who should not be here."""
    customer, phone, probe, script = "192.0.2.10", "192.0.2.23", "10.0.0.5", "192.0.2.77"
    pages = ["/", "/style.css", "/favicon.ico", "/api/items?limit=40", "/api/items/7", "/api/search?q=samovar"]
    again = [part for path in pages[1:] for part in ("-o", "/dev/null", SHOP + path)]
    curl(customer, "-A", BROWSER, "-H", "Accept-Encoding: gzip", SHOP + pages[0], *again)
    curl(probe, "-A", "kube-probe/1.29", SHOP + "/healthz")
    curl(probe, "-A", "lb-check", "-I", SHOP + "/healthz")
    curl(phone, "-A", "ShopApp/4.2 (iOS 17.5)", "-X", "OPTIONS", "-H", "Origin: https://shop.example", SHOP + "/api/cart")
    curl(phone, "-A", "ShopApp/4.2 (iOS 17.5)", "--json", '{"item": 7, "count": 1}', SHOP + "/api/cart")
    curl(phone, "-A", "ShopApp/4.2 (iOS 17.5)", "-X", "PUT", "--json", '{"item": 7, "count": 2}', SHOP + "/api/cart/7")
    curl(phone, "-A", "ShopApp/4.2 (iOS 17.5)", "--json", '{"cart": 7}', SHOP + "/api/checkout")
    curl(phone, "-A", "ShopApp/4.2 (iOS 17.5)", "-X", "DELETE", SHOP + "/api/cart/7")
    curl(script, SHOP + "/old-shop")
    curl(script, "-T", str(photo), "-H", "Expect: 100-continue", SHOP + "/api/photos/42")
    curl(script, SHOP + "/api/export.csv")
    curl(script, SHOP + "/api/invoice.pdf?X-Amz-Credential=AKIAEXAMPLE&X-Amz-Signature=0123456789abcdef")
    curl(script, "-d", "user=admin&password=hunter2", SHOP + "/api/login")
    curl(
        customer,
        "-A",
        BROWSER,
        "-H",
        "Authorization: Bearer 0123456789",
        SHOP + "/api/orders/9",
        "-o",
        "/dev/null",
        SHOP + "/api/report",
    )
    asyncio.run(watch_prices())
    curl(script, "-X", "BREW", SHOP + "/api/items/418")


async def watch_prices() -> None:
    """A WebSocket."""
    url = "http://198.51.100.80/prices"
    async with aiohttp.ClientSession() as session, session.ws_connect(url, headers={"Host": "shop.example"}) as talk:
        await talk.send_str("subscribe 7")
        await talk.receive_str()


def main() -> None:
    """Make it."""
    if INSIDE not in os.environ:
        enter_namespace(__file__)
    for address in ("198.51.100.80", "192.0.2.10", "192.0.2.23", "10.0.0.5", "192.0.2.77"):
        subprocess.run(["ip", "addr", "add", address + "/32", "dev", "lo"], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up", "mtu", "1500"], check=True)
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(subprocess.Popen([sys.executable, str(HERE / "servers/shop.py")]))
        stack.callback(server.terminate)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        photo, capture = folder / "photo.jpg", folder / "demo.pcap"
        photo.write_bytes(b"\xff\xd8\xff\xe0" + bytes(12_000))
        time.sleep(2)
        with tcpdump(capture, ("-i", "lo")):
            visit(photo)
        DEMO.write_bytes(capture.read_bytes())
    print(f"{DEMO}: {DEMO.stat().st_size} bytes")  # noqa: T201


if __name__ == "__main__":
    main()

"""Events for the tests of the terminal view, and a view of them without a run."""

from collections.abc import Sequence

from pipeline.api import Event, Exchange
from pipeline.live.store import Store
from pipeline.live.summary import Summary
from pipeline.live.view import View
from pipeline.packets.store import PacketStore

SECOND = 1_000_000_000


def exchange(number: int, **fields: object) -> Exchange:
    """The request ``GET /items/NUMBER``, answered by 200 after so many milliseconds."""
    known: dict[str, object] = {
        "timestamp_ns": number * SECOND,
        "http_request_method": "GET",
        "url_scheme": "http",
        "url_path": f"/items/{number}",
        "httpipe_request_target": f"/items/{number}",
        "server_address": "shop.example",
        "server_port": 80,
        "client_address": "192.0.2.1",
        "client_port": 1000,
        "network_local_address": "198.51.100.1",
        "network_local_port": 80,
        "http_response_status_code": 200,
        "httpipe_duration_ms": float(number),
        "httpipe_ttfb_ms": number / 2,
    }
    return Exchange(**{**known, **fields})  # type: ignore[arg-type]


def store_of(*batches: Sequence[Event], keep: int = 1000) -> Store:
    """Filled with them."""
    store = Store(keep)
    for batch in batches:
        store.show(batch)
    return store


def view_of(store: Store, packets: PacketStore | None = None) -> View:
    """Of a run that goes on and says nothing of itself."""
    return View(
        title="test",
        store=store,
        summary=Summary(store, now=None),
        snapshot=lambda: None,
        attributes=dict,
        ended=lambda: False,
        packets=packets,
        without_packets="packets are not kept",
    )

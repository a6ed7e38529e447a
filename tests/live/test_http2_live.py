"""HTTP/2 of this host, by programs of others: sizes and messages are exact, though next to nothing of bodies is copied."""

import json
import sys
from collections import Counter
from pathlib import Path

import anyio
import pytest
from live_namespace import Namespace
from live_nginx import Serve
from live_recording import recording

from pipeline.sources.bpf.config import BpfConfig

MEGABYTE = 1_000_000
BODY = 5 * MEGABYTE
STREAMS = 40
GRPC = Path(__file__).with_name("live_grpc.py")
AT_ONCE = Path(__file__).with_name("live_at_once.py")


@pytest.mark.anyio
async def test_large_bodies_of_many_streams(namespace: Namespace, serve: Serve) -> None:
    """Forty interleaved answers of 5 MB over one connection: every size is exact, and a twentieth of it crosses the ring."""
    server = serve(namespace, ["127.0.0.1:80 http2"])
    server.file("large", BODY)
    windows = ["-w", "20", "-W", "24"]  # nginx 1.22 breaks off where the connection's window is used up
    command = ["h2load", "-n", str(STREAMS), "-m", str(STREAMS), *windows, "http://127.0.0.1/large"]
    async with recording(BpfConfig(loader="libbpf"), namespace) as taken:
        await anyio.run_process(namespace.command(*command))
        await taken.until(lambda taken: len(taken.exchanges) == STREAMS)
    assert {(each.http_response_body_size, each.httpipe_marks) for each in taken.exchanges} == {(BODY, ())}
    assert taken.counts["record_bytes"] < STREAMS * BODY / 20
    assert taken.counts["frames_lost"] == taken.counts["ring_full"] == taken.counts["decoder_skipped_bytes"] == 0


@pytest.mark.anyio
async def test_large_bodies_of_clients(namespace: Namespace, serve: Serve, tmp_path: Path) -> None:
    """The same the other way, from several connections at once."""
    serve(namespace, ["127.0.0.1:80 http2"])
    sent = tmp_path / "sent"
    sent.write_bytes(b"Lorem ipsum dolor sit amet.\n" * (BODY // 28))
    command = ["h2load", "-n", str(STREAMS), "-c", "4", "-m", "5", "-d", str(sent), "http://127.0.0.1/upload"]
    async with recording(BpfConfig(loader="libbpf"), namespace) as taken:
        await anyio.run_process(namespace.command(*command))
        await taken.until(lambda taken: sum(each.httpipe_stream_id is not None for each in taken.exchanges) == STREAMS)
    found = [each for each in taken.exchanges if each.httpipe_stream_id is not None]
    assert {(each.http_request_body_size, each.httpipe_marks) for each in found} == {(sent.stat().st_size, ())}
    assert taken.counts["record_bytes"] < STREAMS * BODY / 20


@pytest.mark.anyio
async def test_wanted_bodies_are_copied(namespace: Namespace, serve: Serve) -> None:
    """What a pipeline wants of each body is there, whatever frames it lies in."""
    server = serve(namespace, ["127.0.0.1:80 http2"])
    server.file("large", MEGABYTE)
    command = ["curl", "-sS", "--http2-prior-knowledge", "-o", "/dev/null", "http://127.0.0.1/large"]
    async with recording(BpfConfig(loader="libbpf"), namespace, body_bytes=40_000) as taken:
        await anyio.run_process(namespace.command(*command))
        await taken.until(lambda taken: len(taken.exchanges) == 1)
    sizes = [len(each.payload) for each in taken.segments]
    assert sum(sizes[:10]) > 40_000
    assert [each.http_response_body_size for each in taken.exchanges] == [MEGABYTE]


@pytest.mark.anyio
async def test_both_ends_begin_at_once(namespace: Namespace) -> None:
    """A server does not wait for the preface, so two processors may find a connection at once: it is one, and whole."""
    async with recording(BpfConfig(loader="libbpf"), namespace) as taken:
        done = await anyio.run_process(namespace.command(sys.executable, str(AT_ONCE)))
        connections = int(done.stdout)
        await taken.until(lambda taken: len(taken.exchanges) == connections)
    assert Counter(each.httpipe_marks for each in taken.exchanges) == {(): connections}
    assert taken.counts["connections"] == taken.counts["ended"] == connections
    assert not taken.counts["not_http"]


@pytest.mark.anyio
async def test_messages_of_grpc(namespace: Namespace) -> None:
    """Every message is counted with its size, of streams one by one and of twenty at once."""
    async with recording(BpfConfig(loader="libbpf"), namespace) as taken:
        done = await anyio.run_process(namespace.command(sys.executable, str(GRPC)))
        calls = json.loads(done.stdout)
        await taken.until(lambda taken: len(taken.exchanges) == len(calls))
    sent = Counter((name, len(asked), sum(asked), len(answered), sum(answered), 0, ()) for name, asked, answered in calls)
    found = Counter(
        (
            each.rpc_method,
            each.httpipe_rpc_request_messages,
            each.httpipe_rpc_request_message_bytes,
            each.httpipe_rpc_response_messages,
            each.httpipe_rpc_response_message_bytes,
            each.rpc_grpc_status_code,
            each.httpipe_marks,
        )
        for each in taken.exchanges
    )
    assert found == sent
    assert taken.counts["left_out_bytes"] > 30 * MEGABYTE
    assert taken.counts["ring_full"] == 0

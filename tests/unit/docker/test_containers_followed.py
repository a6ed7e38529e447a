"""The table follows the engine through what happens to its events. Real HTTP on a unix socket, to an engine of our own.

What a real engine tells, and that it is understood, stands in tests/containers.
"""

import os
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from pipeline.docker import follower as following
from pipeline.docker.container import Naming, container_of, image_of
from pipeline.docker.engine import server_at
from pipeline.docker.follower import Follower
from pipeline.following import requests
from pipeline.following.loop import BACKOFF_SECS
from tests.container_engine import ContainerEngine, container
from tests.followed import Followed, followed

pytestmark = pytest.mark.anyio

SHOP = container("aa" * 32, "shop-1", com__docker__compose__service="shop", team="blue", bulky="x" * 5000)
CART = container("bb" * 32, "cart-1", "cart@sha256:00")


class FollowedContainers(Followed):
    """Containers of an engine."""

    def __init__(self, socket: Path, most: int = 100) -> None:
        super().__init__(most)
        naming = Naming(("team", "bulky"), ("com.docker.compose.service",))
        self.follower = Follower(self.table, naming, self.context, partial(server_at, str(socket)), sleep=self.sleep)

    def names(self) -> set[object]:
        """Of the containers that are found."""
        return {found.attributes["container.name"] for found in self.table.containers.values()}


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[ContainerEngine]:
    """One with a container that runs."""
    async with ContainerEngine(tmp_path / "engine.sock") as made:
        made.containers[SHOP["Id"]] = SHOP
        yield made


async def test_those_that_run_and_those_that_start(engine: ContainerEngine) -> None:
    """From the list and from an event they get the same names; one that ended is found a while longer."""
    async with followed(FollowedContainers(engine.socket)) as it:
        await it.until(lambda: it.table.listed and engine.watched)
        listed = it.table.containers[SHOP["Id"]].attributes
        await engine.start(SHOP, CART)
        await it.until(lambda: len(it.table) == 2)
        assert it.table.containers[SHOP["Id"]].attributes is listed
        assert listed == {
            "container.name": "shop-1",
            "container.image.name": "registry.example:5000/shop/web",
            "container.image.tags": ("1.2",),
            "service.name": "shop",
            "container.label.team": "blue",
            "container.label.bulky": "x" * 1024,
        }
        assert it.table.containers[CART["Id"]].attributes == {"container.name": "cart-1", "container.image.name": "cart"}
        await engine.die(CART)
        await it.until(lambda: len(it.table) == 1)
        assert it.names() == {"shop-1", "cart-1"}
        assert (it.counts, it.complaints) == ({}, [])


async def test_a_new_name_is_taken_and_noise_is_not(engine: ContainerEngine) -> None:
    """A container that does not run is of no interest, whatever is done to it; nor is what the health check does."""
    async with followed(FollowedContainers(engine.socket)) as it:
        await it.until(lambda: engine.watched)
        await engine.happens("rename", container("cc" * 32, "created-only"))
        await engine.happens("exec_create: curl", CART)
        await engine.says('{"Type":"network","Action":"start","Actor":{"ID":"dd"}}')
        await engine.happens("rename", {**SHOP, "Names": ["/renamed"]})
        await it.until(lambda: it.names() == {"renamed"})
        assert len(it.table) == 1


async def test_when_events_end_all_is_listed_again(engine: ContainerEngine) -> None:
    """What ended meanwhile is gone, what began is known, and nothing is said about it."""
    async with followed(FollowedContainers(engine.socket)) as it:
        await it.until(lambda: engine.watched)
        engine.containers = {CART["Id"]: CART}
        await engine.break_off()
        await it.until(lambda: it.table.uids == {CART["Id"]} and engine.watched)
        assert (engine.lists, it.complaints) == (2, [])


async def test_silence_is_asked_again(engine: ContainerEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that was stopped hard says nothing; one that has nothing to say is no trouble."""
    monkeypatch.setattr(requests, "SILENCE_SECS", 0.1)
    async with followed(FollowedContainers(engine.socket)) as it:
        await it.until(lambda: engine.lists >= 3)
        assert (it.counts, it.complaints) == ({}, [])


async def test_an_engine_that_goes_and_comes(engine: ContainerEngine) -> None:
    """Said once, with the socket and the reason; counted; what was known stays known."""
    async with followed(FollowedContainers(engine.socket)) as it:
        await it.until(lambda: engine.watched)
        await engine.kill()
        await it.until(lambda: it.counts["unreachable"] >= 3)
        assert it.names() == {"shop-1"}
        await engine.listen()
        await it.until(lambda: engine.watched)
        await engine.start(CART)
        await it.until(lambda: it.names() == {"shop-1", "cart-1"})
        gone, well = it.complaints
        assert gone == f"cannot follow the containers: {engine.socket}: No such file or directory"
        assert well == ""


async def test_what_it_refuses_and_what_is_not_understood_is_trouble(engine: ContainerEngine) -> None:
    """In its words; a container that is not understood is counted, and the others are known."""
    engine.refuse = (500, "storage is\nbroken")
    async with followed(FollowedContainers(engine.socket)) as it:
        await it.until(lambda: it.complaints)
        assert it.complaints == ["cannot follow the containers: the container engine answers 500: storage is broken"]
        engine.refuse, engine.broken_list = None, b'{"not": "a list"}'
        await it.until(lambda: len(it.complaints) == 2)
        engine.broken_list = b'[{"Id": 3}, {"Id": "ee", "Names": ["/other/alias", "/e"]}]'
        await it.until(lambda: it.table.listed)
        assert it.names() == {"e"}
        assert it.counts["bad_containers"] == 1


async def test_an_engine_that_tells_no_events_is_trouble_until_it_does(engine: ContainerEngine) -> None:
    """As behind a proxy that lets only the list through: said once, asked more and more seldom; what runs is known meanwhile."""
    engine.refuse_events = True
    async with followed(FollowedContainers(engine.socket)) as it:
        await it.until(lambda: it.counts["unreachable"] >= 20)
        assert it.names() == {"shop-1"}
        assert it.complaints == ["cannot follow the containers: the container engine answers 403: forbidden"]
        assert max(it.slept) > 2 * BACKOFF_SECS[0]
        engine.refuse_events = False
        await it.until(lambda: engine.watched and len(it.complaints) == 2)
        assert it.complaints[-1] == ""


@pytest.mark.parametrize("line", ["{", '{"Type": "\udcff"}', '{"Type": ' + "[" * 100_000, '{"Actor": {"ID": 3}}'])
async def test_an_event_that_is_not_understood_has_all_listed_again(engine: ContainerEngine, line: str) -> None:
    """What it may have been about is on the list; nothing ends, and nothing is said about it."""
    async with followed(FollowedContainers(engine.socket)) as it:
        await it.until(lambda: engine.watched)
        engine.containers = {CART["Id"]: CART}
        await engine.says(line)
        await it.until(lambda: it.table.uids == {CART["Id"]} and engine.watched)
        assert (it.counts, it.complaints) == ({"watches_broken": 1}, [])


async def test_a_list_is_read_whatever_it_holds(engine: ContainerEngine) -> None:
    """One without end is trouble; a name that is no text is a container's own."""
    engine.broken_list = b"[" * 100_000
    async with followed(FollowedContainers(engine.socket)) as it:
        await it.until(lambda: it.complaints)
        engine.broken_list = b'[{"Id": "\xff"}, {"Id": "ee", "Names": ["/e"]}]'
        await it.until(lambda: it.names() == {"e"})
        assert it.counts["bad_containers"] == 1


async def test_no_more_than_there_is_room_for(engine: ContainerEngine) -> None:
    """The rest is counted."""
    async with followed(FollowedContainers(engine.socket, most=1)) as it:
        await it.until(lambda: engine.watched)
        await engine.start(CART)
        await it.until(lambda: it.counts["table_full"] == 1)
        assert it.names() == {"shop-1"}


@pytest.mark.skipif(os.geteuid() != 0, reason="gives up root for a moment")
async def test_a_socket_that_may_not_be_read_has_a_remedy(engine: ContainerEngine) -> None:
    """Most often somebody is not in the group that may."""
    engine.socket.chmod(0o600)
    for folder in (engine.socket.parent, engine.socket.parent.parent, engine.socket.parent.parent.parent):
        folder.chmod(0o755)
    os.seteuid(65534)
    try:
        async with followed(FollowedContainers(engine.socket)) as it:
            await it.until(lambda: it.complaints)
    finally:
        os.seteuid(0)
    assert it.complaints == [f"cannot follow the containers: {engine.socket}: Permission denied; {following.REMEDY}"]


async def test_the_usual_sockets_are_looked_for(tmp_path: Path, engine: ContainerEngine) -> None:
    """In order; and it is said where nobody listens."""
    assert server_at(None, (str(tmp_path / "none"), str(engine.socket))).address == str(engine.socket)
    with pytest.raises(following.NoEngineError, match=r"looked at /a, /b\); name its socket under socket"):
        server_at(None, ("/a", "/b"))


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("nginx", ("nginx", "")),
        ("nginx:1.25", ("nginx", "1.25")),
        ("localhost:5000/a/b", ("localhost:5000/a/b", "")),
        ("localhost:5000/a/b:v1@sha256:00ff", ("localhost:5000/a/b", "v1")),
        ("a@sha256:00ff", ("a", "")),
        ("sha256:" + "0" * 64, ("", "")),
        ("0123456789ab", ("", "")),
        ("", ("", "")),
    ],
)
async def test_names_of_images(reference: str, expected: tuple[str, str]) -> None:
    """A host's port is no tag, and an id is no name."""
    assert image_of(reference) == expected


async def test_a_service_has_the_first_label_that_is_there() -> None:
    """An empty one says nothing; without any there is no name, for those that engines make up are not of a service."""
    naming = Naming((), ("a", "b", "c"))
    said = [container_of("1", "happy_curie", "i", labels, naming).attributes for labels in ({"a": "", "c": "z", "b": "y"}, {})]
    assert [each.get("service.name") for each in said] == ["y", None]

"""The table follows the API server through everything that happens to a watch. Real HTTP, to a server of our own."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.following import requests
from pipeline.kubernetes import follower as following
from tests.followed import FollowedPods, followed
from tests.kube_api import KubeApi, pod

pytestmark = pytest.mark.anyio


async def test_it_lists_page_by_page_and_then_takes_what_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the list, those that come, change and go."""
    monkeypatch.setattr(following, "PAGE_PODS", 7)
    async with KubeApi() as api:
        await api.put(*(pod(f"p{number}", f"10.0.0.{number}") for number in range(30)))
        async with followed(FollowedPods(api.kubeconfig(), tmp_path)) as it:
            await it.until(lambda: len(it.table) == 30 and api.watching)
            assert len([each for each in api.requests if "continue" in each]) == 4
            await api.put(pod("new", "10.0.1.1"), pod("p3", "10.0.1.3"))
            await api.delete(pod("p4", "10.0.0.4"))
            await it.until(lambda: len(it.table) == 30 and "10.0.1.3" in it.table.addresses)
            assert "new" in it.names
            assert it.complaints == []


async def test_it_asks_for_one_node_only(tmp_path: Path) -> None:
    """Hosts of a large cluster must not hold all of it, and the server answers from memory."""
    async with KubeApi() as api:
        await api.put(pod("here", "10.0.0.1"), pod("there", "10.0.0.2", node="node-2"))
        async with followed(FollowedPods(api.kubeconfig(), tmp_path, "node-1")) as it:
            await it.until(lambda: it.table.listed and api.watching)
            await api.put(pod("later", "10.0.0.3"), pod("elsewhere", "10.0.0.4", node="node-2"))
            await it.until(lambda: "later" in it.names)
            assert it.names == {"here", "later"}
            assert api.requests[0]["resourceVersion"] == "0"
            assert {each["fieldSelector"] for each in api.requests} == {"spec.nodeName=node-1"}


async def test_a_watch_that_ends_goes_on_where_it_was(tmp_path: Path) -> None:
    """Nothing is listed again, and bookmarks count: without them the next watch would be too old."""
    async with KubeApi() as api:
        await api.put(pod("a", "10.0.0.1"))
        async with followed(FollowedPods(api.kubeconfig(), tmp_path)) as it:
            await it.until(lambda: api.watching)
            await api.bookmark()
            await it.until(lambda: it.follower._version == str(api.version))
            await api.forget()
            await api.end_watches()
            await it.until(lambda: len([each for each in api.requests if "watch" in each]) == 2 and api.watching)
            await api.put(pod("b", "10.0.0.2"))
            await it.until(lambda: "b" in it.names)
            assert len([each for each in api.requests if "watch" not in each]) == 1
            assert it.counts == {}


@pytest.mark.parametrize("told", ["by the status", "by a line"])
async def test_what_the_server_has_forgotten_is_listed_again(tmp_path: Path, told: str) -> None:
    """410 Gone; what went meanwhile is gone from the table, too."""
    gone = pod("gone", "10.0.0.1")
    async with KubeApi() as api:
        await api.put(gone, pod("stays", "10.0.0.2"))
        async with followed(FollowedPods(api.kubeconfig(), tmp_path)) as it:
            await it.until(lambda: api.watching)
            api.silent = True
            await api.delete(gone)
            await api.put(pod("new", "10.0.0.3"))
            await api.forget()
            api.silent = False
            status = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}
            await api.end_watches({"type": "ERROR", "object": status} if told == "by a line" else None)
            await it.until(lambda: "new" in it.names)
            assert len(it.table) == 2
            assert it.counts["listed_again"] == 1
            assert it.complaints == []


async def test_a_list_that_expires_between_its_pages_begins_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a list is none: the table must not lose what stood on the other half."""
    monkeypatch.setattr(following, "PAGE_PODS", 2)
    async with KubeApi() as api:
        await api.put(*(pod(f"p{number}", f"10.0.0.{number}") for number in range(6)))
        api.delay_secs = 0.05
        async with followed(FollowedPods(api.kubeconfig(), tmp_path)) as it:
            await it.until(lambda: len(api.requests) == 2)
            await api.bookmark()
            await api.forget()
            await it.until(lambda: it.table.listed)
            assert len(it.table) == 6
            assert it.counts["listed_again"] == 1


async def test_a_server_that_is_killed_is_followed_again_when_it_is_back(tmp_path: Path) -> None:
    """Meanwhile the table stays, and it says so once."""
    async with KubeApi() as api:
        await api.put(pod("a", "10.0.0.1"))
        async with followed(FollowedPods(api.kubeconfig(), tmp_path)) as it:
            await it.until(lambda: api.watching)
            await api.kill()
            await it.until(lambda: "cannot follow the cluster's pods" in it.trouble and "refused" in it.trouble)
            assert it.names == {"a"}
            await api.start()
            await it.until(lambda: it.trouble == "")
            await api.put(pod("b", "10.0.0.2"))
            await it.until(lambda: "b" in it.names)
            assert it.counts["watches_broken"] >= 1


async def test_a_line_that_is_torn_is_no_change(tmp_path: Path) -> None:
    """The watch breaks in the middle of it; what it said comes with the next one."""
    async with KubeApi() as api:
        await api.put(pod("a", "10.0.0.1"))
        async with followed(FollowedPods(api.kubeconfig(), tmp_path)) as it:
            await it.until(lambda: api.watching)
            await api.end_watches({"type": "ADDED", "object": pod("torn", "10.0.0.9")}, torn=True)
            await it.until(lambda: it.counts["watches_broken"] == 1 and api.watching)
            await api.put(pod("b", "10.0.0.2"))
            await it.until(lambda: "b" in it.names)
            assert it.names == {"a", "b"}


async def test_silence_ends_a_watch_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other end may be gone without a word; then nothing but a new request tells."""
    monkeypatch.setattr(requests, "SILENCE_SECS", 0.2)
    async with KubeApi() as api:
        await api.put(pod("a", "10.0.0.1"))
        async with followed(FollowedPods(api.kubeconfig(), tmp_path)) as it:
            await it.until(lambda: len([each for each in api.requests if "watch" in each]) >= 3)
            assert it.complaints == []
            await api.put(pod("b", "10.0.0.2"))
            await it.until(lambda: "b" in it.names)


async def test_a_server_that_never_answers_is_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its silence is no quiet cluster."""
    monkeypatch.setattr(requests, "TIMEOUT_SECS", 0.1)
    async with KubeApi() as api:
        api.delay_secs = 60
        async with followed(FollowedPods(api.kubeconfig(), tmp_path)) as it:
            await it.until(lambda: "does not answer in time" in it.trouble)


async def test_a_refusal_is_said_in_the_servers_words_with_what_to_do(tmp_path: Path) -> None:
    """And it is asked again: rights may be given while it runs, and a token is read anew each time."""
    async with KubeApi("right") as api:
        await api.put(pod("a", "10.0.0.1"))
        async with followed(FollowedPods(api.kubeconfig(), tmp_path)) as it:
            it.config.write_text(api.kubeconfig().replace("right", "wrong"))
            await it.until(lambda: "401: Unauthorized; the service account needs get, list and watch" in it.trouble)
            it.config.write_text(api.kubeconfig())
            await it.until(lambda: "a" in it.names)
            assert it.trouble == ""
            api.refuse = (403, 'pods is forbidden: User "x" cannot watch resource "pods"')
            await api.end_watches()
            await it.until(lambda: 'User "x" cannot watch' in it.trouble)


async def test_what_is_no_pod_is_counted_and_left_out(tmp_path: Path) -> None:
    """One odd object must not keep the others from being known."""
    odd = pod("odd", "10.0.0.2")
    odd["metadata"]["labels"] = "none"
    async with KubeApi() as api:
        await api.put(pod("a", "10.0.0.1"), odd)
        async with followed(FollowedPods(api.kubeconfig(), tmp_path)) as it:
            await it.until(lambda: api.watching)
            await api.put(odd, pod("b", "10.0.0.3"))
            await it.until(lambda: it.names == {"a", "b"})
            assert it.counts["bad_pods"] == 2


async def test_a_token_that_fits_into_no_header_is_trouble_and_not_shown(tmp_path: Path) -> None:
    """The file is read again for each request, so it may be put right while it runs."""
    async with KubeApi("right") as api:
        await api.put(pod("a", "10.0.0.1"))
        async with followed(FollowedPods(api.kubeconfig().replace("right", "SEC RET"), tmp_path)) as it:
            await it.until(lambda: "its token cannot be read" in it.trouble)
            assert "SEC" not in "".join(it.complaints)
            it.config.write_text(api.kubeconfig().replace("right", "right\\n"))
            await it.until(lambda: "a" in it.names)


async def test_the_servers_words_are_cut(tmp_path: Path) -> None:
    """By whichever way they come: a message is one line that a terminal shows whole."""
    long = "no\n" * 10_000
    async with KubeApi() as api:
        await api.put(pod("a", "10.0.0.1"))
        async with followed(FollowedPods(api.kubeconfig(), tmp_path)) as it:
            await it.until(lambda: api.watching)
            await api.end_watches({"type": "ERROR", "object": {"kind": "Status", "code": 500, "message": long}})
            await it.until(lambda: "answers 500: no no" in "".join(it.complaints))
            api.refuse = (503, long)
            await api.end_watches()
            await it.until(lambda: "answers 503: no no" in it.trouble)
            assert max(map(len, it.complaints)) < 300
            assert "\n" not in "".join(it.complaints)


async def test_pods_are_known_while_others_are_still_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list of a large cluster is nowhere whole."""
    monkeypatch.setattr(following, "PAGE_PODS", 2)
    async with KubeApi() as api:
        await api.put(*(pod(f"p{number}", f"10.0.0.{number}") for number in range(6)))
        async with followed(FollowedPods(api.kubeconfig(), tmp_path)) as it:
            seen = []
            answer = api._list

            async def noted(*arguments: Any) -> None:
                seen.append(len(it.table))
                await answer(*arguments)

            monkeypatch.setattr(api, "_list", noted)
            await it.until(lambda: it.table.listed)
            assert (seen, len(it.table)) == ([0, 2, 4], 6)


@pytest.mark.parametrize("line", [b"{", b'{"type": "\xff"}', b'{"type": "ADDED", "object": ' + b"[" * 100_000])
async def test_a_line_that_cannot_be_read_is_trouble(tmp_path: Path, line: bytes) -> None:
    """And no end: the watch is begun again from where it was."""
    async with KubeApi() as api:
        await api.put(pod("a", "10.0.0.1"))
        async with followed(FollowedPods(api.kubeconfig(), tmp_path)) as it:
            await it.until(lambda: api.watching)
            await api.end_watches(line)
            await it.until(lambda: it.counts["unreachable"] == 1 and api.watching)
            await api.put(pod("b", "10.0.0.2"))
            await it.until(lambda: it.names == {"a", "b"})

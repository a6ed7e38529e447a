"""`[ui]` of a pipeline file: what it takes, and what is said of what it does not."""

import socket
import sys

import pytest

from pipeline.cli.loading import read_table
from pipeline.config.document import parse
from pipeline.config.options import UiOptions
from pipeline.errors import ConfigError
from pipeline.live.store import Store
from pipeline.live.summary import Summary
from pipeline.live.view import View
from pipeline.plugins.discovery import discover
from pipeline.plugins.registry import Registry, TrustNothing
from pipeline.runtime.differences import hindrances
from pipeline.topology.build import build
from pipeline.topology.plan import Plan
from pipeline.ui.server import UiServer, check_installed

NO_NAME = 'is not an address or a name of this host, such as "127.0.0.1" or "::1"'
REST = '[sources.a]\ntype = "pcap"\npath = "a.pcap"\n[sinks.b]\ntype = "null"\ninputs = ["a"]\n'


def plan(page: str) -> Plan:
    """Of a file with this table."""
    return build(parse(f"{page}\n{REST}".encode(), "p.toml", {}), Registry(discover(), TrustNothing()), read_table)


def server(**options: object) -> UiServer:
    """One that shows nothing."""
    store = Store()
    view = View("", store, Summary(store), lambda: None, dict, lambda: False)
    return UiServer(view, UiOptions.model_validate(options))


def test_an_empty_table_is_a_page_and_none_is_none() -> None:
    """On loopback, on a port that is free, without heads."""
    assert plan("").ui is None
    page = plan("[ui]")
    assert page.ui == UiOptions()
    assert UiOptions().listen == "127.0.0.1"
    assert not page.sources["a"].keep_heads
    assert plan("[ui]\nheads = true").sources["a"].keep_heads


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("port = 99999", "ui.port: 99999 is not at most 65535"),
        ("keep = 1", "ui.keep: 1 is not at least 100"),
        ("prot = 1", 'ui.prot: unknown option; did you mean "port"?'),
        (
            'listen = "127.0.0.1:80"',
            f'ui.listen: "127.0.0.1:80" {NO_NAME}',
        ),
        ('listen = "http://x/"', f'ui.listen: "http://x/" {NO_NAME}'),
        ('token = "secret"', "ui.token: the value has fewer than 16 characters"),
    ],
)
def test_what_is_wrong_is_said(line: str, said: str) -> None:
    """With the option in front; a token is never shown."""
    with pytest.raises(ConfigError) as caught:
        plan(f"[ui]\n{line}")
    assert [str(problem) for problem in caught.value.problems] == [said]


def test_a_reload_cannot_change_it() -> None:
    """Open pages would lose their server."""
    problems = hindrances(plan("[ui]"), plan("[ui]\nport = 1234"), privileges_dropped=False)
    assert [str(problem) for problem in problems] == ["ui: cannot change while httpipe runs; restart it"]


def test_a_port_that_is_taken_is_told_with_its_option() -> None:
    """An address that is not ours, too."""
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ConfigError) as caught:
        server(port=taken.getsockname()[1])
    assert str(caught.value.problems[0]).startswith("ui.port: cannot listen on 127.0.0.1, port ")
    with pytest.raises(ConfigError) as caught:
        server(listen="192.0.2.1")
    assert str(caught.value.problems[0]).startswith("ui.listen: cannot listen on 192.0.2.1: ")


def test_the_link_has_the_token_unless_the_user_chose_it() -> None:
    """A new one each time, of 256 bits."""
    first, second = server(), server()
    assert first.link.endswith(f"/#token={first.token}")
    assert len(first.token) == 43
    assert first.token != second.token
    own = server(token="a-token-of-my-own", listen="::1")  # noqa: S106  of a test
    assert own.link.startswith("http://[::1]:")
    assert "token" not in own.link
    for each in (first, second, own):
        each.close()


def test_what_is_not_installed_is_told_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is opened."""
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(ConfigError, match=r"pip install 'httpipe\[ui\]'"):
        check_installed()

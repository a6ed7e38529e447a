"""The transform `user_agent` on exchanges of our own making."""

import pytest
from httpipe_user_agent import LONGEST, UserAgent, UserAgentConfig, meaning

from httpipe import DEFAULT, Context, Event, Exchange
from httpipe.testing import check_contract, odd_events, transform_contract

CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"
PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.4.1 Mobile/15E148 Safari/604.1"
)
ROBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


def make(*, keep_original: bool = True) -> UserAgent:
    """The transform, as the engine makes it."""
    return UserAgent(UserAgentConfig(keep_original=keep_original), Context("named"))


TestContract = transform_contract(make)


def exchange(user_agent: str | None) -> Exchange:
    """An exchange with this field."""
    return Exchange(timestamp_ns=1, user_agent_original=user_agent, attributes={"team": "shop"})


@pytest.mark.parametrize(
    ("text", "name", "version", "system", "system_version"),
    [
        (CHROME, "Chrome", "120.0.0.0", "Windows", "10"),
        (PHONE, "Mobile Safari", "17.4.1", "iOS", "17.4"),
        ("curl/8.5.0", "curl", "8.5.0", None, None),
    ],
)
def test_a_known_program_is_named(text: str, name: str, version: str, system: str | None, system_version: str | None) -> None:
    """With its system, where the field says so; what it does not say is absent."""
    [event] = make().process([exchange(text)])[DEFAULT]
    expected = {"name": name, "version": version, "os.name": system, "os.version": system_version}
    assert event.attributes == {"team": "shop"} | {f"user_agent.{key}": value for key, value in expected.items() if value}


def test_a_robot_that_says_so_is_called_one() -> None:
    """By OpenTelemetry's word for it."""
    [event] = make().process([exchange(ROBOT)])[DEFAULT]
    assert event.attributes["user_agent.name"] == "Googlebot"
    assert event.attributes["user_agent.synthetic.type"] == "bot"


@pytest.mark.parametrize("text", ["", "\x00", "\udc80\udcff", "(" * 100_000, "Mozilla/5.0 " * 10_000])
def test_nonsense_means_nothing(text: str) -> None:
    """And takes no time to speak of."""
    [event] = make().process([exchange(text)])[DEFAULT]
    assert event.attributes == {"team": "shop"}


def test_no_more_is_remembered_than_was_said() -> None:
    """Neither the text behind the limit nor more texts than the table holds."""
    cut = make().process([exchange(CHROME.ljust(LONGEST) + str(number)) for number in range(100)])[DEFAULT]
    assert {event.attributes["user_agent.name"] for event in cut} == {"Chrome"}
    meaning.cache_clear()
    make().process([exchange(CHROME.ljust(LONGEST) + str(number)) for number in range(100)])
    assert meaning.cache_info().currsize <= 2
    assert meaning.cache_info().maxsize is not None


def test_the_original_can_be_removed() -> None:
    """The event that came in keeps it: others may look at it."""
    given = exchange(CHROME)
    [event] = make(keep_original=False).process([given])[DEFAULT]
    assert isinstance(event, Exchange)
    assert event.user_agent_original is None
    assert event.attributes["user_agent.name"] == "Chrome"
    assert given.user_agent_original == CHROME


def test_it_declares_what_it_adds_and_keeps_the_order() -> None:
    """So that `httpipe validate` knows it downstream."""
    events: list[Event] = [exchange(CHROME), exchange(None), Event(timestamp_ns=2), exchange(ROBOT), exchange(PHONE)]
    given = check_contract(make, [events, [], odd_events()])[DEFAULT]
    assert [type(event) for event in given[: len(events)]] == [type(event) for event in events]
    assert given[1] is events[1]
    assert len(given) == len(events) + len(odd_events())

"""Redaction: what is secret is gone from every place it stands in, whatever the other side wrote around it."""

import json
from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.api import ConfigError
from pipeline.testing.transforms import Driven, exchange
from pipeline.transforms.addresses import Pseudonyms
from pipeline.transforms.json_paths import parse_path
from pipeline.transforms.redact import Redact
from pipeline.transforms.secrets import is_card_number

KEY = "0123456789abcdef"
SECRET = "s3cr3t"  # noqa: S105  a word to look for


def test_named_headers_and_parameters_are_masked_everywhere() -> None:
    """Query and target both; names without regard to case or percent-encoding; the raw heads go."""
    event = Driven(Redact, {"headers": ["Authorization"], "query": ["token"]}).one(
        exchange(
            url_query=f"a=1&TOKEN={SECRET}&%74oken={SECRET}&token&b=2",
            httpipe_request_target=f"/x?token={SECRET}#token=kept",
            http_request_headers={"authorization": (f"Bearer {SECRET}", SECRET), "accept": ("*/*",)},
            http_response_headers={"authorization": (SECRET,)},
            request_head=SECRET.encode(),
            response_head=SECRET.encode(),
        )
    )
    assert event.url_query == "a=1&TOKEN=REDACTED&%74oken=REDACTED&token&b=2"
    assert event.httpipe_request_target == "/x?token=REDACTED#token=kept"
    assert dict(event.http_request_headers) == {"authorization": ("REDACTED", "REDACTED"), "accept": ("*/*",)}
    assert SECRET not in repr(event)


def test_remove_leaves_nothing() -> None:
    """Header, parameter and key are gone with their values."""
    options = {"headers": ["cookie"], "query": ["t"], "json_paths": ["a.b"], "patterns": ["email"], "action": "remove"}
    event = Driven(Redact, options).one(
        exchange(
            url_query="t=1&x=me@example.org",
            http_request_headers={"cookie": ("c",)},
            http_request_body_content='{"a": {"b": 1, "c": 2}}',
        )
    )
    assert (event.url_query, dict(event.http_request_headers), event.http_request_body_content) == ("x=", {}, '{"a":{"c":2}}')


def test_hash_keeps_equal_values_equal() -> None:
    """Without the key nobody can tell which value it was; equal values stay equal, others differ."""
    driven = Driven(Redact, {"query": ["id"], "action": "hash", "key": KEY})
    first, second, third = driven.run(*[exchange(url_query=f"id={value}") for value in ("alice", "alice", "bob")])
    assert first.url_query == second.url_query != third.url_query
    assert "alice" not in repr(first)
    other = Driven(Redact, {"query": ["id"], "action": "hash", "key": KEY[::-1]}).one(exchange(url_query="id=alice"))
    assert other.url_query != first.url_query


@pytest.mark.parametrize(
    ("path", "body", "redacted"),
    [
        ("user.password", {"user": {"password": SECRET, "name": "n"}}, {"user": {"password": "REDACTED", "name": "n"}}),
        ("cards[*].number", {"cards": [{"number": SECRET}, {"number": {"x": SECRET}}]}, {"cards": [{"number": "REDACTED"}] * 2}),
        (
            "**.token",
            [{"a": {"b": [{"Token": SECRET}]}, "token": SECRET}],
            [{"a": {"b": [{"Token": "REDACTED"}]}, "token": "REDACTED"}],
        ),
        ("*.pin", {"a": {"pin": SECRET}, "pin": "kept"}, {"a": {"pin": "REDACTED"}, "pin": "kept"}),
        (
            "$.a.**.c",
            {"a": {"c": SECRET, "b": {"c": SECRET}}, "c": "kept"},
            {"a": {"c": "REDACTED", "b": {"c": "REDACTED"}}, "c": "kept"},
        ),
        ("a.*", {"a": {"x": SECRET, "y": [SECRET]}}, {"a": {"x": "REDACTED", "y": "REDACTED"}}),
    ],
)
def test_json_paths(path: str, body: object, redacted: object) -> None:
    """Objects, arrays and any depth."""
    event = Driven(Redact, {"json_paths": [path]}).one(exchange(http_response_body_content=f"  {json.dumps(body)}"))
    assert json.loads(event.http_response_body_content or "") == redacted


@pytest.mark.parametrize(
    "body",
    [
        f'{{"password": "{SECRET}", "passw',
        f'{{"password": "{SECRET}"}} trailing',
        f'{{"p\\u0061ssword": "{SECRET}", "x": \\ }}',
        '{"password": ' + "[" * 10_000 + f'"{SECRET}"' + "]" * 10_000 + "}",
        f'{{"password": "{SECRET}", "x": "\ud800"}}',
    ],
)
def test_body_that_cannot_be_looked_into_is_taken_away(body: str) -> None:
    """Cut, broken, too deep or no text: where a named value may stand, the whole body goes, and is counted."""
    driven = Driven(Redact, {"json_paths": ["password"]})
    event = driven.one(exchange(http_request_body_content=body))
    assert event.http_request_body_content == "REDACTED"
    assert driven.counts["unreadable_bodies"] == 1


def test_keys_that_stand_twice_or_are_escaped_hide_nothing() -> None:
    """What a parser shows only once, or spelt with escapes, is not left in the text."""
    driven = Driven(Redact, {"json_paths": ["user.password"]})
    for body in (f'{{"user": {{"password": "{SECRET}"}}, "user": {{}}}}', f'{{"us\\u0065r": {{"p\\u0061ssword": "{SECRET}"}}}}'):
        assert SECRET not in (driven.one(exchange(http_request_body_content=body)).http_request_body_content or "")


def test_bodies_that_do_not_concern_stay_as_they_are() -> None:
    """No JSON, binary, or without the name: byte for byte the same event."""
    driven = Driven(Redact, {"json_paths": ["password"]})
    for event in (
        exchange(http_request_body_content="<html>password</html>"),
        exchange(http_request_body_content='{"a":  1.10}'),
        exchange(http_request_body_content='{"password":1}', httpipe_request_body_encoding="base64"),
    ):
        assert driven.one(event) is event
    assert not driven.counts


PATTERNS = ["card_number", "bearer_token", "jwt", "api_key", "email"]


@pytest.mark.parametrize(
    "secret",
    [
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "378282246310005",
        "Bearer abcDEF123456",
        "basic%20dXNlcjpwYXNz",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-_",
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_0123456789abcdefghij",
        "sk_live_0123456789abcdef",
        "me.too+x@mail.example.org",
        "me%40example.org",
    ],
)
def test_patterns_find_secrets_in_every_text(secret: str) -> None:
    """Paths, queries, headers, bodies and attributes."""
    event = Driven(Redact, {"patterns": PATTERNS}).one(
        exchange(
            url_path=f"/a/{secret}/b",
            url_query=f"q={secret}",
            httpipe_request_target=f"/a?q={secret}",
            user_agent_original=f"agent ({secret})",
            http_request_headers={"x": ("é", f"«{secret}»")},
            http_response_body_content=f"<b>{secret}</b>",
            attributes={"a": secret, "b": (secret, "kept"), "c": 4111111111111111},
        )
    )
    assert secret not in repr(event)
    assert event.url_path in ("/a/REDACTED/b", "/a/REDACTED")  # a slash is part of a token (RFC 6750)
    assert event.http_request_headers["x"] == ("é", "«REDACTED»")
    assert event.attributes == {"a": "REDACTED", "b": ("REDACTED", "kept"), "c": 4111111111111111}


@pytest.mark.parametrize(
    "text", ["4111111111111112", "/users/1234567890123", "v1.2.3@", "eyJ", "bearer", "AKIA", "2026-01-01T00:00:00.000000000Z"]
)
def test_patterns_leave_the_rest(text: str) -> None:
    """Numbers without the check digit, versions, timestamps."""
    event = exchange(url_path=text)
    assert Driven(Redact, {"patterns": PATTERNS}).one(event) is event


def test_own_patterns() -> None:
    """RE2 syntax, anchored to a text's own ends."""
    driven = Driven(Redact, {"regexes": ["^/secret/.*$", "tenant-[0-9]+"]})
    event = driven.one(exchange(url_path="/secret/x", url_query="t=tenant-7&x=/secret/"))
    assert (event.url_path, event.url_query) == ("REDACTED", "t=REDACTED&x=/secret/")


def test_luhn() -> None:
    """The check digit decides."""
    assert is_card_number("4242 4242 4242 4242")
    assert not is_card_number("4242 4242 4242 4241")


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"action": "hash", "query": ["a"], "key": "short"}, "key"),
        ({}, ""),
        ({"addresses": "pseudonym"}, "key"),
        ({"json_paths": ["a..b"]}, "json_paths.0"),
        ({"json_paths": ["**"]}, "json_paths.0"),
        ({"regexes": ["("]}, "regexes"),
        ({"regexes": [r"\Aa"]}, "regexes.0"),
    ],
)
def test_faulty_options(options: dict[str, object], path: str) -> None:
    """Each is told under its path."""
    with pytest.raises(ConfigError) as caught:
        Driven(Redact, options)
    assert path in [problem.path for problem in caught.value.problems]


ENDS = {
    "client_address": "10.1.2.3",
    "network_local_address": "10.1.2.77",
    "server_address": "10.1.2.77",
    "httpipe_connection": "10.1.2.3:40000-10.1.2.77:80-17",
}


@pytest.mark.parametrize("way", ["pseudonym", "prefix_preserving"])
def test_addresses_become_others_wherever_they_stand(way: str) -> None:
    """One pseudonym for each address in fields, connection, target, headers and attributes; what only looks like one stays."""
    event = Driven(Redact, {"addresses": way, "key": KEY}).one(
        exchange(
            **ENDS,
            url_path="/1.2.3.4/x",
            httpipe_request_target="http://10.1.2.77:80/x",
            http_request_headers={
                "x-forwarded-for": ("10.1.2.3, 2001:db8::7",),
                "forwarded": ('for="[2001:db8::7]:4711"',),
                "host": ("10.1.2.77:80",),
                "user-agent": ("Chrome/120.0.0.0",),
            },
            attributes={"peer": "10.1.2.3", "note": "from 10.1.2.3", "n": 7},
        )
    )
    client, server = event.client_address, event.network_local_address
    assert len({client, server, "10.1.2.3", "10.1.2.77"}) == 4
    assert event.server_address == server
    assert event.httpipe_connection == f"{client}:40000-{server}:80-17"
    assert event.httpipe_request_target == f"http://{server}:80/x"
    first, second = event.http_request_headers["x-forwarded-for"][0].split(", ")
    assert first == client
    assert event.http_request_headers["forwarded"] == (f'for="[{second}]:4711"',)
    assert ip_address(second).version == 6
    assert event.http_request_headers["host"] == (f"{server}:80",)
    assert event.http_request_headers["user-agent"] == ("Chrome/120.0.0.0",)
    assert event.url_path == "/1.2.3.4/x"
    assert event.attributes == {"peer": client, "note": "from 10.1.2.3", "n": 7}


def test_other_spellings_of_an_address_are_the_same_address() -> None:
    """Mapped into IPv6, at the end of a sentence, within a longer host name."""
    pseudonyms = Pseudonyms("pseudonym", KEY)
    other = pseudonyms.of("10.1.2.3")
    for text in ("::ffff:10.1.2.3", "::ffff:a01:203"):
        assert pseudonyms.of(text) == f"::ffff:{other}"
    assert pseudonyms.within("10.1.2.3. 10.1.2.3:80 http://10.1.2.3.nip.io/") == f"{other}. {other}:80 http://{other}.nip.io/"


def test_addresses_of_ipv6_connections_and_names() -> None:
    """Brackets and ports stay, and so do names."""
    event = Driven(Redact, {"addresses": "pseudonym", "key": KEY}).one(
        exchange(client_address="::1", server_address="shop.example", httpipe_connection="[::1]:5-[2001:db8::1]:80")
    )
    assert event.server_address == "shop.example"
    assert (event.httpipe_connection or "").startswith(f"[{event.client_address}]:5-[")
    assert "2001:db8" not in repr(event)


@given(st.sets(st.integers(0, (1 << 32) - 1), min_size=2, max_size=20), st.sampled_from([4, 6]))
def test_pseudonyms_keep_addresses_apart(numbers: set[int], version: int) -> None:
    """One-to-one in both ways; and in the one, exactly as many first bits are common as were before."""
    make = IPv4Address if version == 4 else IPv6Address
    before = [str(make(number << (96 if version == 6 else 0))) for number in sorted(numbers)]
    for way in ("pseudonym", "prefix_preserving"):
        assert len({Pseudonyms(way, KEY).of(text) for text in before}) == len(before)  # type: ignore[arg-type]
    bits = 32 if version == 4 else 128
    pseudonyms = Pseudonyms("prefix_preserving", KEY)
    for one, other in pairwise(before):
        differ = int(ip_address(one)) ^ int(ip_address(other))
        differ_after = int(ip_address(pseudonyms.of(one))) ^ int(ip_address(pseudonyms.of(other)))
        assert bits - differ.bit_length() == bits - differ_after.bit_length()


def test_pseudonyms_depend_on_the_key_and_on_nothing_else() -> None:
    """The same tomorrow and on another host: these were made once."""
    assert Pseudonyms("pseudonym", KEY).of("192.0.2.1") == "58.94.148.151"
    assert Pseudonyms("prefix_preserving", KEY).of("2001:db8::1") == "b5d2:c094:f8d9:5f3e:d649:cc9e:771e:94c3"
    assert Pseudonyms("pseudonym", KEY[::-1]).of("192.0.2.1") != Pseudonyms("pseudonym", KEY).of("192.0.2.1")


def test_paths() -> None:
    """The dollar sign of JSONPath is welcome and means nothing."""
    assert parse_path("$.a[*].B") == ("a", "b")
    assert parse_path("") == ()

"""What is secret by its name: one table, held by whatever shows a URL or a head."""

import pytest

from pipeline.codecs.heads import without_secrets
from pipeline.model.secrets import SENSITIVE_FIELDS, SENSITIVE_PARAMETERS, redact_query

ENCODED = {name: "".join(f"%{ord(char):02X}" for char in name) for name in SENSITIVE_PARAMETERS}


@pytest.mark.parametrize("name", sorted(SENSITIVE_PARAMETERS))
def test_a_sensitive_parameter_is_hidden_in_events_and_in_heads(name: str) -> None:
    """In any case and with any of its letters percent-encoded, wherever it stands in the query."""
    for written in (
        name,
        name.upper(),
        ENCODED[name],
        ENCODED[name].lower(),
        name.replace("s", "%53"),
        f"%{ord(name[0]):x}{name[1:]}",
    ):
        query = f"a=1&{written}=secret%20&b=%20;{written}=secret&{written}"
        clean = f"a=1&{written}=REDACTED&b=%20;{written}=REDACTED&{written}"
        assert redact_query(query) == clean
        assert redact_query(f"{written}=secret") == f"{written}=REDACTED"
        assert without_secrets([f"GET /?{query} HTTP/1.1"]) == [f"GET /?{clean} HTTP/1.1"]


@pytest.mark.parametrize(
    ("query", "clean"),
    [
        ("sig=a;b&c=d", "sig=REDACTED&c=d"),
        ("sig=a;b=c#d", "sig=REDACTED#d"),
        ("a=b;sig=c;d", "a=b;sig=REDACTED"),
        ("sig=&a", "sig=&a"),
    ],
)
def test_a_secret_value_reaches_to_the_next_ampersand(query: str, clean: str) -> None:
    """Whether a server takes a semicolon for a separator or not, nothing of the value is left."""
    assert redact_query(query) == clean


@pytest.mark.parametrize(
    "query", ["signal=y", "asig=y", "%73igs=y", "a=sig", "a=%73ig", "sig", "%73ig", "%=1", "%zz=sig=1", "a%26sig=1", ""]
)
def test_other_parameters_stay(query: str) -> None:
    """Also those whose names only contain a sensitive one."""
    assert redact_query(query) == query
    assert without_secrets([f"GET /?{query} HTTP/1.1"]) == [f"GET /?{query} HTTP/1.1"]


@pytest.mark.parametrize("name", sorted(SENSITIVE_FIELDS))
def test_a_sensitive_field_is_hidden_in_heads(name: str) -> None:
    """In any case, with the lines that continue it."""
    assert without_secrets([f"{name.title()}: secret", "  more", "A: b"]) == [f"{name.title()}: REDACTED", "A: b"]

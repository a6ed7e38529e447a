"""A transform that declares which kinds it takes lets the others pass, in their place; rights and books stay true."""

from collections.abc import Sequence

import pytest

from pipeline.api import DEFAULT, Context, Event, Exchange, Measurement, Outputs, Transform
from pipeline.model.events.http_request import HttpRequest
from pipeline.model.events.websocket_message import WebsocketMessage
from pipeline.testing.transforms import Driven, exchange
from pipeline.transforms.limit import Limit
from pipeline.transforms.match_list import MatchList
from pipeline.transforms.passing import process
from pipeline.transforms.redact import Redact
from pipeline.transforms.remove import Remove
from pipeline.transforms.rename import Rename
from pipeline.transforms.set import Set
from pipeline.transforms.template_path import TemplatePath
from pipeline.transforms.trace import Trace

CONTENT = "token Bearer abcdefgh12345"


class Odd(Transform):
    """Takes exchanges only, and gives each second one to another output."""

    api_version = 1
    takes = ("http.exchange",)
    outputs = ("second",)

    def __init__(self, config: object, context: Context) -> None:
        self.made_of = config, context
        self.batches: list[int] = []

    def process(self, batch: Sequence[Event]) -> Outputs:
        """Every one must be an exchange."""
        assert all(isinstance(event, Exchange) for event in batch)
        self.batches.append(len(batch))
        return {DEFAULT: [event.with_attributes(seen=True) for event in batch[::2]], "second": batch[1::2]}


def test_others_pass_by_in_order() -> None:
    """What is not taken stands where it stood between what the transform made of its neighbours."""
    transform = Odd(None, Context("odd"))
    measurement, unknown = Measurement(2), Event(5, {"event.name": "http.exchange.not"})
    outputs, given = process(transform, [Exchange(1), measurement, Exchange(3), Exchange(4), unknown])
    assert [event.timestamp_ns for event in outputs[DEFAULT]] == [1, 2, 3, 5]
    assert [event.timestamp_ns for event in outputs["second"]] == [4]
    assert outputs[DEFAULT][1] is measurement
    assert outputs[DEFAULT][3] is unknown
    assert (given, transform.batches) == (3, [1, 2])


def test_a_batch_that_is_all_taken_is_handed_over_as_it_is() -> None:
    """No run is made of it: the transform sees the very same batch."""
    transform = Odd(None, Context("odd"))
    outputs, given = process(transform, [Exchange(1), Exchange(2)])
    assert (given, transform.batches, len(outputs[DEFAULT])) == (2, [2], 1)


@pytest.mark.parametrize(
    ("component", "options"),
    [(Trace, {}), (TemplatePath, {}), (MatchList, {"entries": ["/x"], "otherwise": "allowed"})],
)
def test_what_reads_requests_leaves_measurements_alone(component: type[Transform], options: dict[str, object]) -> None:
    """Even where its attributes have the names of an exchange's fields."""
    measurement = Measurement(2, {"url.path": "/x", "http.request.header.x-request-id": ("a",)})
    driven = Driven(component, options)
    first, second, third = driven.run(exchange(0), measurement, exchange(1))
    assert second is measurement
    assert (first.timestamp_ns, third.timestamp_ns) == (exchange(0).timestamp_ns, exchange(1).timestamp_ns)


def test_fields_of_any_kind_are_set_removed_renamed_limited_and_redacted() -> None:
    """Where the event's class holds them; another event keeps the same name as an attribute."""
    message = WebsocketMessage(
        1, server_address="a.example", httpipe_websocket_content="token Bearer abcdefgh12345", url_path="/chat"
    )
    changed = Driven(Set, {"texts": {"server.address": "b", "httpipe.websocket.opcode": "text"}}).one(message)
    assert changed == message.replace(server_address="b", httpipe_websocket_opcode="text")
    opcode = Driven(Set, {"texts": {"httpipe.websocket.opcode": "text", "url.path": "/"}})
    assert opcode.transform.adds == {"httpipe.websocket.opcode": "string"}
    plain = opcode.one(exchange(0))
    assert plain.attributes["httpipe.websocket.opcode"] == "text"
    assert Driven(Remove, {"fields": ["httpipe.websocket.*"]}).one(message) == message.replace(httpipe_websocket_content=None)
    renamed = Driven(Rename, {"fields": {"url.path": "was"}}).one(message)
    assert (renamed.attributes["was"], getattr(renamed, "url_path", "")) == ("/chat", None)
    short = Driven(Limit, {"max_body_chars": 5, "max_text_chars": 4}).one(message)
    assert short == message.replace(
        httpipe_websocket_content="token", server_address="a.ex", url_path="/cha", httpipe_marks=("truncated",)
    )
    clean = Driven(Redact, {"patterns": ["bearer_token"]}).one(message)
    assert "abcdefgh" not in str(clean)


def test_a_query_is_redacted_by_name_in_every_kind_that_has_one() -> None:
    """Requests in progress repeat what exchanges say later."""
    request = HttpRequest(1, url_query="a=1&token=s3cret", httpipe_request_target="/x?a=1&token=s3cret")
    clean = Driven(Redact, {"query": ["token"]}).one(request)
    assert "s3cret" not in str(clean)
    assert "a=1" in str(clean)

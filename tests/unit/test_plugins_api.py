"""The plugin contract: what `pipeline.api` exports is stable, and five lines are enough for a sink or a transform."""

import inspect
from collections.abc import Sequence

import pytest

from pipeline import api
from pipeline.api import DEFAULT, Config, Context, Event, Exchange, FieldType, Sink, Transform
from pipeline.decorators import sink, transform

ERRORS = {
    "BackOff": "(secs: float | None = None, message: str = '') -> None",
    "BatchError": "(failures: collections.abc.Mapping[int, Exception]) -> None",
    "CaptureError": "(message: str, *, remedy: str = '', denied: bool = False) -> None",
    "Problem": "(path: str, message: str)",
    "ConfigError": "(problems: collections.abc.Sequence[pipeline.errors.Problem], *, file: str = '', "
    "warnings: collections.abc.Sequence[str] = ()) -> None",
    "Reject": "(cause: Exception | str) -> None",
}

NAMES = [
    "API_VERSION",
    "AttributeValue",
    "BackOff",
    "BatchError",
    "CaptureError",
    "Chunk",
    "Closed",
    "Config",
    "ConfigError",
    "Context",
    "DEFAULT",
    "Event",
    "EventBatch",
    "Exchange",
    "FIELDS",
    "FieldType",
    "Finished",
    "Gap",
    "GlobOption",
    "HttpipeError",
    "InputError",
    "Mark",
    "NotConnected",
    "Opened",
    "Outputs",
    "Owner",
    "PathOption",
    "PathTemplateOption",
    "Problem",
    "Process",
    "Record",
    "RecordBatch",
    "Reject",
    "Segment",
    "Sink",
    "Source",
    "Transform",
    "SinkDefaults",
    "stream_key",
]

METHODS = {
    "Source.__init__": "(self, config: Any, context: pipeline.api.Context) -> None",
    "Source.open": "(self) -> None",
    "Source.batches": "(self) -> collections.abc.AsyncIterator[pipeline.api.RecordBatch | pipeline.api.EventBatch]",
    "Source.acknowledge": "(self, position: object) -> None",
    "Source.aclose": "(self) -> None",
    "Transform.__init__": "(self, config: Any, context: pipeline.api.Context) -> None",
    "Transform.process": (
        "(self, batch: collections.abc.Sequence[pipeline.model.events.event.Event]) -> "
        "collections.abc.Mapping[str, collections.abc.Sequence[pipeline.model.events.event.Event]]"
    ),
    "Transform.flush": (
        "(self, now_ns: int, *, last: bool) -> "
        "collections.abc.Mapping[str, collections.abc.Sequence[pipeline.model.events.event.Event]]"
    ),
    "Sink.__init__": "(self, config: Any, context: pipeline.api.Context) -> None",
    "Sink.open": "(self) -> None",
    "Sink.healthcheck": "(self) -> None",
    "Sink.write": "(self, batch: collections.abc.Sequence[pipeline.model.events.event.Event]) -> None",
    "Sink.aclose": "(self) -> None",
}


def test_the_exported_names_are_all_there() -> None:
    """Whoever imported one yesterday can tomorrow."""
    assert set(NAMES) <= set(api.__all__)
    assert not [name for name in api.__all__ if not hasattr(api, name)]
    assert api.API_VERSION == 1


@pytest.mark.parametrize("name", sorted(METHODS))
def test_the_methods_keep_their_signatures(name: str) -> None:
    """A new argument needs a default; anything else a new API version."""
    owner, _, method = name.partition(".")
    assert str(inspect.signature(getattr(getattr(api, owner), method))) == METHODS[name]


@pytest.mark.parametrize(("name", "signature"), ERRORS.items())
def test_the_errors_keep_their_signatures(name: str, signature: str) -> None:
    """Plugins construct them."""
    assert str(inspect.signature(getattr(api, name))) == signature


def test_a_context_can_be_made_of_an_id_alone() -> None:
    """For the tests of plugins."""
    context = Context("x")
    context.count("anything", 1)
    context.progress(1, 2)
    assert context.now_ns() > 0
    assert context.attributes == {}


class Options(Config):
    """Options of the components below."""

    word: str = "x"


@pytest.mark.anyio
async def test_a_function_becomes_a_sink() -> None:
    """With the function's name and docstring; options come as the last argument."""
    got: list[object] = []

    @sink("plain", api_version=1)
    async def plain(batch: Sequence[Event]) -> None:
        """Keeps events."""
        got.append(batch)

    @sink("chosen", api_version=1, config=Options)
    async def chosen(batch: Sequence[Event], config: Options) -> None:
        got.append((batch, config.word))

    assert issubclass(plain, Sink)
    assert (plain.plugin_name, plain.__name__, plain.__doc__, plain.__module__) == ("plain", "plain", "Keeps events.", __name__)
    assert list(plain.Config.model_fields) == []
    assert chosen.Config is Options
    made = plain(plain.Config(), Context("s"))
    await made.open()
    await made.write([])
    await made.aclose()
    await chosen(Options(word="y"), Context("s")).write([])
    assert got == [[], ([], "y")]


def test_a_function_of_one_exchange_becomes_a_transform() -> None:
    """What it returns goes on, None discards, other events pass by; order is kept."""

    @transform("big", api_version=1, adds={"big": FieldType.BOOL})
    def big(exchange: Exchange) -> Event | None:
        if exchange.http_response_status_code is None:
            return None
        return exchange.with_attributes(big=exchange.http_response_status_code > 299)

    assert issubclass(big, Transform)
    made = big(big.Config(), Context("t"))
    assert made.adds == {"big": FieldType.BOOL}
    events = [Exchange(timestamp_ns=1, http_response_status_code=200), Event(timestamp_ns=2), Exchange(timestamp_ns=3)]
    assert [(event.timestamp_ns, dict(event.attributes)) for event in made.process(events)[DEFAULT]] == [
        (1, {"big": False}),
        (2, {}),
    ]
    assert events[0].attributes == {}


def test_a_function_of_a_batch_becomes_a_transform() -> None:
    """It sees every kind of event."""

    @transform("backwards", api_version=1, config=Options, batched=True)
    def backwards(batch: Sequence[Event], config: Options) -> Sequence[Event]:
        assert config.word == "x"
        return batch[::-1]

    made = backwards(Options(), Context("t"))
    assert [event.timestamp_ns for event in made.process([Event(timestamp_ns=1), Exchange(timestamp_ns=2)])[DEFAULT]] == [2, 1]


@pytest.mark.anyio
async def test_a_function_may_take_the_context() -> None:
    """Behind the options, where there are any: it counts and logs as a class would."""
    counts: list[tuple[str, int]] = []
    context = Context("c", count=lambda name, by: counts.append((name, by)))

    @sink("counted", api_version=1, context=True)
    async def counted(batch: Sequence[Event], context: Context) -> None:
        context.count("sent", len(batch))

    @transform("seen", api_version=1, config=Options, context=True)
    def seen(exchange: Exchange, config: Options, context: Context) -> Event | None:
        context.count(config.word, 1)
        return exchange

    await counted(counted.Config(), context).write([Exchange(timestamp_ns=1)])
    seen(Options(word="w"), context).process([Exchange(timestamp_ns=1)])
    assert counts == [("sent", 1), ("w", 1)]


def test_two_components_of_one_decorator_share_nothing() -> None:
    """Each has the options of its own table."""

    @transform("name", api_version=1, config=Options)
    def name(exchange: Exchange, config: Options) -> Event | None:
        return exchange.with_attributes(word=config.word)

    one, two = name(Options(word="1"), Context("a")), name(Options(word="2"), Context("b"))
    exchange = Exchange(timestamp_ns=1)
    assert [made.process([exchange])[DEFAULT][0].attributes["word"] for made in (one, two)] == ["1", "2"]

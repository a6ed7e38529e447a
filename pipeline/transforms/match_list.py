"""``match_list``: is this URL on a list? Adds the verdict, or sends what is on it to a named output. It never blocks traffic."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from pipeline.api import DEFAULT, NOTHING, AttributeValue, Config, Context, Event, Exchange, FieldType, Outputs, Transform
from pipeline.errors import ConfigError, Problem
from pipeline.expressions import ExpressionError
from pipeline.transforms.files import FileError, WatchedFile
from pipeline.transforms.options import Compiled, OutputName
from pipeline.transforms.url_list import Entry, UrlList, parse_entry, parse_lines


class MatchListConfig(Config):
    """Compare events with an allow or deny list."""

    entries: tuple[str, ...] = ()
    """Entries such as `/admin/**`, `*.evil.example`, `POST /upload`: an optional method, then a host, a path or both."""
    file: str | None = None
    """File with one entry a line, `#` for comments; it is read again when it changes."""
    verdict: Annotated[str, Field(min_length=1)] = "listed"
    """What an event on the list gets as its verdict, such as `deny`."""
    otherwise: str | None = None
    """What every other event gets, such as `allow`. Default: nothing."""
    into: Annotated[str, Field(min_length=1)] = "httpipe.verdict"
    """Attribute that takes the verdict; with `.entry` behind its name it takes the entry that fits."""
    matched_to: OutputName | None = None
    """Named output for the events on the list. Default: they go on with the others."""


class MatchList(Transform):
    """Says which events are on a list of URLs, or sends them to an output of their own.

    Paths are compared as sent, after percent-decoding of unreserved characters and without dot segments.

    Counters: `listed`, `reloaded`, `reload_failed`.
    """

    Config = MatchListConfig

    def __init__(self, config: MatchListConfig, context: Context) -> None:
        self.count = context.count
        self.config = config
        self.outputs = (config.matched_to,) if config.matched_to else ()
        self.entry_name = f"{config.into}.entry"
        self.adds = {config.into: FieldType.STRING, self.entry_name: FieldType.STRING}
        if not config.entries and config.file is None:
            raise ConfigError([Problem("entries", "is empty, and there is no file: name at least one entry")])
        with Compiled(context) as options:
            own = [options.of(f"entries.{index}", Entry(""), parse_entry, line) for index, line in enumerate(config.entries)]
            self.own = options.of("entries", UrlList(), UrlList, own)
        self.file = WatchedFile(config.file, _understand, UrlList(), context) if config.file is not None else None

    def process(self, batch: Sequence[Event]) -> Outputs:
        """A new event for each that gets a verdict."""
        listed: list[Event] = []
        others: list[Event] = listed if self.config.matched_to is None else []
        hits = 0
        for event in batch:
            entry = self._find(event) if isinstance(event, Exchange) else None
            if entry is not None:
                hits += 1
                listed.append(self._with(event, self.config.verdict, entry))
            else:
                others.append(event if self.config.otherwise is None else self._with(event, self.config.otherwise))
        if hits:
            self.count("listed", hits)
        return {DEFAULT: others, self.config.matched_to: listed} if self.config.matched_to else {DEFAULT: others}

    def flush(self, now_ns: int, *, last: bool) -> Outputs:
        """Read the list again if it has changed."""
        if self.file is not None and not last:
            self.file.refresh(now_ns)
        return NOTHING

    def _find(self, exchange: Exchange) -> str | None:
        method, host, path = exchange.http_request_method, exchange.server_address, exchange.url_path
        found = self.own.find(method, host, path) if self.own.size else None
        if found is None and self.file is not None:
            found = self.file.content.find(method, host, path)
        return found

    def _with(self, event: Event, verdict: str, entry: str | None = None) -> Event:
        attributes: dict[str, AttributeValue] = {**event.attributes, self.config.into: verdict}
        if entry is not None:
            attributes[self.entry_name] = entry
        return event.replace(attributes=attributes)


def _understand(data: bytes) -> UrlList:
    try:
        return UrlList(parse_lines(data.decode("utf-8-sig")))
    except UnicodeDecodeError as error:
        raise FileError(f"not UTF-8 at byte {error.start}") from error
    except ExpressionError as error:
        raise FileError(error.message) from error

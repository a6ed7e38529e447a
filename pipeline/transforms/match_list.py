"""``match_list``: is this URL on a list? Adds the verdict, or sends what is on it to a named output. It never blocks traffic."""

from collections.abc import Iterator, Sequence
from typing import Annotated

from pydantic import Field

from pipeline.api import (
    DEFAULT,
    NOTHING,
    AttributeValue,
    Config,
    Context,
    Event,
    Exchange,
    FieldType,
    Outputs,
    PathOption,
    Transform,
)
from pipeline.errors import ConfigError, Problem
from pipeline.expressions.errors import ExpressionError
from pipeline.lists.entry import Entry, parse_entry
from pipeline.lists.files import Fault, lines_of
from pipeline.lists.readings import readings
from pipeline.lists.urls import UrlList
from pipeline.transforms.files import FileError, WatchedFile
from pipeline.transforms.options import Compiled, OutputName


class MatchListConfig(Config):
    """Compare events with an allow or deny list."""

    entries: tuple[str, ...] = ()
    """Entries such as `/admin/**`, `*.evil.example`, `POST /upload`: an optional method, then a host, a path or both."""
    file: PathOption | None = None
    """File with one entry a line, `#` for comments; it is read again when it changes."""
    verdict: Annotated[str, Field(min_length=1)] = "listed"
    """What an event on the list gets as its verdict, such as `deny`."""
    otherwise: str | None = None
    """What every other event gets, such as `allow`. Default: nothing."""
    doubtful: str | None = None
    """What an event gets whose path some servers take for one on the list and others not. Default: as `verdict`."""
    into: Annotated[str, Field(min_length=1)] = "httpipe.verdict"
    """Attribute that takes the verdict; with `.entry` behind its name it takes the entry that fits."""
    matched_to: OutputName | None = None
    """Named output for the events on the list. Default: they go on with the others."""


class MatchList(Transform):
    """Says which events are on a list of URLs, or sends them to an output of their own.

    An entry is an optional method, then a host, a path or both:

    | Entry | Fits |
    | --- | --- |
    | `/admin/login` | this path on every host; not `/admin/login/` |
    | `/admin/**` | every path that starts with `/admin/`; not `/admin` itself, which is an entry of its own |
    | `/*/debug`, `/**/.git/**` | `*` is text within a segment, `**` any text, `?` one character, `[a-z]`, `[!a-z]` one of a set |
    | `/users/{id}/keys` | `{id}`, whatever its name, is one segment that is not empty; `{rest...}` at the end any number |
    | `evil.example` | this host and no other, whatever the path |
    | `*.evil.example` | `evil.example` and every host below it |
    | `shop.example/api/**` | both together |
    | `POST /upload` | only this method |

    Hosts are compared without regard to case, port and a last dot; names in other scripts by their ASCII form
    (`müller.example` is `xn--mller-kva.example`). Paths are compared with regard to case.

    **One spelling for each path.** Paths of requests and of entries are brought into the form that servers look for: escapes
    are decoded once (`%2F` is a slash, as nginx, Node and Python take it), repeated slashes are one, `.` and `..` are followed.
    So `/%61dmin/x`, `//admin/x` and `/x%2f..%2fadmin/x` are all `/admin/x`; the query is not looked at.

    **Where servers disagree, every reading counts.** A path is on the list if any of these finds it there: path parameters
    left out (`/admin;v=1/x`, Tomcat) or kept (nginx); a backslash as a slash (IIS); the path cut at a control character
    (`/ad%00min/x`), or without it; escapes decoded twice (`/%2561dmin/x`, behind a proxy that decodes), overlong UTF-8,
    `%u0061`; `//name/admin/x` as a reference to a host; `%2F` and dot segments as plain text (`/admin/..%2fx`, routers that
    compare before they resolve). That is right for a list of what is denied. For a list of what is allowed, or to tell the two
    apart, `doubtful` names a verdict for paths that are on the list in some readings only; those do not go to `matched_to`. A
    path with more than 32 readings, or a very long one with several, counts as one of them: only attackers write such.

    **Which entry is reported.** Of several that fit, the one of `entries` before the one of `file`; the exact host before `*.`
    hosts, of these the longest first, before entries without a host; entries without a method before those with one; then a
    host alone, the exact path, the shortest prefix, and globs by the length of their literal beginning, shortest first. The
    order of lines does not matter, and the whole list has one verdict: for exceptions, put another `match_list` or a
    filter in front.

    Counters: `listed`, `doubtful`, `reloaded`, `reload_failed`.
    """

    api_version = 1
    takes = (Exchange.event_name,)
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
        for event in batch:
            entry, doubtful = self._look(event) if isinstance(event, Exchange) else (None, False)
            if doubtful:
                self.count("doubtful", 1)
            if doubtful and self.config.doubtful is not None:
                others.append(self._with(event, self.config.doubtful, entry))
            elif doubtful or entry is not None:
                self.count("listed", 1)
                listed.append(self._with(event, self.config.verdict, entry))
            else:
                others.append(event if self.config.otherwise is None else self._with(event, self.config.otherwise))
        return {DEFAULT: others, self.config.matched_to: listed} if self.config.matched_to else {DEFAULT: others}

    def flush(self, now_ns: int, *, last: bool) -> Outputs:
        """Read the list again if it has changed."""
        if self.file is not None and not last:
            self.file.refresh(now_ns)
        return NOTHING

    def _look(self, exchange: Exchange) -> tuple[str | None, bool]:
        """The entry that fits, and whether only some servers would say so."""
        paths, complete = readings(exchange.url_path or "")
        found = [self._find(exchange, path) for path in paths]
        entry = next((each for each in found if each is not None), None)
        return entry, not complete or (entry is not None and None in found)

    def _find(self, exchange: Exchange, path: str) -> str | None:
        method, host = exchange.http_request_method, exchange.server_address
        found = self.own.find(method, host, path) if self.own.size else None
        if found is None and self.file is not None:
            found = self.file.content.find(method, host, path)
        return found

    def _with(self, event: Event, verdict: str, entry: str | None = None) -> Event:
        attributes: dict[str, AttributeValue] = {**event.attributes, self.config.into: verdict}
        if entry is not None:
            attributes[self.entry_name] = entry
        return event.with_all_attributes(attributes)


def _understand(data: bytes) -> UrlList:
    try:
        return UrlList(_entries(data))
    except ExpressionError as error:
        raise FileError(error.message) from error


def _entries(data: bytes) -> Iterator[Entry]:
    for each in lines_of(data):
        if isinstance(each, Fault):
            raise FileError(str(each))
        yield each.entry

"""``redact``: secrets in headers, query parameters, bodies and anywhere in text are masked, hashed with a key, or removed.

Where it cannot look (broken JSON that may hold a named value) it takes the whole body away. The raw heads go with anything that
is redacted, since they repeat it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self
from urllib.parse import unquote_plus

from pydantic import Field, model_validator

from pipeline.api import DEFAULT, AttributeValue, Config, Context, Event, Exchange, Outputs, Transform
from pipeline.model.effects import Needs, effective
from pipeline.model.secrets import replace_parameters
from pipeline.transforms.addresses import Pseudonyms, Way
from pipeline.transforms.changes import text_names
from pipeline.transforms.json_paths import JsonRedaction, parse_path
from pipeline.transforms.limit import TEXTS
from pipeline.transforms.options import Compiled
from pipeline.transforms.secrets import MASK, Action, Finder, PatternName, replacement

SEARCHED = tuple(
    name
    for name in TEXTS
    if name in ("url_path", "url_query", "user_agent_original", "httpipe_request_target") or name.endswith("process_command_line")
)
"""The texts that the other side writes, and command lines; addresses, methods and versions hold no secrets."""

HEADERS = ("http_request_headers", "http_response_headers")
BODIES = (
    ("http_request_body_content", "httpipe_request_body_encoding"),
    ("http_response_body_content", "httpipe_response_body_encoding"),
)

ADDRESSES = ("client_address", "network_local_address", "server_address")

FORWARDING = frozenset(
    {
        *("host", "location", "origin", "referer"),
        *("forwarded", "x-forwarded-for", "x-forwarded-host", "x-original-forwarded-for", "x-real-ip"),
        *(
            "x-client-ip",
            "x-cluster-client-ip",
            "true-client-ip",
            "cf-connecting-ip",
            "fastly-client-ip",
            "x-envoy-external-address",
        ),
    }
)
"""Headers that repeat addresses of the two ends. Others hold what only looks like one: `Chrome/120.0.0.0`."""

Headers = Mapping[str, tuple[str, ...]]


class RedactConfig(Config):
    """Take secrets out of events."""

    headers: tuple[str, ...] = ()
    """Headers whose values are secret, of requests and responses, such as `authorization`."""
    query: tuple[str, ...] = ()
    """Query parameters whose values are secret, such as `token`; without regard to case."""
    json_paths: tuple[str, ...] = ()
    """Values in JSON bodies, such as `user.password`, `cards[*].number`, `**.token`."""
    patterns: tuple[PatternName, ...] = ()
    """Secrets known by their look, in paths, queries, headers, bodies and attributes."""
    regexes: tuple[str, ...] = ()
    """More of them, in RE2 syntax."""
    addresses: Way | None = None
    """Other addresses in the place of those of both ends, by the key. `pseudonym`: nothing stays but which are equal.
    `prefix_preserving`: addresses of one network stay addresses of one network."""
    action: Action = "mask"
    """`mask`: `REDACTED`. `hash`: a keyed hash, so that equal values stay equal. `remove`: nothing stays."""
    key: str = Field(default="", repr=False)
    """Key of hashes and of addresses, 16 characters or more, best from the environment: `key = "${REDACT_KEY}"`."""

    @model_validator(mode="after")
    def _all_has_an_effect(self) -> Self:
        named = any((self.headers, self.query, self.json_paths, self.patterns, self.regexes))
        return effective(
            self,
            Needs(["action"], "headers, query, json_paths, patterns or regexes", named),
            Needs(["key"], 'action = "hash" or addresses', self.action == "hash" or self.addresses is not None),
        )


class Redact(Transform):
    """Masks, hashes or removes secrets, and puts other addresses in the place of addresses.

    `addresses` changes `client.address`, `network.peer.address`, `network.local.address`, `server.address` where it is an
    address, `httpipe.connection`, targets that name a host, the headers that repeat addresses (`host`, `x-forwarded-for`,
    `forwarded`, `x-real-ip` and the like), and attributes that are an address; not paths, queries and bodies. Each address
    has one pseudonym for each key, and no two addresses have the same one. Whoever has the key can find out which address it
    was; whoever can send requests from an address of their own, and sees what is shared, learns the pseudonym of that one.

    Counters: `redacted`, events changed; `unreadable_bodies`, bodies taken away because they could not be looked into.
    """

    api_version = 1
    Config = RedactConfig

    def __init__(self, config: RedactConfig, context: Context) -> None:
        self.count = context.count
        self.remove = config.action == "remove"
        self.replace = replacement(config.action, config.key)
        self.headers = frozenset(name.lower() for name in config.headers)
        self.parameters = frozenset(name.lower() for name in config.query)
        paths = [parse_path(text) for text in config.json_paths]
        with Compiled(context) as options:
            if not any((config.headers, config.query, config.json_paths, config.patterns, config.regexes, config.addresses)):
                options.refuse("", "there is nothing to redact: name headers, query, json_paths, patterns, regexes or addresses")
            for index, path in enumerate(paths):
                if not path:
                    options.refuse(f"json_paths.{index}", f'"{config.json_paths[index]}" is not a path such as user.password')
            if (config.action == "hash" or config.addresses) and len(config.key) < 16:
                what = "a hash needs" if config.action == "hash" else "addresses need"
                options.refuse("key", f"{what} a key of 16 characters or more, or anybody can try values")
            for index, pattern in enumerate(config.regexes):
                if "\\A" in pattern or "\\z" in pattern:
                    options.refuse(f"regexes.{index}", "write ^ and $ for the ends of a text")
            self.finder: Finder | None = None
            if config.patterns or config.regexes:
                self.finder = options.of("regexes", None, Finder, config.patterns, config.regexes, self.replace)
        self.pseudonyms = Pseudonyms(config.addresses, config.key) if config.addresses else None
        self.json = JsonRedaction(paths, (lambda _text: None) if self.remove else self.replace) if paths else None

    def process(self, batch: Sequence[Event]) -> Outputs:
        """A new event for each that holds a secret."""
        clean = [self._clean(event) for event in batch]
        if redacted := sum(1 for before, after in zip(batch, clean, strict=True) if before is not after):
            self.count("redacted", redacted)
        return {DEFAULT: clean}

    def _clean(self, event: Event) -> Event:
        changes: dict[str, Any] = {}
        if isinstance(event, Exchange):
            if self.headers:
                self._named_headers(event, changes)
            if self.parameters:
                self._named_parameters(event, changes)
            if event.http_request_body_content is not None or event.http_response_body_content is not None:
                self._bodies(event, changes)
            if self.finder is not None:
                self._texts(event, self.finder, changes)
            if self.pseudonyms is not None:
                _addresses(event, self.pseudonyms, changes)
        elif names := text_names(type(event)):
            self._other_texts(event, names, changes)
        if event.attributes:
            self._attributes(event, changes)
        if changes and isinstance(event, Exchange) and (event.request_head or event.response_head):
            changes |= {"request_head": None, "response_head": None}
        return event.replace(**changes) if changes else event

    def _other_texts(self, event: Event, names: Sequence[str], changes: dict[str, Any]) -> None:
        """The texts of another kind of event: a query by its parameters' names, and everything as attributes are cleaned."""
        if self.parameters and "url_query" in names:
            self._named_parameters(event, changes)
        for name in names:
            value = clean = changes.get(name, getattr(event, name))
            for replaced in (self.finder and self.finder.without_secrets, self.pseudonyms and self.pseudonyms.of):
                clean = _clean_attribute(clean, replaced) if replaced and clean else clean
            if clean != value:
                changes[name] = clean

    def _named_headers(self, exchange: Exchange, changes: dict[str, Any]) -> None:
        for name, headers in ((HEADERS[0], exchange.http_request_headers), (HEADERS[1], exchange.http_response_headers)):
            if headers and not self.headers.isdisjoint(headers):
                clean = changes[name] = dict(headers)
                for key in self.headers.intersection(headers):
                    if self.remove:
                        del clean[key]
                    else:
                        clean[key] = tuple([self.replace(value) for value in headers[key]])

    def _named_parameters(self, event: Any, changes: dict[str, Any]) -> None:  # noqa: ANN401  of a kind that has a target
        query, target = event.url_query, event.httpipe_request_target
        if query is not None and self._may_name(query) and (clean := self._query(query)) != query:
            changes["url_query"] = clean
        if target is not None and self._may_name(target):
            path, question_mark, query = target.partition("?")
            if (clean := self._query(query)) != query:
                changes["httpipe_request_target"] = f"{path}{question_mark}{clean}"

    def _may_name(self, text: str) -> bool:
        """Whether a parameter may stand in the text: nearly never, so this is what a query costs."""
        if "%" in text:
            return True
        lowered = text.lower()
        for name in self.parameters:  # noqa: SIM110  any() with a generator costs twice as much
            if name in lowered:
                return True
        return False

    def _query(self, query: str) -> str:
        return replace_parameters(query, self._names, self._put)

    def _names(self, name: str) -> bool:
        """Whether a parameter is one of those that are named."""
        return (name if "%" not in name and "+" not in name else unquote_plus(name)).lower() in self.parameters

    def _put(self, value: str) -> str | None:
        """What is put in the place of a value; None where nothing stays of its parameter."""
        return None if self.remove else self.replace(value)

    def _bodies(self, exchange: Exchange, changes: dict[str, Any]) -> None:
        for name, encoding in BODIES:
            content: str | None = getattr(exchange, name)
            if content is None or getattr(exchange, encoding) is not None:
                continue
            clean: str | None = self.json(content) if self.json is not None else content
            if clean is None:
                self.count("unreadable_bodies", 1)
                clean = None if self.remove else MASK
            elif self.finder is not None:
                clean = self.finder.without_secrets(clean)
            if clean != content:
                changes[name] = clean

    def _texts(self, exchange: Exchange, finder: Finder, changes: dict[str, Any]) -> None:
        texts = {name: value for name in SEARCHED if (value := changes.get(name, getattr(exchange, name)))}
        headers = {name: value for name in HEADERS if (value := changes.get(name, getattr(exchange, name)))}
        values = [value for each in headers.values() for some in each.values() for value in some]
        if not finder.suspects("\n".join([*texts.values(), *values])):
            return
        changes |= {name: clean for name, value in texts.items() if (clean := finder.without_secrets(value)) != value}
        for name, each in headers.items():
            clean_headers = {key: tuple(finder.without_secrets(value) for value in some) for key, some in each.items()}
            if clean_headers != each:
                changes[name] = clean_headers

    def _attributes(self, event: Event, changes: dict[str, Any]) -> None:
        clean = event.attributes
        if self.finder is not None:
            clean = {name: _clean_attribute(value, self.finder.without_secrets) for name, value in clean.items()}
        if self.pseudonyms is not None:
            clean = {name: _clean_attribute(value, self.pseudonyms.of) for name, value in clean.items()}
        if clean != event.attributes:
            changes["attributes"] = clean


def _addresses(exchange: Exchange, pseudonyms: Pseudonyms, changes: dict[str, Any]) -> None:
    """Wherever the addresses of the two ends stand, but for paths and bodies."""
    for name in ADDRESSES:
        if value := getattr(exchange, name):
            changes[name] = pseudonyms.of(value)
    if exchange.httpipe_connection:
        changes["httpipe_connection"] = pseudonyms.within(exchange.httpipe_connection)
    target = changes.get("httpipe_request_target", exchange.httpipe_request_target)
    if target and not target.startswith("/"):
        changes["httpipe_request_target"] = pseudonyms.within(target)
    for name in HEADERS:
        headers = changes.get(name, getattr(exchange, name))
        if headers and not FORWARDING.isdisjoint(headers):
            changed = {key: tuple(map(pseudonyms.within, headers[key])) for key in FORWARDING.intersection(headers)}
            changes[name] = {**headers, **changed}


def _clean_attribute(value: AttributeValue, clean: Callable[[str], str]) -> AttributeValue:
    if isinstance(value, str):
        return clean(value)
    return tuple(clean(each) for each in value) if isinstance(value, tuple) else value

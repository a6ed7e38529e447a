"""``template_path``: ``/users/123/orders/9`` becomes ``/users/{id}/orders/{id}``, so that routes can be counted.

Rules come first, one path each with ``{name}`` for what varies. Where none fits, segments that look like ids are recognized.
Both results are bounded in number: paths are chosen by untrusted peers, and a scanner makes a new one with each request.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Literal

from pydantic import Field

from pipeline.api import DEFAULT, Config, Context, Event, Exchange, FieldType, Outputs, Transform
from pipeline.transforms.options import Compiled

REMEMBERED_PATHS = 16_384
"""Paths whose template is remembered: working one out costs 2 to 5 µs, a look-up 0.1."""

LONGEST_PATH = 2048
"""Characters of a path that are looked at. A longer one is not a real route."""

OTHER = "{other}"

Kind = Literal["number", "uuid", "hash", "token"]

RECOGNIZED: dict[Kind, re.Pattern[str]] = {
    "number": re.compile(r"[0-9]+"),
    "uuid": re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"),
    "hash": re.compile(r"(?=[0-9a-fA-F]*[0-9])[0-9a-fA-F]{16,128}"),
    "token": re.compile(r"(?=.*[0-9])(?=.*[A-Za-z])[A-Za-z0-9_=-]{20,}"),
}
"""One class of characters and bounded look-aheads: each is linear. A hash holds a digit, or it would be a word of a to f."""


class TemplatePathConfig(Config):
    """Find the route behind a path."""

    rules: tuple[str, ...] = ()
    """Templates of paths, such as `/users/{id}/orders/{order}`; a last segment `{rest...}` stands for any number of segments."""
    recognize: tuple[Kind, ...] = ("number", "uuid", "hash")
    """Segments that become `{id}` where no rule fits. `token`: 20 characters or more of letters and digits mixed."""
    into: Annotated[str, Field(min_length=1)] = "url.template"
    """Attribute that takes the template."""
    max_templates: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    """Different templates that recognizing may find; every further one is `{other}`, and counted. Rules are not counted here."""


class Node:
    """One segment of the rules: what may follow literally, and what stands for any segment."""

    __slots__ = ("any", "literal", "rest", "rule")

    def __init__(self) -> None:
        self.literal: dict[str, Node] = {}
        self.any: Node | None = None
        self.rest: str | None = None
        self.rule: str | None = None


class TemplatePath(Transform):
    """Finds the route behind a path: `/users/{id}` for `/users/123`.

    Counter: `other_templates`, events whose template was one too many.
    """

    api_version = 1
    takes = (Exchange.event_name,)
    Config = TemplatePathConfig

    def __init__(self, config: TemplatePathConfig, context: Context) -> None:
        self.count = context.count
        self.into = config.into
        self.adds = {config.into: FieldType.STRING}
        self.patterns = [RECOGNIZED[kind] for kind in config.recognize]
        self.max_templates = config.max_templates
        self.known: set[str] = set()
        self.rules = Node()
        with Compiled(context) as options:
            for index, rule in enumerate(config.rules):
                if not rule.startswith("/"):
                    options.refuse(f"rules.{index}", f'"{rule}" does not start with "/"')
                elif any(segment.endswith("...}") for segment in rule.split("/")[:-1]):
                    options.refuse(f"rules.{index}", f'"{rule}": "{{name...}}" stands for the last segments only')
                add_rule(self.rules, rule)
        self.template = lru_cache(maxsize=REMEMBERED_PATHS)(self._template)

    def process(self, batch: Sequence[Event]) -> Outputs:
        """A new event for each that has a path."""
        outputs: list[Event] = []
        for event in batch:
            path = event.url_path if isinstance(event, Exchange) else None
            if path is None:
                outputs.append(event)
                continue
            template = self.template(path) if len(path) <= LONGEST_PATH else OTHER
            if template is OTHER:
                self.count("other_templates", 1)
            outputs.append(event.with_all_attributes({**event.attributes, self.into: template}))
        return {DEFAULT: outputs}

    def _template(self, path: str) -> str:
        segments = path.split("/")
        rule = find_rule(self.rules, segments[1:])
        if rule is not None:
            return rule
        template = "/".join("{id}" if self._is_id(segment) else segment for segment in segments)
        if template in self.known:
            return template
        if len(self.known) >= self.max_templates:
            return OTHER
        self.known.add(template)
        return template

    def _is_id(self, segment: str) -> bool:
        return any(pattern.fullmatch(segment) for pattern in self.patterns)


def add_rule(root: Node, rule: str) -> None:
    """Put a rule into the tree; of two that fit the same paths the first one stays."""
    node = root
    for segment in rule.split("/")[1:]:
        if segment.startswith("{") and segment.endswith("...}"):
            node.rest = node.rest or rule
            return
        if segment.startswith("{") and segment.endswith("}"):
            node.any = node.any or Node()
            node = node.any
        else:
            node = node.literal.setdefault(segment, Node())
    node.rule = node.rule or rule


def find_rule(root: Node, segments: Sequence[str]) -> str | None:
    """The rule of a path: literal segments before variable ones, from the left.

    Level by level, each with the nodes in order of preference; there are never more nodes on a level than rules.
    """
    level = [root]
    rest: str | None = None
    for segment in segments:
        rest = next((node.rest for node in level if node.rest), rest)
        following: list[Node] = []
        for node in level:
            if segment in node.literal:
                following.append(node.literal[segment])
            if node.any is not None and segment:
                following.append(node.any)
        level = following
        if not level:
            return rest
    return next((node.rule for node in level if node.rule), rest)

"""The pages of sinks (docs/sinks) name every option with its default; docs/sinks.md has what they share, and leads to each."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from pipeline.codecs.options import EncodingOptions
from pipeline.plugins.discovery import Kind, discover
from pipeline.plugins.registry import Registry, TrustNothing
from pipeline.sinks.clickhouse.sink import ClickHouseConfig
from pipeline.sinks.elasticsearch.sink import ElasticsearchConfig
from pipeline.sinks.file.sink import FileConfig
from pipeline.sinks.har.sink import HarConfig
from pipeline.sinks.http.client import RequestOptions
from pipeline.sinks.http.sink import HttpSinkConfig
from pipeline.sinks.loki.sink import LokiConfig
from pipeline.sinks.otlp.sink import OtlpSinkConfig
from pipeline.sinks.pcapng.sink import PcapngConfig
from pipeline.sinks.s3.sink import S3Config
from pipeline.sinks.stdout.sink import StdoutConfig
from pipeline.sinks.syslog.sink import SyslogSinkConfig

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "sinks.md").read_text()
SECTIONS = {text.partition("\n")[0]: text for text in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]}
SECTIONS |= {page.stem: page.read_text() for page in (DOCS / "sinks").glob("*.md")}
MODELS: Mapping[str, type[BaseModel]] = {
    "stdout": StdoutConfig,
    "file": FileConfig,
    "har": HarConfig,
    "pcapng": PcapngConfig,
    "http": HttpSinkConfig,
    "elasticsearch": ElasticsearchConfig,
    "loki": LokiConfig,
    "otlp": OtlpSinkConfig,
    "syslog": SyslogSinkConfig,
    "clickhouse": ClickHouseConfig,
    "s3": S3Config,
}
"""By page. What every sink that sends requests has (``RequestOptions``) stands on that of ``http``; others link there."""
ENCODING = "[encoding](../sinks.md#encoding)"
SHARED = "[http](http.md)"


def rows(section: str) -> dict[str, str]:
    """Options and their defaults, as the page tells them."""
    return dict(re.findall(r"^\| `([a-z0-9_.*]+)` \|\s*([^|]*?)\s*\|", SECTIONS[section], re.MULTILINE))


def options(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every option of a model, those of its tables too. ``encoding`` has a section of its own."""
    for name, field in model.model_fields.items():
        if isinstance(field.default, EncodingOptions):
            yield f"{prefix}{name}.*", field
        elif isinstance(field.default, BaseModel):
            yield from options(type(field.default), f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field


def told(field: FieldInfo) -> set[str]:
    """How the page may tell its default."""
    value: Any = field.get_default(call_default_factory=True)
    match value:
        case _ if field.is_required() or value in (None, {}, ""):
            return {"all", "none", "never", "no limit", ""}
        case EncodingOptions():
            return {""}
        case tuple():
            return {", ".join(str(each) for each in value)}
        case dict():
            return {", ".join(f'{name} = "{text}"' for name, text in value.items())}
        case str():
            return {f'"{value}"'}
    return {str(value).lower()}


@pytest.mark.parametrize("section", MODELS)
def test_every_option_stands_on_its_page(section: str) -> None:
    """Name and default of each option, as the model has them; and no option that is not there."""
    model, found = MODELS[section], rows(section)
    wanted = dict(options(model))
    if issubclass(model, RequestOptions) and section != "http":
        assert SHARED in SECTIONS[section]
        wanted = {name: field for name, field in wanted.items() if name not in dict(options(RequestOptions))}
    assert found.keys() == wanted.keys()
    for name, field in wanted.items():
        assert found[name].strip("`") in told(field), name
        if name == "encoding.*":
            assert ENCODING in SECTIONS[section]


def test_every_option_of_encodings_stands_in_theirs() -> None:
    """Once, for all sinks."""
    found = rows("Encoding")
    assert found.keys() == {f"encoding.{name}" for name in EncodingOptions.model_fields}
    for name, field in EncodingOptions.model_fields.items():
        assert found[f"encoding.{name}"].strip("`") in told(field), name


def test_every_sink_has_a_page_that_the_first_one_leads_to() -> None:
    """Named as the sink is."""
    known = Registry(discover(), TrustNothing())
    sinks = {plugin.name for plugin in known.plugins(Kind.SINK) if plugin.builtin}
    led_to = dict(re.findall(r"^\| \[(\w+)\]\(([^)]+)\) \|", PAGE, re.MULTILINE))
    assert led_to == {name: "kafka.md" if name == "kafka" else f"sinks/{name}.md" for name in sinks}
    for page in DOCS.glob("sinks/*.md"):
        assert page.read_text().startswith(f"# {page.stem}\n\n")

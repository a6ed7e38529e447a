"""docs/sinks.md names every option of the sinks that it describes, with its default."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from pipeline.codecs.options import EncodingOptions
from pipeline.sinks.file import FileConfig, RotateOptions
from pipeline.sinks.har import HarConfig
from pipeline.sinks.http.client import TlsOptions
from pipeline.sinks.http.sink import HttpSinkConfig
from pipeline.sinks.stdout import StdoutConfig

PAGE = (Path(__file__).parents[3] / "docs" / "sinks.md").read_text()
ROWS = dict(re.findall(r"^\| `([a-z_.*]+)` \|\s*([^|]*?)\s*\|", PAGE, re.MULTILINE))
WORDS = {"all", "none", "never", "no limit", ""}


@pytest.mark.parametrize(
    ("model", "prefix"),
    [
        (StdoutConfig, ""),
        (FileConfig, ""),
        (HarConfig, ""),
        (HttpSinkConfig, ""),
        (RotateOptions, "rotate."),
        (TlsOptions, "tls."),
        (EncodingOptions, "encoding."),
    ],
)
def test_every_option_stands_on_the_page(model: type[BaseModel], prefix: str) -> None:
    """Name and default of each option, as the model has them."""
    for name, field in model.model_fields.items():
        if isinstance(field.default, BaseModel):
            assert any(row.startswith(f"{name}.") for row in ROWS), name
            continue
        told = ROWS[f"{prefix}{name}"].strip("`")
        if field.is_required() or field.get_default(call_default_factory=True) in (None, {}):
            assert told in WORDS, name
        elif isinstance(field.default, tuple):
            assert told == ", ".join(str(each) for each in field.default), name
        else:
            assert told == (f'"{field.default}"' if isinstance(field.default, str) else str(field.default).lower()), name


def test_no_option_is_told_that_is_not_there() -> None:
    """Each row is an option of one of the models."""
    models = (StdoutConfig, FileConfig, HarConfig, HttpSinkConfig)
    names = {"encoding.*", *(name for model in models for name in model.model_fields)}
    names |= {f"rotate.{name}" for name in RotateOptions.model_fields} | {f"tls.{name}" for name in TlsOptions.model_fields}
    names |= {f"encoding.{name}" for name in EncodingOptions.model_fields}
    assert set(ROWS) <= names

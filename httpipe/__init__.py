"""Everything that the author of a plugin imports: ``from httpipe import Sink``. Nothing else is public.

The names are those of ``pipeline.api``, where their contracts stand, and what components of our own are written with: codecs,
``flat``, templates and expressions. The latter are imported when they are first asked for, since start-up pays for each
import. The test kit is ``httpipe.testing``.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from pipeline import api as _api
from pipeline.api import *  # noqa: F403  its names are listed there, and only there
from pipeline.decorators import sink, transform

if TYPE_CHECKING:
    from pipeline.codecs.flat import flat
    from pipeline.codecs.options import DecodingOptions, EncodingOptions
    from pipeline.codecs.registry import Codec, Decoder, codec, decoder
    from pipeline.expressions.condition import Condition, compile_condition
    from pipeline.expressions.errors import ExpressionError
    from pipeline.expressions.template import SanitisedTemplate, Template, compile_sanitised, compile_template
    from pipeline.expressions.value import Value, compile_value

_LATER = {
    "Codec": "pipeline.codecs.registry",
    "codec": "pipeline.codecs.registry",
    "Decoder": "pipeline.codecs.registry",
    "decoder": "pipeline.codecs.registry",
    "EncodingOptions": "pipeline.codecs.options",
    "DecodingOptions": "pipeline.codecs.options",
    "flat": "pipeline.codecs.flat",
    "Condition": "pipeline.expressions.condition",
    "compile_condition": "pipeline.expressions.condition",
    "ExpressionError": "pipeline.expressions.errors",
    "Template": "pipeline.expressions.template",
    "SanitisedTemplate": "pipeline.expressions.template",
    "compile_template": "pipeline.expressions.template",
    "compile_sanitised": "pipeline.expressions.template",
    "compile_value": "pipeline.expressions.value",
    "Value": "pipeline.expressions.value",
}

__all__ = [
    "Codec",
    "Condition",
    "Decoder",
    "DecodingOptions",
    "EncodingOptions",
    "ExpressionError",
    "SanitisedTemplate",
    "Template",
    "Value",
    "codec",
    "compile_condition",
    "compile_sanitised",
    "compile_template",
    "compile_value",
    "decoder",
    "flat",
    "sink",
    "transform",
]
__all__ += _api.__all__


if not TYPE_CHECKING:  # else every name would exist to a type checker

    def __getattr__(name: str) -> object:
        """A name that is imported when it is first asked for (PEP 562)."""
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(_LATER[name]), name)
        return value

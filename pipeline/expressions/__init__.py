"""The language of ``where``, ``key`` and ``value``: a subset of Python's expressions over the field names.

In goes the text of an expression, out comes compiled Python: a test of one event, a selection from a batch, or a value.
Everything wrong with the text is found here, before any event is seen; nothing raises afterwards, whatever an event holds.
"""

from pipeline.expressions.condition import Condition, compile_condition, compile_filter
from pipeline.expressions.errors import ExpressionError
from pipeline.expressions.template import SanitisedTemplate, Template, compile_sanitised, compile_template
from pipeline.expressions.value import Value, compile_value

__all__ = [
    "Condition",
    "ExpressionError",
    "SanitisedTemplate",
    "Template",
    "Value",
    "compile_condition",
    "compile_filter",
    "compile_sanitised",
    "compile_template",
    "compile_value",
]

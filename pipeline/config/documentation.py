"""The docstring under a field of a model, as the field's description: for pages, lists and schemas.

In: a model. Out: the same model, described. Pydantic can do this itself when a class is made (``use_attribute_docstrings``), but
then every start of httpipe pays for it: it parses the source of every model again, a tenth of the time to the first packet.
"""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from functools import cache

from pydantic import BaseModel


@cache
def documented(model: type[BaseModel]) -> type[BaseModel]:
    """The model, its fields and those of the models inside it described by their docstrings."""
    for field in model.model_fields.values():
        for inner in models_in(field.annotation):
            documented(inner)
    texts = {name: text for owner in reversed(model.__mro__) for name, text in _docstrings(owner).items()}
    for name, field in model.model_fields.items():
        if field.description is None and name in texts:
            field.description = texts[name]
    model.model_rebuild(force=True)
    return model


def models_in(annotation: object) -> Iterator[type[BaseModel]]:
    """The models in an annotation, looking into unions, lists and the like."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in getattr(annotation, "__args__", ()):
        yield from models_in(part)


def _docstrings(owner: type) -> dict[str, str]:
    """Names that are annotated in a class and followed by a string."""
    if not issubclass(owner, BaseModel) or owner is BaseModel:
        return {}
    try:
        [tree] = ast.parse(textwrap.dedent(inspect.getsource(owner))).body
    except (OSError, TypeError, SyntaxError, ValueError):
        return {}  # a class without a source: typed in, or made at run time
    if not isinstance(tree, ast.ClassDef):
        return {}
    found = {}
    for field, following in zip(tree.body, tree.body[1:], strict=False):
        match field, following:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = inspect.cleandoc(text)
            case _:
                pass
    return found

"""The short way: a function with a decorator is a whole component.

The decorator's result is a class like any other; it stands in the entry points under the name it was given, and its docstring
is the function's. ``api_version`` is the version of the contract that the function was written for. The function takes what
comes first (the batch, or one exchange), then the checked options where it was given ``config=Model``, then the component's
``Context`` where it was given ``context=True``.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from inspect import iscoroutinefunction, isfunction
from types import MappingProxyType
from typing import Any, Literal, TypeVar, overload

from pydantic import BaseModel

from pipeline.api import DEFAULT, Context, Event, Exchange, FieldType, NoConfig, Outputs, Sink, Transform

C = TypeVar("C", bound=BaseModel)

Function = Callable[..., Any]
Events = Sequence[Event]


@overload
def sink(
    name: str, *, api_version: int, context: Literal[False] = False
) -> Callable[[Callable[[Events], Awaitable[None]]], type[Sink]]: ...
@overload
def sink(
    name: str, *, api_version: int, context: Literal[True]
) -> Callable[[Callable[[Events, Context], Awaitable[None]]], type[Sink]]: ...
@overload
def sink(
    name: str, *, api_version: int, config: type[C], context: Literal[False] = False
) -> Callable[[Callable[[Events, C], Awaitable[None]]], type[Sink]]: ...
@overload
def sink(
    name: str, *, api_version: int, config: type[C], context: Literal[True]
) -> Callable[[Callable[[Events, C, Context], Awaitable[None]]], type[Sink]]: ...
def sink(
    name: str, *, api_version: int, config: type[BaseModel] | None = None, context: bool = False
) -> Callable[[Function], type[Sink]]:
    """Make a sink of an async function that delivers one batch: ``async def slack(batch) -> None``.

    It may raise what ``Sink.write`` may. ``context.delivery`` tells which batch it is given and which attempt this is.
    """

    def decorate(function: Function) -> type[Sink]:
        if isfunction(function) and not hasattr(function, "__wrapped__") and not iscoroutinefunction(function):
            raise TypeError(f"a sink's function waits for the other end: write `async def {function.__name__}`")

        class FunctionSink(Sink):
            Config = config or NoConfig

            def __init__(self, config: BaseModel, context: Context) -> None:
                self._extra = extra(config, context)

            async def write(self, batch: Sequence[Event]) -> None:
                await function(batch, *self._extra)

        extra = _extra(config is not None, context)
        return _named(FunctionSink, function, name, api_version)

    return decorate


@overload
def transform(
    name: str,
    *,
    api_version: int,
    context: Literal[False] = False,
    adds: Mapping[str, FieldType] = ...,
    batched: Literal[False] = False,
) -> Callable[[Callable[[Exchange], Event | None]], type[Transform]]: ...
@overload
def transform(
    name: str, *, api_version: int, context: Literal[True], adds: Mapping[str, FieldType] = ..., batched: Literal[False] = False
) -> Callable[[Callable[[Exchange, Context], Event | None]], type[Transform]]: ...
@overload
def transform(
    name: str,
    *,
    api_version: int,
    config: type[C],
    context: Literal[False] = False,
    adds: Mapping[str, FieldType] = ...,
    batched: Literal[False] = False,
) -> Callable[[Callable[[Exchange, C], Event | None]], type[Transform]]: ...
@overload
def transform(
    name: str,
    *,
    api_version: int,
    config: type[C],
    context: Literal[True],
    adds: Mapping[str, FieldType] = ...,
    batched: Literal[False] = False,
) -> Callable[[Callable[[Exchange, C, Context], Event | None]], type[Transform]]: ...
@overload
def transform(
    name: str, *, api_version: int, context: Literal[False] = False, adds: Mapping[str, FieldType] = ..., batched: Literal[True]
) -> Callable[[Callable[[Events], Events]], type[Transform]]: ...
@overload
def transform(
    name: str, *, api_version: int, context: Literal[True], adds: Mapping[str, FieldType] = ..., batched: Literal[True]
) -> Callable[[Callable[[Events, Context], Events]], type[Transform]]: ...
@overload
def transform(
    name: str,
    *,
    api_version: int,
    config: type[C],
    context: Literal[False] = False,
    adds: Mapping[str, FieldType] = ...,
    batched: Literal[True],
) -> Callable[[Callable[[Events, C], Events]], type[Transform]]: ...
@overload
def transform(
    name: str,
    *,
    api_version: int,
    config: type[C],
    context: Literal[True],
    adds: Mapping[str, FieldType] = ...,
    batched: Literal[True],
) -> Callable[[Callable[[Events, C, Context], Events]], type[Transform]]: ...
def transform(  # noqa: PLR0913  each is a word of its own in the decorator
    name: str,
    *,
    api_version: int,
    config: type[BaseModel] | None = None,
    context: bool = False,
    adds: Mapping[str, FieldType] = MappingProxyType({}),
    batched: bool = False,
) -> Callable[[Function], type[Transform]]:
    """Make a transform of a function of one exchange: what it returns goes on, None discards the exchange.

    Events of other kinds pass by untouched. With ``batched=True`` it is a function of a batch that returns a batch, and sees
    every kind of event. ``adds`` declares the attributes it adds, with their types, so that ``httpipe validate`` knows them
    downstream.
    """

    def decorate(function: Function) -> type[Transform]:
        if iscoroutinefunction(function):
            raise TypeError(f"a transform's function does no I/O: write `def {function.__name__}`, without `async`")

        class FunctionTransform(Transform):
            Config = config or NoConfig

            def __init__(self, config: BaseModel, context: Context) -> None:
                self.adds = adds
                self._extra = extra(config, context)

            def process(self, batch: Sequence[Event]) -> Outputs:
                if batched:
                    return {DEFAULT: function(batch, *self._extra)}
                made = [function(event, *self._extra) if isinstance(event, Exchange) else event for event in batch]
                return {DEFAULT: [event for event in made if event is not None]}

        extra = _extra(config is not None, context)
        return _named(FunctionTransform, function, name, api_version)

    return decorate


def _extra(wants_config: bool, wants_context: bool) -> Callable[[BaseModel, Context], tuple[Any, ...]]:  # noqa: FBT001
    """What the function takes beside its first argument."""
    return lambda config, context: (*((config,) if wants_config else ()), *((context,) if wants_context else ()))


K = TypeVar("K", bound=type[Sink] | type[Transform])


def _named(component: K, function: Function, name: str, api_version: int) -> K:
    """Dress a generated class as the function it was made of, for messages, documentation and pickling."""
    component.__name__ = function.__name__
    component.__qualname__ = function.__qualname__
    component.__module__ = function.__module__
    component.__doc__ = function.__doc__
    component.plugin_name = name
    component.api_version = api_version
    return component

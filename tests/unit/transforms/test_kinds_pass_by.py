"""A transform that declares which kinds it takes lets the others pass, in their place; rights and books stay true."""

from collections.abc import Sequence

import pytest

from pipeline.api import DEFAULT, Context, Event, Exchange, Measurement, Outputs, Transform
from pipeline.testing.transforms import Driven, exchange
from pipeline.transforms.match_list import MatchList
from pipeline.transforms.passing import process
from pipeline.transforms.template_path import TemplatePath
from pipeline.transforms.trace import Trace


class Odd(Transform):
    """Takes exchanges only, and gives each second one to another output."""

    api_version = 1
    takes = ("http.exchange",)
    outputs = ("second",)

    def __init__(self, config: object, context: Context) -> None:
        self.made_of = config, context
        self.batches: list[int] = []

    def process(self, batch: Sequence[Event]) -> Outputs:
        """Every one must be an exchange."""
        assert all(isinstance(event, Exchange) for event in batch)
        self.batches.append(len(batch))
        return {DEFAULT: [event.with_attributes(seen=True) for event in batch[::2]], "second": batch[1::2]}


def test_others_pass_by_in_order() -> None:
    """What is not taken stands where it stood between what the transform made of its neighbours."""
    transform = Odd(None, Context("odd"))
    measurement, unknown = Measurement(2), Event(5, {"event.name": "http.exchange.not"})
    outputs, given = process(transform, [Exchange(1), measurement, Exchange(3), Exchange(4), unknown])
    assert [event.timestamp_ns for event in outputs[DEFAULT]] == [1, 2, 3, 5]
    assert [event.timestamp_ns for event in outputs["second"]] == [4]
    assert outputs[DEFAULT][1] is measurement
    assert outputs[DEFAULT][3] is unknown
    assert (given, transform.batches) == (3, [1, 2])


def test_a_batch_that_is_all_taken_is_handed_over_as_it_is() -> None:
    """No run is made of it: the transform sees the very same batch."""
    transform = Odd(None, Context("odd"))
    outputs, given = process(transform, [Exchange(1), Exchange(2)])
    assert (given, transform.batches, len(outputs[DEFAULT])) == (2, [2], 1)


@pytest.mark.parametrize(
    ("component", "options"),
    [(Trace, {}), (TemplatePath, {}), (MatchList, {"entries": ["/x"], "otherwise": "allowed"})],
)
def test_what_reads_requests_leaves_measurements_alone(component: type[Transform], options: dict[str, object]) -> None:
    """Even where its attributes have the names of an exchange's fields."""
    measurement = Measurement(2, {"url.path": "/x", "http.request.header.x-request-id": ("a",)})
    driven = Driven(component, options)
    first, second, third = driven.run(exchange(0), measurement, exchange(1))
    assert second is measurement
    assert (first.timestamp_ns, third.timestamp_ns) == (exchange(0).timestamp_ns, exchange(1).timestamp_ns)

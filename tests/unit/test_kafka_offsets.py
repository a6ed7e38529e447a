"""Offsets: what may be committed, and when."""

from pipeline.sources.kafka.offsets import Offsets, Partition

A, B = Partition("t", 0), Partition("t", 1)


def test_nothing_is_committed_before_it_is_settled() -> None:
    """Handing out alone commits nothing; acknowledging a batch covers all before it."""
    offsets = Offsets()
    offsets.assign([A, B])
    offsets.hand_out({A: 10})
    second = offsets.hand_out({A: 20, B: 5})
    third = offsets.hand_out({B: 9})
    assert offsets.to_commit() == {}
    offsets.acknowledge(second)
    assert offsets.to_commit() == {A: 20, B: 5}
    offsets.committed({A: 20, B: 5})
    assert offsets.to_commit() == {}
    assert offsets.unacknowledged([B])
    assert not offsets.unacknowledged([A])
    offsets.acknowledge(third)
    assert offsets.to_commit() == {B: 9}
    assert not offsets.unacknowledged([A, B])


def test_what_was_handed_out_in_an_earlier_term_is_not_committed() -> None:
    """A partition that was taken away and given back starts afresh: late settlements of the old term count for nothing."""
    offsets = Offsets()
    offsets.assign([A, B])
    old = offsets.hand_out({A: 10, B: 10})
    offsets.revoke([A])
    offsets.assign([A])
    assert not offsets.unacknowledged([A])
    offsets.acknowledge(old)
    assert offsets.to_commit() == {B: 10}
    new = offsets.hand_out({A: 4})
    offsets.acknowledge(new)
    assert offsets.to_commit() == {A: 4, B: 10}


def test_partitions_that_are_not_ours_are_left_alone() -> None:
    """Records of a partition that left while they were on their way are nobody's to commit."""
    offsets = Offsets()
    offsets.assign([A])
    number = offsets.hand_out({A: 1, B: 7})
    offsets.acknowledge(number)
    assert offsets.to_commit() == {A: 1}
    assert offsets.owns(A)
    assert not offsets.owns(B)

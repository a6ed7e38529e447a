"""Whether two patterns of file names can meet, against all names that they give."""

from itertools import product

from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.model.file_names import FileNames, Place
from pipeline.topology.overlap import common_name

LONGEST = 4

places = st.builds(Place, st.frozensets(st.sampled_from("ab/"), min_size=1), st.booleans())
patterns = st.lists(places, max_size=LONGEST).map(lambda made: FileNames(tuple(made)))


def given_by(names: FileNames) -> set[str]:
    """Every name of at most so many letters, each place repeated as often as that allows."""
    found = {""}
    for place in names.places:
        runs = range(LONGEST + 1) if place.repeated else range(1, 2)
        ends = {"".join(run) for count in runs for run in product(sorted(place.letters), repeat=count)}
        found = {name + end for name in found for end in ends if len(name + end) <= LONGEST}
    return found


A = frozenset("a")


@given(patterns, patterns)
@example(FileNames((Place(A, repeated=True), Place(A))), FileNames((Place(A), Place(A, repeated=True), Place(A, repeated=True))))
def test_a_common_name_is_found_exactly_where_there_is_one(left: FileNames, right: FileNames) -> None:
    """It is one that both give, and the shortest."""
    common = given_by(left) & given_by(right)
    found = common_name(left, right)
    assert common_name(right, left) is None if found is None else found is not None
    if common:
        assert found in common
        assert len(found) == min(map(len, common))
    else:
        assert found is None or len(found) > LONGEST

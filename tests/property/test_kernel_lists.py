"""Lists compiled for the kernel say of any request what lists in Python say."""

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.expressions.errors import ExpressionError
from pipeline.expressions.patterns import glob_test
from pipeline.lists.automaton import Automaton
from pipeline.lists.entry import parse_entry
from pipeline.lists.glob_places import variants
from pipeline.lists.kernel import Unheld, compile_lists
from pipeline.lists.path import canonical_path
from pipeline.lists.urls import UrlList
from tests.kernel_lists import found

LETTERS = "ab/é€𐍈-"
PIECES = ("a", "b", "/", "é", "€", "𐍈", "*", "**", "?", "[ab]", "[!a]", "[-a]", "[!-b]", "x", "\n")
WIDE = ("[^é]", "[a-é]", "[€-𐍈/]", "[é€]", "[!€-𐍈]")
HOSTS = ("", "a.example", "x.a.example", "y.x.a.example", "b.example", "example")
METHODS = ("", "GET", "POST")

globs = st.lists(st.sampled_from(PIECES), max_size=7).map("".join)
# Not between two stars, where those that are negated do not fit: docs/firewall.md.
wide = (
    st.tuples(st.sampled_from(("*", "/**")), st.sampled_from(WIDE), st.sampled_from(("", "b")))
    | st.tuples(st.sampled_from(("", "a")), st.sampled_from(WIDE), st.sampled_from(("", "b", "*", "**")))
).map("".join)
texts = st.text(st.sampled_from(LETTERS + "\n"), max_size=10)
paths = st.lists(st.sampled_from(("a", "b", "é", "/", "x", "/a/", "/b/")), max_size=8).map(lambda parts: "/" + "".join(parts))


@settings(max_examples=60)
@given(st.lists(globs | wide, min_size=1, max_size=3), st.lists(texts, min_size=1, max_size=20))
def test_the_automaton_is_the_globs(patterns: list[str], subjects: list[str]) -> None:
    """Any text is accepted by one of the globs that RE2 says it fits, and by none where it fits none."""
    automaton = Automaton()
    first = automaton.add((places, number) for number, glob in enumerate(patterns, 1) for places in variants(glob))
    for text in subjects:
        entry = automaton.accepted(first, text.encode())
        fitting = [number for number, glob in enumerate(patterns, 1) if glob_test(glob)(text)]
        assert entry in fitting if fitting else entry == 0


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from(METHODS), st.sampled_from(("", "*.")), st.sampled_from(HOSTS), globs), max_size=6),
    st.lists(st.tuples(st.sampled_from(("GET", "POST", "PUT")), st.sampled_from(HOSTS), paths), min_size=1, max_size=10),
)
def test_the_kernel_and_python_agree(lines: list[tuple[str, str, str, str]], requests: list[tuple[str, str, str]]) -> None:
    """The same verdict for any request, and an entry that fits it; where no glob is involved the same entry."""
    entries = []
    for method, below, host, glob in lines:
        text = f"{method} {below + host if host else ''}/{glob}".strip()
        try:
            entries.append(parse_entry(text))
        except ExpressionError:
            continue
    urls = UrlList(entries)
    try:
        compiled = compile_lists(urls, None)
    except Unheld:
        return
    for method, host, path in requests:
        ours, theirs = found(compiled, method, host, canonical_path(path)), urls.find(method, host, canonical_path(path))
        assert (ours is None) == (theirs is None)
        if ours is not None:
            assert UrlList([parse_entry(ours)]).find(method, host, canonical_path(path)) == ours
        if not any(char in entry.path.removesuffix("**") for entry in entries for char in "*?["):
            assert ours == theirs

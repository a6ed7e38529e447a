"""The topology as text: a tree for terminals, DOT for Graphviz, Mermaid for Markdown. In: a plan. Pure."""

from collections.abc import Iterator

from pipeline.topology.plan import Plan


def tree(plan: Plan) -> str:
    """Each source with all that it feeds below it. What several components feed is shown once, and named again after that."""
    shown: set[str] = set()
    found: list[str] = []
    for name in plan.sources:
        found.append(_label(plan, name))
        found += _below(plan, name, "", shown)
    return "\n".join(found)


def dot(plan: Plan) -> str:
    """A digraph for Graphviz."""
    shapes = {"source": "house", "transform": "box", "sink": "invhouse"}
    nodes = [f'  {name} [label="{name}\\n{_type(plan, name)}", shape={shapes[_kind(plan, name)]}];' for name in _names(plan)]
    labels = {output: f' [label="{output}"]' if output else "" for _, output, _ in _edges(plan)}
    edges = [f"  {start} -> {end}{labels[output]};" for start, output, end in _edges(plan)]
    return "\n".join(["digraph pipeline {", "  rankdir=LR;", *nodes, *edges, "}"])


def mermaid(plan: Plan) -> str:
    """A flowchart for Markdown."""
    forms = {"source": '(["{}"])', "transform": '["{}"]', "sink": '[("{}")]'}
    nodes = [f"  {name}{forms[_kind(plan, name)].format(f'{name}<br/>{_type(plan, name)}')}" for name in _names(plan)]
    edges = [f"  {start} -->{f'|{output}|' if output else ''} {end}" for start, output, end in _edges(plan)]
    return "\n".join(["flowchart LR", *nodes, *edges])


def _below(plan: Plan, name: str, indent: str, shown: set[str]) -> Iterator[str]:
    followers = [(output, end) for start, output, end in _edges(plan) if start == name]
    for index, (output, end) in enumerate(followers):
        branch, rest = ("└─ ", "   ") if index == len(followers) - 1 else ("├─ ", "│  ")
        again = end in shown and any(start == end for start, _, _ in _edges(plan))
        yield f"{indent}{branch}{f'{output} → ' if output else ''}{_label(plan, end)}{' (see above)' if again else ''}"
        if not again:
            shown.add(end)
            yield from _below(plan, end, indent + rest, shown)


def _edges(plan: Plan) -> Iterator[tuple[str, str, str]]:
    """From whom, by which named output, to whom."""
    for output, consumers in plan.consumers.items():
        start, _, name = output.partition(".")
        for consumer in consumers:
            yield start, name, consumer


def _names(plan: Plan) -> list[str]:
    return [*plan.sources, *plan.transforms, *plan.sinks]


def _kind(plan: Plan, name: str) -> str:
    return "source" if name in plan.sources else "transform" if name in plan.transforms else "sink"


def _type(plan: Plan, name: str) -> str:
    spec = plan.sources.get(name) or plan.transforms.get(name) or plan.sinks[name]
    return spec.type


def _label(plan: Plan, name: str) -> str:
    return f"{name} ({_type(plan, name)})"

"""``${VAR}`` in the string values of a parsed tree.

In: the tree that TOML gave and the environment. Out: the same tree with the values filled in, and every problem found. It
never touches keys or structure, so that no variable can add an option; and it never looks into what it has put in, so that
no variable can name another.

``${VAR}`` must be set; ``${VAR:-default}`` takes the default where VAR is unset or empty; ``${VAR:?message}`` shows the message
there; ``$${`` stands for a literal ``${``.
"""

import re
from collections.abc import Mapping

from pipeline.errors import Problem, did_you_mean

VARIABLE = r"(?P<literal>\$\$\{)|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::(?P<operator>[-?])(?P<argument>[^}]*))?\}|(?P<bad>\$\{)"


def interpolate(tree: object, environment: Mapping[str, str]) -> tuple[object, list[Problem]]:
    """The tree with its variables filled in, and what was wrong with them; a value with a problem is left as it was."""
    problems: list[Problem] = []
    return _walk(tree, "", environment, problems), problems


def _walk(node: object, path: str, environment: Mapping[str, str], problems: list[Problem]) -> object:
    match node:
        case str() if "${" in node:
            return _fill(node, path, environment, problems)
        case dict():
            return {key: _walk(value, f"{path}.{key}".lstrip("."), environment, problems) for key, value in node.items()}
        case list():
            return [_walk(value, f"{path}.{index}", environment, problems) for index, value in enumerate(node)]
        case _:
            return node


def _fill(text: str, path: str, environment: Mapping[str, str], problems: list[Problem]) -> str:
    def value_of(found: re.Match[str]) -> str:
        if found["literal"]:
            return "${"
        if found["bad"]:
            message = "is not a variable; write ${NAME}, ${NAME:-default} or ${NAME:?message}, and $${ for a literal ${"
            problems.append(Problem(path, f'"{text}" {message}'))
            return found[0]
        name, operator, argument = found["name"], found["operator"], found["argument"]
        value = environment.get(name)
        if value or (value is not None and operator is None):
            return value
        if operator == "-":
            return str(argument)
        state = "is empty" if value is not None else "is not set"
        hint = f": {argument}" if argument else did_you_mean(name, environment)
        problems.append(Problem(path, f"environment variable {name} {state}{hint}"))
        return found[0]

    return re.sub(VARIABLE, value_of, text)

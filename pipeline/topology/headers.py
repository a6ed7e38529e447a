"""Headers that transforms read and nothing upstream reports: warnings, since such a condition would never be met.

In: drafts and their wiring. Out: warnings that name the option to add.
"""

from collections.abc import Mapping

from pipeline.api import Emits, Source, Transform
from pipeline.config.options import DecodeOptions
from pipeline.errors import did_you_mean
from pipeline.topology.components import Draft
from pipeline.topology.graph import Wiring

REQUEST, RESPONSE = "http.request.header.", "http.response.header."


def unreported_headers(drafts: Mapping[str, Draft], wiring: Wiring) -> list[str]:
    """One warning for each group of headers of which a transform needs one."""
    return [warning for draft in drafts.values() for warning in _unreported(draft, drafts, wiring)]


def _unreported(draft: Draft, drafts: Mapping[str, Draft], wiring: Wiring) -> list[str]:
    upstream = [drafts[each] for each in wiring.order if each in wiring.upstream(draft.id)]
    sources = [each for each in upstream if each.entry.kind == "sources"]
    if not isinstance(draft.instance, Transform) or not sources or not all(map(_reports_only_what_is_asked_for, sources)):
        return []
    given = {name for source in sources for name in _reported(source)}
    given |= {name.lower() for each in upstream if isinstance(each.instance, Transform) for name in each.instance.adds_headers}
    found = []
    for names in draft.instance.reads:
        if given.isdisjoint(names):
            option = "request_headers" if names[0].startswith(REQUEST) else "response_headers"
            headers = [name.rpartition(".header.")[2] for name in names]
            listed = ", ".join(f'"{header}"' for header in headers)
            where = " or ".join(f"[{source.entry.path}]" for source in sources)
            subject = f"reads {names[0]}, which is not" if len(names) == 1 else "reads one of these headers, none of which is"
            near = did_you_mean(headers[0], {name.rpartition(".header.")[2] for name in given}) if len(names) == 1 else ""
            hint = f"{near.rstrip('?')}, which is? Else add" if near else "; add"
            found.append(f"{draft.entry.path}: {subject} reported{hint} {option} = [{listed}] to {where}")
    return found


def _reports_only_what_is_asked_for(source: Draft) -> bool:
    known = source.options.get(DecodeOptions) is not None  # None: some of them are wrong, and reported
    return isinstance(source.instance, Source) and known and source.instance.emits is not Emits.EITHER


def _reported(source: Draft) -> set[str]:
    options = source.options[DecodeOptions]
    named = ((REQUEST, options.request_headers), (RESPONSE, options.asked_of_responses))
    return {family + name.lower() for family, names in named for name in names}

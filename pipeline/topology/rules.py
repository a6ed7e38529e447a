"""Rules that no single table can check: dead letters, queues that contradict themselves, components that nothing reaches.

In: drafts and their wiring. Out: problems, which forbid the run, and warnings, which do not.
"""

from collections.abc import Mapping, Sequence

from pipeline.api import Sink, Source
from pipeline.config.options import WhenFull
from pipeline.config.words import shown
from pipeline.errors import Problem, did_you_mean
from pipeline.model.effects import Needs, in_vain
from pipeline.topology.components import Draft
from pipeline.topology.graph import Wiring, owner_of
from pipeline.topology.headers import unreported_headers


def _dead_letter(draft: Draft) -> str | None:
    match draft.entry.kind:
        case "sinks":
            return draft.sink_options.dead_letter
        case "sources":
            return draft.source_options.dead_letter
        case _:
            return None


def dead_letter_problems(sinks: Sequence[Draft], others: Sequence[Draft]) -> list[Problem]:
    """A dead letter goes to another sink that does not, by way of its own dead letter, come back to the one that stalled."""
    by_id = {sink.id: sink for sink in sinks}
    problems = []
    for sink in (*sinks, *(other for other in others if other.entry.kind == "sources")):
        target = _dead_letter(sink)
        where = f"{sink.entry.path}.dead_letter"
        if target is None:
            continue
        if target == sink.id:
            problems.append(Problem(where, f'"{target}" is this sink itself: what it rejects, it would get again'))
        elif target in by_id and sink.id in by_id:
            trail = _trail(sink.id, by_id)
            if trail[-1] == sink.id:
                problems.append(Problem(where, f"dead letters would go round for ever: {' → '.join(trail)}"))
        elif target in by_id:
            continue
        elif any(other.id == target for other in others):
            problems.append(Problem(where, f'"{target}" is not a sink'))
        else:
            near = did_you_mean(target, by_id.keys() - {sink.id}) or f"; there are: {', '.join(by_id)}"
            problems.append(Problem(where, f'no sink "{target}"{near}'))
    return problems


def _trail(start: str, sinks: Mapping[str, Draft]) -> list[str]:
    """Where dead letters of a sink go one after the other, up to a sink that keeps them or one met before."""
    trail = [start]
    while (following := sinks[trail[-1]].sink_options.dead_letter) in sinks and following is not None:
        trail.append(following)
        if following in trail[:-1]:
            break
    return trail


def input_problems(drafts: Sequence[Draft]) -> list[Problem]:
    """Transforms and sinks read something; a sink that takes only dead letters need not say what."""
    dead_letters = {_dead_letter(draft) for draft in drafts}
    outputs = ", ".join(f'"{draft.id}"' for draft in drafts if draft.entry.kind == "sources")
    problems = []
    for draft in drafts:
        if draft.entry.kind == "sources" or draft.entry.table.get("inputs") or draft.id in dead_letters:
            continue
        hint = f"; such as [{outputs}]" if outputs else ""
        stated = "is empty: nothing would ever come" if "inputs" in draft.entry.table else "is required: which components feed it"
        problems.append(Problem(f"{draft.entry.path}.inputs", stated + hint))
    return problems


def queue_problems(sinks: Sequence[Draft]) -> list[Problem]:
    """Options of one sink that contradict each other."""
    problems = []
    for sink in sinks:
        options, at = sink.sink_options, sink.entry.path
        buffer = options.buffer
        needs = (
            Needs(["block_timeout_secs"], 'when_full = "block"', buffer.when_full in ("block", None)),
            Needs(["path"], 'type = "disk"', buffer.type == "disk"),
        )
        problems += [
            Problem(f"{at}.buffer.{'.'.join(place)}", f"{shown(value)} {said}") for place, value, said in in_vain(buffer, *needs)
        ]
        component = sink.component
        if options.isolation != "none" and component and issubclass(component, Sink) and component.wants_packets(sink.config):
            problems.append(
                Problem(f"{at}.isolation", "a sink that writes packets cannot have a process of its own: they are in httpipe's")
            )
        if options.retry.initial_backoff_secs > options.retry.max_backoff_secs:
            first, most = options.retry.initial_backoff_secs, options.retry.max_backoff_secs
            problems.append(
                Problem(f"{at}.retry.initial_backoff_secs", f"{first:g} is more than retry.max_backoff_secs, which is {most:g}")
            )
    return problems


def feeders(sink: Draft, drafts: Mapping[str, Draft], wiring: Wiring) -> list[Draft]:
    """The sources whose events may reach a sink, as events or as dead letters."""
    reached = {sink.id}
    while more := {each.id for each in drafts.values() if each.entry.kind == "sinks" and _dead_letter(each) in reached} - reached:
        reached |= more
    upstream = set().union(*(wiring.upstream(each) for each in reached))
    sources = (each for each in drafts.values() if each.entry.kind == "sources")
    return [source for source in sources if source.id in upstream or _dead_letter(source) in reached]


def is_live(source: Draft) -> bool:
    """Whether the engine cannot slow it down."""
    return source.component is not None and issubclass(source.component, Source) and not source.component.can_wait


def _sees_packets(source: Draft) -> bool:
    return source.component is None or not issubclass(source.component, Source) or source.component.capture != "probe"


def when_full(sink: Draft, sources: Sequence[Draft]) -> WhenFull:
    """What the file says; else reading a file never drops, and a live capture keeps what is fresh."""
    stated = sink.sink_options.buffer.when_full
    return stated or ("drop_oldest" if any(is_live(source) for source in sources) else "block")


def warnings(drafts: Mapping[str, Draft], wiring: Wiring) -> list[str]:
    """What will run, and surprise."""
    read = {owner_of(name) for names in wiring.inputs.values() for name in names}
    found = []
    for draft in drafts.values():
        if draft.fault:
            found.append(f"{draft.entry.path}: {draft.fault}; it does nothing, the rest of the pipeline runs")
        if draft.entry.kind == "sources" and draft.decode_options.tls_handshakes and not _sees_packets(draft):
            found.append(
                f"{draft.entry.path}.tls_handshakes: probes see no handshakes; set it on a source of packets, such as bpf or pcap"
            )
        if isinstance(draft.instance, Source):
            found += [f"{draft.entry.path}: {warning}" for warning in draft.instance.warnings]
        if draft.entry.kind != "sinks" and draft.id not in read:
            found.append(f"{draft.entry.path}: nothing reads it; name it in the inputs of a transform or a sink")
        if draft.entry.kind == "sinks" and draft.sink_options.buffer.when_full == "block":
            live = [source.id for source in feeders(draft, drafts, wiring) if is_live(source)]
            if live:
                names = ", ".join(f'"{name}"' for name in live)
                reason = f'"block" behind the live source {names}, which cannot wait'
                found.append(
                    f"{draft.entry.path}.buffer.when_full: {reason}: while this sink is slow, every sink behind it loses events"
                )
        if draft.entry.kind == "sinks":
            found += _batches_beyond_the_queue(draft)
    return found + unreported_headers(drafts, wiring)


def _batches_beyond_the_queue(sink: Draft) -> list[str]:
    """A batch never grows beyond its queue, and one that waits for company goes out when the queue is half full."""
    batch, buffer = sink.sink_options.batch, sink.sink_options.buffer
    found = []
    for name, asked, holds in (
        ("max_events", batch.max_events, buffer.max_events),
        ("max_bytes", batch.max_bytes, buffer.max_bytes),
    ):
        reached = holds // 2 if batch.timeout_secs else holds
        if asked > reached and (batch.timeout_secs or name in batch.model_fields_set):
            when = ", and batch.timeout_secs ends when half of it is taken" if batch.timeout_secs else ""
            found.append(
                f"{sink.entry.path}.batch.{name}: {asked} is never reached: the queue holds {holds} (buffer.{name}){when}; "
                f"raise buffer.{name} or lower batch.{name} to {reached}"
            )
    return found

"""`httpipe test`: run the tests that stand in pipeline files. Reads capture files and tables, opens no sink, captures nothing."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click

from pipeline.api import Event
from pipeline.cli.completion import files
from pipeline.cli.exit_codes import ExitCode
from pipeline.cli.loading import DEFAULT_FILE, load_to_check, map_table, read_table
from pipeline.errors import ConfigError, InputError, Problem
from pipeline.topology.case_runner import Outcome, run_case
from pipeline.topology.cases import Case
from pipeline.topology.plan import Plan


@click.command()
@click.argument("files", nargs=-1, metavar="[FILE]…", shell_complete=files)
def test(*, files: tuple[str, ...]) -> int:
    """Run the [[tests]] of pipeline files.

    FILE defaults to pipeline.toml. The exit code is 0 when every test passed and 1 when one failed.
    """
    outcomes = [outcome for file in files or (DEFAULT_FILE,) for outcome in run_file(file)]
    failed = sum(bool(outcome.failures) for outcome in outcomes)
    words = f"{len(outcomes)} test{'' if len(outcomes) == 1 else 's'}"
    click.echo(f"{words}, {failed} failed" if failed else f"{words}, all passed" if outcomes else "no tests")
    return ExitCode.TESTS_FAILED if failed else ExitCode.OK


def run_file(file: str) -> list[Outcome]:
    """Run the tests of one file and print the result of each."""
    plan, found = load_to_check(file)
    outcomes = []
    for index, case in enumerate(found):
        outcome = run_case(case, _events(case, index, plan, file), plan, read_table, map_table)
        outcomes.append(outcome)
        click.echo(
            f"{click.style('ok  ', fg='green') if not outcome.failures else click.style('FAIL', fg='red')}  {outcome.name}"
        )
        for failure in outcome.failures:
            click.echo("\n".join(f"      {line}" for line in failure.splitlines()))
    return outcomes


def _events(case: Case, index: int, plan: Plan, file: str) -> Sequence[Event]:
    if case.config.capture is None:
        return case.events
    import anyio  # noqa: PLC0415  only captures need the loop

    path = Path(case.config.capture)
    try:
        return anyio.run(partial(read_capture, path, case.config.insert_at, plan))
    except (OSError, InputError) as error:
        raise ConfigError([Problem(f"tests.{index}.capture", f"{path}: {error}")], file=file) from error


async def read_capture(path: Path, source_id: str, plan: Plan) -> list[Event]:
    """The exchanges of a capture file, decoded as the named source would decode them."""
    from pipeline.api import Context, RecordBatch  # noqa: PLC0415  as above
    from pipeline.config.options import DecodeOptions  # noqa: PLC0415
    from pipeline.decode.decoder import Decoder  # noqa: PLC0415
    from pipeline.sources.pcap.config import PcapConfig  # noqa: PLC0415
    from pipeline.sources.pcap.source import PcapSource  # noqa: PLC0415

    spec = plan.sources.get(source_id)
    options = spec.decode if spec is not None and spec.decode is not None else DecodeOptions()
    decoder = Decoder(
        options,
        source=source_id,
        capture=(spec.component if spec else PcapSource).capture,
        keep_heads=bool(spec and spec.keep_heads),
    )
    source = PcapSource(PcapConfig(path=str(path)), Context(source_id))
    await source.open()
    try:
        events: list[Event] = []
        async for batch in source.batches():
            if isinstance(batch, RecordBatch):
                events += decoder.feed(batch.records)
        return [*events, *decoder.finish()]
    finally:
        await source.aclose()

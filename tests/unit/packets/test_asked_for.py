"""Who asks for packets: sinks of their sources, the page of all; and who cannot have them."""

import click
import pytest

from pipeline.cli.traffic import plan_of

FILES = '[sources.a]\ntype = "pcap"\npath = "a.pcap"\n[sources.b]\ntype = "pcap"\npath = "b.pcap"\n'
PRINTED = '[sinks.printed]\ntype = "null"\ninputs = ["a", "b"]\n'
WRITTEN = '[sinks.written]\ntype = "pcapng"\ninputs = ["t"]\npath = "x.pcapng"\n'
STEP = '[transforms.t]\ntype = "filter"\ninputs = ["a"]\nwhere = "status >= 500"\n'


def kept(text: str) -> dict[str, int]:
    """How many bytes are kept of each source."""
    return {name: source.keep_packets for name, source in plan_of(text).sources.items()}


def test_packets_are_kept_of_those_sources_of_which_somebody_wants_them() -> None:
    """The most that is asked for; without anybody none."""
    assert kept(FILES + PRINTED) == {"a": 0, "b": 0}
    assert kept(FILES + PRINTED + STEP + WRITTEN) == {"a": 64 << 20, "b": 0}
    assert kept(FILES + PRINTED + STEP + WRITTEN + "keep_bytes = 65536\n[ui]\npackets_bytes = 100000\n") == {
        "a": 100_000,
        "b": 100_000,
    }
    stdout = '[sinks.o]\ntype = "stdout"\ninputs = ["b"]\nformat = "pcapng"\nkeep_bytes = 70000\n'
    assert kept(FILES + PRINTED + stdout) == {"a": 0, "b": 70_000}


def test_a_process_of_its_own_has_no_packets() -> None:
    """They are in that of the engine."""
    with pytest.raises(click.UsageError, match="a sink that writes packets cannot have a process of its own"):
        plan_of(FILES + PRINTED + STEP + WRITTEN + 'isolation = "process"\n')

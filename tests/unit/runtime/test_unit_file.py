"""The systemd unit in contrib/ fits what the program does."""

from pathlib import Path

from pipeline.config.options import ProcessOptions
from pipeline.runtime.control.paths import own_paths

UNIT = Path(__file__).parents[3] / "contrib" / "httpipe.service"


def settings() -> dict[str, str]:
    """Names and values; every name of interest stands once."""
    lines = [line for line in UNIT.read_text().splitlines() if "=" in line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def test_it_asks_for_the_least() -> None:
    """Three capabilities and no more, as a user of its own, without a way to more."""
    unit = settings()
    assert unit["AmbientCapabilities"] == unit["CapabilityBoundingSet"] == "CAP_NET_RAW CAP_BPF CAP_PERFMON"
    assert unit["User"] == "httpipe"
    assert unit["NoNewPrivileges"] == "yes"


def test_it_speaks_as_the_program_does() -> None:
    """READY and WATCHDOG by sd_notify, folders where queues, files and socket are looked for, time to open and to drain."""
    unit = settings()
    assert unit["Type"] == "notify"
    assert float(unit["WatchdogSec"]) > 0
    assert float(unit["TimeoutStartSec"]) > 0
    assert f"/var/lib/{unit['StateDirectory']}" == ProcessOptions().data_dir
    assert unit["LogsDirectory"] == unit["ConfigurationDirectory"] == unit["RuntimeDirectory"] == "httpipe"
    assert float(unit["TimeoutStopSec"]) > ProcessOptions().shutdown_timeout_secs + 5


def test_its_reload_asks_the_socket_that_its_run_listens_on() -> None:
    """No program of the system's is needed, and the command's end is the reload's."""
    unit = settings()
    program, command, option, socket = unit["ExecReload"].split()
    assert program == unit["ExecStart"].split()[0]
    assert (command, option) == ("reload", "--socket")
    assert socket == own_paths({"RUNTIME_DIRECTORY": f"/run/{unit['RuntimeDirectory']}"})[0]

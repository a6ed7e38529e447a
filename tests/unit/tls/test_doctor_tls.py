"""The table of `httpipe doctor --tls`, and what it says below."""

import json
import os

import pytest
from click.testing import CliRunner

from pipeline.cli.doctor import doctor
from pipeline.cli.doctor_tls import summary, table
from pipeline.sources.tls.survey import Survey, TlsProcess

STRIPPED = "it was stripped of the names of its functions"
JAVA = "Java's own TLS runs in code that the JVM writes while it runs; netty-tcnative and Conscrypt are captured"
PROCESSES = (
    TlsProcess(812, "/usr/sbin/nginx", "openssl", "3.0.19", "/usr/lib/libssl.so.3", attached=True),
    TlsProcess(40811, "/usr/lib/jvm/java-17-openjdk-amd64/bin/java", "jsse", "", "/usr/lib/jvm/libjvm.so", JAVA),
    TlsProcess(90, "/opt/a/very/long/path/to/a/program/that/is/not/short", "rustls", "0.23.37", "/opt/a", STRIPPED),
    TlsProcess(91, "/opt/b", "boringssl", "", "/opt/b", STRIPPED),
    TlsProcess(813, "/usr/bin/curl", "gnutls", "3.7.9", "/usr/lib/libgnutls.so.30"),
)


@pytest.mark.parametrize("width", [60, 80, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    """Paths are cut at their beginning, reasons are wrapped."""
    assert max(map(len, table(PROCESSES, width))) <= width


def test_each_process_has_a_line_and_each_reason_one_place() -> None:
    """Ordered by program; two with the same reason share it."""
    lines = list(table(PROCESSES, 100))
    assert lines[0].split() == ["PID", "EXECUTABLE", "LIBRARY", "CAPTURE"]
    assert [line.split()[0] for line in lines[1:6]] == ["90", "91", "813", "40811", "812"]
    assert lines[1].endswith("rustls 0.23.37  no (1)")
    assert lines[3].endswith("GnuTLS 3.7.9    possible")
    assert lines[5].endswith("OpenSSL 3.0.19  attached")
    assert lines[7] == f"(1) {STRIPPED}"
    assert lines[8].startswith("(2) Java's own TLS")


def test_the_summary_counts_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each once, however many libraries it has; and says what was not seen."""
    twice = (*PROCESSES, TlsProcess(812, "/usr/sbin/nginx", "gnutls", "3.7.9", "/usr/lib/libgnutls.so.30"))
    assert summary(Survey(twice, 0)) == "5 processes speak TLS: 2 can be captured, 1 attached now."
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert summary(Survey((), 1)).splitlines()[1] == "1 process could not be looked at; root can look at more."


def test_as_json() -> None:
    """One object a process and library, with the paths in full; never this process itself."""
    done = CliRunner().invoke(doctor, ["--tls", "--json"], standalone_mode=False)
    assert done.exit_code == 0
    found = [json.loads(line) for line in done.output.splitlines()]
    assert os.getpid() not in {process["pid"] for process in found}
    assert all(process.keys() == {"pid", "executable", "library", "version", "path", "why", "attached"} for process in found)

"""`httpipe print`: the pipeline of a command line, on capture files; its mistakes are those of its options."""

import json
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.cli.exit_codes import ExitCode

pytestmark = pytest.mark.slow  # each starts the command, up to three times

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "examples" / "demo.pcap"

Print = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def printed(tmp_path: Path) -> Print:
    """The command, to its end, in a folder of its own."""

    def run(*arguments: str, stdin: bytes | None = None) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).with_name("httpipe")), "print", *arguments]
        done = subprocess.run(command, cwd=tmp_path, input=stdin, capture_output=True, timeout=60, check=False)
        return subprocess.CompletedProcess(command, done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


def test_a_capture_file_is_printed_line_by_line(printed: Print) -> None:
    """And the summary says how many exchanges there were."""
    done = printed("-r", str(DEMO))
    assert done.returncode == ExitCode.OK, done.stderr
    lines = done.stdout.splitlines()
    assert any("shop.example/api/items" in line for line in lines)
    assert f"{len(lines)} exchanges" in done.stderr


def test_websocket_messages_are_printed_where_they_are_asked_for(printed: Print) -> None:
    """The capture of a real client and a real server; the summary then counts events."""
    capture = ROOT / "tests/replay/captures/aiohttp-websocket.pcap"
    plain = printed("-r", str(capture))
    asked = printed("-r", str(capture), "--websocket-messages")
    assert (len(plain.stdout.splitlines()), len(asked.stdout.splitlines())) == (1, 9)
    assert ("1 exchange seen" in plain.stderr, "9 events seen" in asked.stderr) == (True, True)
    assert "websocket_messages = true" in printed("-r", str(capture), "--websocket-messages", "--as-config").stdout
    sizes = [line.split()[5:8] for line in asked.stdout.splitlines()[1:]]
    assert sizes[:2] == [["3B", "/", "-"], ["-", "/", "3B"]]


def test_packets_of_what_is_wanted_are_a_capture(printed: Print, tmp_path: Path) -> None:
    """Whole connections, from which the same exchanges are read; to a file, to a pipe; of none a whole file, too."""
    asked = ("-r", str(DEMO), "-f", "pcapng")
    done = printed(*asked, "--where", "status >= 500", "-o", "errors.pcapng")
    assert done.returncode == ExitCode.OK, done.stderr
    assert "connections 1" in done.stderr
    failed = printed("-r", str(DEMO), "--where", "status >= 500").stdout
    assert printed("-r", "errors.pcapng", "--where", "status >= 500").stdout == failed != ""
    piped = subprocess.run(
        [*done.args[:2], *asked, "-q"], check=True, capture_output=True, timeout=60, cwd=tmp_path
    )  # everything, through a pipe
    assert sorted(printed("-r", "-", stdin=piped.stdout).stdout.splitlines()) == sorted(
        printed("-r", str(DEMO)).stdout.splitlines()
    )
    printed(*asked, "--where", "status >= 700", "-o", "none.pcapng")
    none = printed("-r", "none.pcapng")
    assert (none.returncode, none.stdout) == (ExitCode.OK, "")
    assert "0 exchanges" in none.stderr


def test_what_is_gone_before_its_exchange_comes_is_counted(printed: Print) -> None:
    """A bound of memory that is too small for a long connection loses its beginning, and says so."""
    capture = ROOT / "tests/replay/captures/curl-nginx-large.pcap.zst"
    done = printed("-r", str(capture), "-f", "pcapng", "-o", "large.pcapng", "--packets", "64KiB")
    assert done.returncode == ExitCode.OK, done.stderr
    assert "connections_without_beginning 1" in done.stderr
    assert "has no effect without --format pcapng" in printed("-r", str(DEMO), "--packets", "1MiB").stderr


def test_curl_commands_are_printed_a_line_each(printed: Print) -> None:
    """As many as exchanges."""
    lines = printed("-r", str(DEMO), "-f", "curl").stdout.splitlines()
    assert len(lines) == len(printed("-r", str(DEMO)).stdout.splitlines())
    assert all("curl -i" in line for line in lines)
    assert "keep_bytes = 1048576" in printed("-f", "pcapng", "--packets", "1MiB", "--as-config").stdout


def test_standard_input_is_a_capture(printed: Print) -> None:
    """As from tcpdump."""
    piped = printed("-r", "-", stdin=DEMO.read_bytes())
    assert piped.stdout == printed("-r", str(DEMO)).stdout != ""


def test_a_condition_and_a_count_choose(printed: Print) -> None:
    """The count is of what is printed, and exact; the run ends with it, and nothing of that is a loss."""
    wanted = printed("-r", str(DEMO), "--where", "status >= 400", "-f", "json").stdout.splitlines()
    assert len(wanted) > 2
    assert all(json.loads(line)["http.response.status_code"] >= 400 for line in wanted)
    few = printed("-r", str(DEMO), "--where", "status >= 400", "-f", "json", "-n", "2")
    assert (few.returncode, few.stdout.splitlines()) == (ExitCode.OK, wanted[:2])
    assert printed("-r", str(DEMO), "--where", "status >= 400", "-f", "json", "-n", "999").stdout.splitlines() == wanted


def test_headers_and_bodies_are_reported_where_they_are_asked_for(printed: Print) -> None:
    """Of both directions."""
    plain = printed("-r", str(DEMO), "-f", "json").stdout
    rich = printed("-r", str(DEMO), "-f", "json", "--headers", "Content-Type, host", "--bodies", "4KiB").stdout
    assert "header.content-type" not in plain
    assert "body.content" not in plain
    assert "http.response.header.content-type" in rich
    assert "http.request.header.host" in rich
    assert "http.response.body.content" in rich


def test_output_goes_to_a_file(printed: Print, tmp_path: Path) -> None:
    """Which is emptied first."""
    (tmp_path / "out.txt").write_text("old\n" * 1000)
    done = printed("-r", str(DEMO), "-o", "out.txt")
    assert (done.returncode, done.stdout) == (ExitCode.OK, "")
    assert (tmp_path / "out.txt").read_text() == printed("-r", str(DEMO)).stdout


def test_output_that_would_destroy_the_input(printed: Print, tmp_path: Path) -> None:
    """The file that is read is not emptied, by whatever name; nor is any other before the input is known to be a capture."""
    shutil.copy(DEMO, tmp_path / "in.pcap")
    (tmp_path / "link").symlink_to("in.pcap")
    done = printed("-r", "in.pcap", "-f", "har", "-o", "link")
    assert (done.returncode, (tmp_path / "in.pcap").read_bytes()) == (ExitCode.USAGE, DEMO.read_bytes())
    assert "--output: link is what --read reads; name another file" in done.stderr
    (tmp_path / "old").write_text("old")
    (tmp_path / "text.pcap").write_text("no capture")
    for wrong in ("absent.pcap", "text.pcap"):
        done = printed("-r", wrong, "-o", "old")
        assert (done.returncode, (tmp_path / "old").read_text()) == (ExitCode.DAMAGED_INPUT, "old")


def test_packets_are_for_their_owner_only(printed: Print, tmp_path: Path) -> None:
    """They hold whatever secrets passed."""
    assert printed("-r", str(DEMO), "-f", "pcapng", "-o", "out.pcapng").returncode == ExitCode.OK
    assert (tmp_path / "out.pcapng").stat().st_mode & 0o777 == 0o600


def test_the_same_as_a_pipeline_file(printed: Print, tmp_path: Path) -> None:
    """What `--as-config` prints is right, and does the same; `${` in a condition stays what it is."""
    arguments = ["-r", str(DEMO), "--where", 'path != "${HOME}\\x7f\\"" and status < 400', "-n", "3", "-f", "json"]
    shown = printed(*arguments, "--as-config", "--for", "5m", "-o", "a b")
    assert shown.returncode == ExitCode.OK, shown.stderr
    assert shown.stdout.startswith("# httpipe run --for 300s FILE > 'a b'\n")
    (tmp_path / "same.toml").write_text(shown.stdout)
    command = [str(Path(sys.executable).with_name("httpipe")), "run", "-q", "same.toml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == printed(*arguments).stdout != ""


def test_https_of_programs_comes_from_a_source_of_its_own(printed: Print) -> None:
    """Whatever is to be reported holds for both sources, and the filter reads both."""
    arguments = ["--tls", "curl", "--tls", "/usr/sbin/nginx", "--where", "status >= 500", "--bodies", "4KiB", "-f", "json"]
    config = tomllib.loads(printed(*arguments, "--as-config").stdout)
    assert config["sources"]["https"] == {
        "type": "tls",
        "executables": ["curl", "/usr/sbin/nginx"],
        "bodies": {"max_bytes": 4096},
    }
    assert config["sources"]["http"]["bodies"] == {"max_bytes": 4096}
    assert config["transforms"]["wanted"]["inputs"] == ["http", "https"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--where", "path.stat"], '--where: unknown field "path.stat"; did you mean "path"?'),
        (["-p", "99999"], "--port: 99999 is not at most 65535"),
        (["-n", "0"], "--count: 0 is not at least 1"),
        (["-i", "eth0", "-i", "any"], '"any" includes all others'),
        (["-f", "json", "--headers", "a b"], '--headers: "a b" does not match'),
        (["--headers", "a"], "--headers has no effect without --format json"),
        (["--bodies", "4KiB"], "--bodies has no effect with --format line"),
        (["-f", "raw", "--bodies", "4 pages"], '"4 pages" is not a size, such as 4096, 4KiB or 1MiB'),
        (["-f", "raw", "--tls-handshakes"], "--tls-handshakes has no effect with --format raw, which shows exchanges only"),
        (["-f", "raw", "--websocket-messages", "--in-progress"], "--websocket-messages has no effect with --format raw"),
        (["--tls", ""], '--tls: "" is empty'),
        (["-r", "x.pcap", "-p", "80"], "choose live traffic"),
        (["-r", "x.pcap", "--tls", "curl"], "--tls watches programs of this host"),
        (["--tls", "bin/curl"], '"bin/curl" fits no path'),
        (["-r", str(DEMO), "-o", "no/such/file"], "there is no folder no/such"),
        (["--for", "soon"], '"soon" is not a time'),
    ],
)
def test_a_mistake_is_one_of_its_option(printed: Print, arguments: list[str], said: str) -> None:
    """Nothing is captured and nothing printed."""
    done = printed(*arguments)
    assert done.returncode == ExitCode.USAGE
    assert said in done.stderr
    assert "Try `httpipe print --help`." in done.stderr
    assert "sources." not in done.stderr
    assert done.stdout == ""


def test_standard_input_that_is_empty_is_an_empty_capture(tmp_path: Path) -> None:
    """`/dev/null` too, which no loop can wait for."""
    command = [str(Path(sys.executable).with_name("httpipe")), "print", "-r", "-"]
    done = subprocess.run(
        command, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == ExitCode.DAMAGED_INPUT
    assert "standard input: empty, there should be a pcap or pcapng header" in done.stderr


def test_a_reader_that_has_seen_enough_ends_it(tmp_path: Path) -> None:
    """`httpipe print | head -1`."""
    command = f"{Path(sys.executable).with_name('httpipe')} print -q -r {DEMO} | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    first, code = done.stdout.splitlines()
    assert "shop.example" in first
    assert code == "0"
    assert done.stderr == ""

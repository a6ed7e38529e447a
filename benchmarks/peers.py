"""httpipe beside other programs that read HTTP from a capture file: the same file, in turn, CPU seconds of each with its start.

``python -m benchmarks peers``: those that are installed; who is missing is named. The best of some rounds, as ratios within this
run, since machines differ. What a program wrote is counted: one that does not see every exchange is compared with nothing. Only
httpipe and Suricata pair requests with responses; tcpdump copies packets and shows what reading and writing alone costs.

Debian 12 packages httpry and tshark, its backports Suricata, GoReplay comes by ``go install``; httpflow has no package.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks import captures
from benchmarks.file_to_file import HTTPIPE, from_capture

EXCHANGES = 100_000
ROUNDS = 3
WANTED = {"httpry": 1.3, "httpflow": 1.7, "goreplay": 3.5, "suricata": 3.5}
"""With keep-alive; with a connection for each exchange 60 % of it."""


IDLE_SECS = 15
"""Enough for GoReplay to read either capture: it waits without using the processor."""


@dataclass(frozen=True)
class Peer:
    """``command`` gets the capture file and a folder; ``found`` counts what the program wrote there."""

    command: Callable[[Path, Path], list[str]]
    found: Callable[[Path], int]
    each: int = 1
    """What it writes for an exchange: 2 where request and response stand apart."""


def lines(pattern: str, match: str = "") -> Callable[[Path], int]:
    """Lines of the files of this name, or those in which something stands."""
    tested = re.compile(match.encode())

    def count(folder: Path) -> int:
        return sum(bool(tested.search(line)) for path in folder.glob(pattern) for line in path.open("rb"))

    return count


PEERS: Mapping[str, Peer] = {
    "httpipe": Peer(lambda file, folder: [HTTPIPE, "run", str(pipeline(file, folder))], lines("out.jsonl")),
    "tcpdump": Peer(
        lambda file, folder: ["tcpdump", "-r", str(file), "-w", f"{folder}/out.pcap"],
        lambda folder: (folder / "out.pcap").stat().st_size,
        each=0,
    ),
    "httpry": Peer(lambda file, folder: ["httpry", "-r", str(file), "-o", f"{folder}/out.txt"], lines("out.txt", r"HTTP/1"), 2),
    "tshark": Peer(
        lambda file, folder: ["sh", "-c", f"tshark -r {file} -Y http -T fields -e frame.number -e http.host >{folder}/out.txt"],
        lines("out.txt"),
        2,
    ),
    "goreplay": Peer(
        # At the end of a file it drops what it has not written yet: so it reads a pipe that stays open until it ends by itself.
        lambda file, folder: [
            "sh", "-c",
            (f"mkfifo in.pcap; (cat {file}; sleep {IDLE_SECS}) >in.pcap & exec goreplay --input-raw {folder}/in.pcap:80"
            " --input-raw-engine pcap_file --input-raw-track-response --output-file out.gor --output-file-append"
            f" --output-file-size-limit 8gb --exit-after {IDLE_SECS}s"),
        ],
        lines("out.gor", r"^[12] [0-9a-f]{24} \d+"),
        2,
    ),
    "suricata": Peer(  # of the checksums, which a capture on the sending host has not yet, it knows nothing then
        lambda file, folder: ["suricata", "-k", "none", "-r", str(file), "-l", str(folder)],
        lines("eve.json", '"event_type":"http"'),
    ),
    "httpflow": Peer(lambda file, folder: ["sh", "-c", f"httpflow -r {file} >{folder}/out.txt"], lines("out.txt", "^GET ")),
}  # fmt: skip


def pipeline(file: Path, folder: Path) -> Path:
    """The pipeline file for a capture."""
    path = folder / "pipeline.toml"
    path.write_text(from_capture(folder).replace(f"{folder}/in.pcap", str(file)))
    return path


def run(peer: Peer, file: Path) -> tuple[float, int]:
    """CPU seconds of a run, and how much it wrote."""
    with tempfile.TemporaryDirectory() as name:
        command = peer.command(file, Path(name))
        child = subprocess.Popen(command, cwd=name, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        return usage.ru_utime + usage.ru_stime, 0 if child.returncode else peer.found(Path(name))


def compare(title: str, file: Path, share: float) -> None:
    """A table: CPU seconds, exchanges a CPU second, how many times as many httpipe does."""
    there = {name: peer for name, peer in PEERS.items() if name == "httpipe" or shutil.which(name)}
    rounds = [{name: run(peer, file) for name, peer in there.items()} for _ in range(ROUNDS)]
    best = {name: min(each[name] for each in rounds) for name in there}
    print(f"{title:28} {'CPU s':>7} {'per CPU s':>10} {'httpipe does':>13}")
    for name, (secs, wrote) in best.items():
        whole = wrote and (not PEERS[name].each or wrote == EXCHANGES * PEERS[name].each)
        times = f"{secs / best['httpipe'][0]:.2f} times" if whole else f"wrote {wrote:,} of {EXCHANGES * PEERS[name].each:,}"
        wanted = f"   wanted: {WANTED[name] * share:.2f}" if name in WANTED else ""
        print(f"  {name:26} {secs:7.2f} {EXCHANGES / secs:10,.0f} {times:>13}{wanted}", flush=True)


def main() -> None:
    """Both tables."""
    missing = [name for name in PEERS if name != "httpipe" and not shutil.which(name)]
    if missing:
        print(f"not installed: {', '.join(missing)}")
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "in.pcap"
        captures.write(file, captures.keep_alive(EXCHANGES, 64))
        compare("keep-alive, 64 connections", file, 1.0)
        captures.write(file, captures.one_each(EXCHANGES))
        compare("one connection per exchange", file, 0.6)


if __name__ == "__main__":
    main()

"""What starting costs: ``httpipe --help``, time from the command to capturing, resident memory when idle.

Needs root for the second and third. Each time is the median of several runs. The bytecode is written first, as pip does when
it installs: in a clone, under PYTHONDONTWRITEBYTECODE, every start would compile what was edited last.
"""

import compileall
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pipeline

RUNS = 9
HTTPIPE = str(Path(sys.executable).with_name("httpipe"))


def help_secs() -> float:
    """Wall time of ``httpipe --help``."""
    times = []
    for _ in range(RUNS):
        begin = time.perf_counter()
        subprocess.run([HTTPIPE, "--help"], check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def idle(folder: Path) -> tuple[float, float]:
    """Seconds from the command to capturing, and resident memory in MB two seconds later."""
    ready = folder / "ready"
    ready.unlink(missing_ok=True)
    pipeline = folder / "pipeline.toml"
    pipeline.write_text(
        '[sources.http]\ntype = "bpf"\n[sinks.console]\ntype = "stdout"\ninputs = ["http"]\n'
        f'[sinks.out]\ntype = "file"\ninputs = ["http"]\npath = "{folder}/out.jsonl"\n'
    )
    begin = time.perf_counter()
    tool = subprocess.Popen(
        [HTTPIPE, "run", str(pipeline), "--ready-file", str(ready)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not ready.exists():
            if tool.poll() is not None or time.perf_counter() - begin > 20:
                raise SystemExit("httpipe did not start capturing; see `httpipe doctor`")
            time.sleep(0.002)
        secs = time.perf_counter() - begin
        time.sleep(2)
        status = Path(f"/proc/{tool.pid}/status").read_text()
        return secs, int(status.split("VmRSS:")[1].split()[0]) / 1000
    finally:
        tool.send_signal(signal.SIGINT)
        tool.wait(20)


def main() -> None:
    """Print the numbers."""
    compileall.compile_dir(Path(pipeline.__file__).parent, quiet=1)
    print(f"httpipe --help              {help_secs():7.3f} s   (wanted: 0.12)")
    if os.geteuid() != 0:
        print("time to capture and memory need root")
        return
    with tempfile.TemporaryDirectory() as folder:
        runs = [idle(Path(folder)) for _ in range(3)]
    print(f"command to capturing        {statistics.median(r[0] for r in runs):7.3f} s   (wanted: 0.35)")
    print(f"resident memory when idle   {statistics.median(r[1] for r in runs):7.1f} MB  (wanted: 60)")


if __name__ == "__main__":
    main()

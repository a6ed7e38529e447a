"""What the verifier of each kernel makes of the BPF program: instructions that it walks through, and the time to load.

The verifier gives up at 1,000,000 instructions: a program that grows towards that is to be seen early. This machine's own kernel
comes first, then those of tests/kernels under QEMU, whose times are an emulated machine's: compare them with each other only.
"""

import os
import platform
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1] / "tests" / "kernels"
sys.path[:0] = [str(TESTS), str(TESTS / "inside"), str(TESTS.parent / "live")]

from inside_verifier import measure  # noqa: E402  the tests' own
from kernel_image import kernel_image  # noqa: E402
from kernel_machine import boot, httpipe_drive  # noqa: E402
from kernel_root import root_image  # noqa: E402
from kernel_suites import SUITES  # noqa: E402

from tests.debian_packages import NotAvailable  # noqa: E402

ARCHITECTURE = "amd64"


def main() -> None:
    """Print the table."""
    print(f"{'kernel':<32} {'instructions':>12} {'load_ms':>8}   (limit: 1,000,000)")
    if os.geteuid() == 0:
        processed, took_ms = measure()
        print(f"{platform.release():<32} {processed:>12,} {took_ms:>8.0f}")
    with httpipe_drive(["test_verifier"]) as drive:
        for suite in SUITES:
            try:
                report = boot(kernel_image(suite, ARCHITECTURE), root_image(ARCHITECTURE), drive, ARCHITECTURE)
            except NotAvailable as reason:
                print(f"{suite:<32} not available: {reason}")
                continue
            if "verifier" not in report.notes:
                raise SystemExit(f"the program does not load on {report.release}:\n{report.notes.get('output', report.console)}")
            release, number, took = report.notes["verifier"].split()
            print(f"{release:<32} {int(number):>12,} {int(took):>8}   emulated", flush=True)


if __name__ == "__main__":
    main()

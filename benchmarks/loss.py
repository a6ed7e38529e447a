"""What comes out of captures that are without some of their segments: simulated connections, with every request's answer known.

``python -m benchmarks.loss [CONNECTIONS]``: a line for each kind of client and part of the segments that is lost. ``wrong`` are
pairs of a request with another's response; ``unmarked`` what is not whole and does not say so; ``blamed`` what is marked,
although none of its own segments was lost.
"""

import sys
from random import Random

from tests.lossy_captures import CLIENTS, Network, Verdict, judge

CONNECTIONS = 300
RATES = (0.0, 0.005, 0.02, 0.1, 0.3)


def main() -> None:
    """Print the table."""
    connections = int(sys.argv[1]) if len(sys.argv) > 1 else CONNECTIONS
    print(f"{'client':<10}{'lost':>12}{'exchanges':>12}{'whole':>10}{'wrong':>8}{'unmarked':>10}{'blamed':>8}")
    for kind in CLIENTS:
        for rate in (None, *RATES):
            total = Verdict()
            for number in range(connections):
                rng = Random(f"{kind} {rate or 'one'} {number}")
                capture = Network(rng, kind, rng.choice((3, 10, 40))).run()
                places = range(len(capture.segments))
                total.add(judge(capture, {rng.choice(places)} if rate is None else {p for p in places if rng.random() < rate}))
            lost = "one segment" if rate is None else f"{rate:.1%}"
            print(
                f"{kind:<10}{lost:>12}{total.exchanges:>12}{total.whole:>10}{total.wrong:>8}{total.unmarked:>10}{total.blamed:>8}",
                flush=True,
            )


if __name__ == "__main__":
    main()

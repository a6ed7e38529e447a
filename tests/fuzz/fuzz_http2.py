"""Coverage-guided fuzzing of HTTP/2: ``make fuzz-http2``.

What must hold stands in ``check``, which a property test runs, too. Not a pytest test.
"""

import sys

import atheris

with atheris.instrument_imports(include=["pipeline.decode"]):
    from tests.fuzz.check_http2 import check

if __name__ == "__main__":
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()

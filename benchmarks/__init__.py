"""Every number that the documentation states, measured: ``python -m benchmarks [NAME ...]``; never part of the tests."""

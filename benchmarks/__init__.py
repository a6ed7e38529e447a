"""Everything that the documentation states in numbers, measured. ``python -m benchmarks [NAME ...]``; never part of the tests."""

"""The shipped kit for tests: conversations as segments, and what other parts add."""

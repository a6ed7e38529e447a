"""Recordings of records, and JSON lines of events, played back."""

"""Event ⇄ bytes: pure, derived from the field table; the one home of orjson. Encoders never raise on an event."""

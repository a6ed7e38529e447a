"""What is wrong with bytes that should have been an event."""


class DecodeError(ValueError):
    """These bytes are not an event; the message names the field and what it should have been."""

"""The command `httpipe`: reads files and arguments, calls the rest, and says what happened in words and an exit code."""

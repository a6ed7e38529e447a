"""What a reader says of bytes that are not, or from here on no longer, what their format allows."""

from pipeline.errors import HttpipeError


class DamagedInputError(HttpipeError):
    """``offset`` counts from the start of the (decompressed) data; what lies before it was good."""

    def __init__(self, problem: str, offset: int) -> None:
        self.problem = problem
        self.offset = offset
        super().__init__(f"{problem} at byte {offset}" if offset else problem)

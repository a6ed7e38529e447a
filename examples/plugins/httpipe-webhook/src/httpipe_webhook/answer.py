"""What a receiver's answer means to the engine."""

from email.utils import parsedate_to_datetime

import httpx

from httpipe import BackOff, Finished, Reject

NOT_NOW = {408, 425, 429}
"""Request Timeout, Too Early, Too Many Requests: the same request may be taken later (RFC 9110, 8470, 6585)."""
NO_CONTENT = 204
NO_MORE = 410
"""Gone: the receiver wants no more, as the Standard Webhooks specification reads it."""
LONGEST = 64 << 10
"""Bytes of an answer that are read, and forgotten: only its status counts."""


def judge(response: httpx.Response, now_ns: int) -> None:
    """Return where the batch is delivered, raise what steers the engine where it is not."""
    status = response.status_code
    said = f"{response.url.host} answered {status} {response.reason_phrase}"
    if response.is_success:
        return
    if status in NOT_NOW or response.is_server_error:
        raise BackOff(retry_after(response.headers.get("retry-after", ""), now_ns), said)
    raise Finished(said) if status == NO_MORE else Reject(said)


def retry_after(value: str, now_ns: int) -> float | None:
    """The pause that a Retry-After field asks for, in seconds or as a date (RFC 9110, section 10.2.3).

    None where it asks for nothing that can be understood, or for no pause at all: then the engine's own backoff does.
    """
    if value.isascii() and value.isdigit():
        return float(value) or None
    try:
        pause = parsedate_to_datetime(value).timestamp() - now_ns / 1e9
    except (ValueError, OverflowError):
        return None
    return pause if pause > 0 else None


async def skim(response: httpx.Response) -> None:
    """Read what was answered, so that the connection can be used again. For what is long, or may be, that is not worth it."""
    if response.status_code == NO_CONTENT or int(response.headers.get("content-length", LONGEST)) < LONGEST:
        async for _ in response.aiter_raw():
            pass

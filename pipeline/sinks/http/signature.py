"""Who sent a body, and when: signatures as the Standard Webhooks specification has them. Pure.

HMAC-SHA256 over id, time and body (specification, "Signature scheme"). Receivers verify it with a library that they can get in
most languages.
"""

import base64
import hashlib
import hmac


def key_of(secret: str) -> bytes:
    """The bytes of a secret; raises ``ValueError`` where it is none that the specification allows."""
    text = secret.removeprefix("whsec_")
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError:
        key = b""
    if not 24 <= len(key) <= 64:
        raise ValueError("must be 24 to 64 bytes in base64, such as `openssl rand -base64 32` prints")
    return key


def signature(key: bytes, body: bytes, now_ns: int) -> dict[str, str]:
    """Header fields for a body. The id is made of it, so what is sent again has the same one, and the receiver can tell."""
    name, seconds = f"msg_{hashlib.sha256(body).hexdigest()[:32]}", str(now_ns // 1_000_000_000)
    mac = hmac.digest(key, f"{name}.{seconds}.".encode() + body, "sha256")
    return {"webhook-id": name, "webhook-timestamp": seconds, "webhook-signature": f"v1,{base64.b64encode(mac).decode()}"}

"""The authenticator application in a person's pocket: RFC 6238, written here once more so that a fault shows."""

import base64
import hmac
import struct


def six_digits(key: str, now: float) -> str:
    """RFC 6238, from the key as it is shown to be typed."""
    octets = key.replace(" ", "")
    seed = base64.b32decode(octets + "=" * (-len(octets) % 8))
    digest = hmac.digest(seed, struct.pack(">Q", int(now) // 30), "sha1")
    place = digest[-1] & 15
    (number,) = struct.unpack(">I", digest[place : place + 4])
    return f"{(number & 0x7FFFFFFF) % 1_000_000:06}"

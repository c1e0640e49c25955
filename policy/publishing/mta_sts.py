"""MTA-STS, RFC 8461: who delivers mail to us is told to insist on TLS with a certificate that it can verify.

The console serves the file at https://mta-sts.DOMAIN/.well-known/mta-sts.txt. Its id is made from its text, so that the
TXT record is different exactly when the file is.
"""

import hashlib
from collections.abc import Sequence

PATH = "/.well-known/mta-sts.txt"
MEDIA_TYPE = "text/plain"

_MAX_AGE_S = {"testing": 86_400, "enforce": 30 * 86_400}  # section 3.2: weeks or more, once it works
_ID_LETTERS = 20  # section 3.1 allows 32


def policy_text(mode: str, mx: Sequence[str]) -> str:
    """The policy file; empty where there is none to serve."""
    if not mode or not mx:
        return ""
    hosts = "".join(f"mx: {host}\n" for host in mx)
    return f"version: STSv1\nmode: {mode}\n{hosts}max_age: {_MAX_AGE_S[mode]}\n"


def policy_id(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_ID_LETTERS]


def txt_record(text: str) -> str:
    return f"v=STSv1; id={policy_id(text)};"


def same_policy(found: str, text: str) -> bool:
    """Line ends and blanks around a line do not matter."""
    return [line.strip() for line in found.strip().splitlines()] == text.strip().splitlines()

"""One message as a front tells of it that has its own logins and its own rule of who may send as whom."""

from dataclasses import dataclass

LISTENER = "delegation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Handed:
    """What is judged. `identity` is there; `strangers` are recipients beside `recipients` whose addresses nobody told.

    Each stranger counts as external and new, and is learnt by nobody's history.
    """

    submission: str
    session: str
    listener: str = LISTENER
    client_address: str
    client_name: str
    mechanism: str
    tls: str
    identity: str
    credential: int  # 0 where the login is none of ours
    login: str  # canonical
    reverse_path: str
    recipients: tuple[str, ...]
    strangers: int
    message_bytes: int
    queue_id: str = ""  # of the front's queue

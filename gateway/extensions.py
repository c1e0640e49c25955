"""What EHLO says, pure: the extensions that work end to end, RFC 6409 section 7.

What is carried on to the next hop is offered only where the next hop offers it; RFC 6531 section 3.2 and RFC 8689
section 4.2 ask for that, and a message that cannot be relayed as it was taken would have to be changed or bounced.
"""

from collections.abc import Collection, Sequence

from gateway.envelope import Offers


def offers_for(hop: Collection[str], max_message_bytes: int, *, is_under_tls: bool) -> Offers:
    """`hop`: the keywords of the next hop's own EHLO; empty where it was never reached."""
    return Offers(
        max_message_bytes=max_message_bytes,
        eight_bit="8BITMIME" in hop,
        utf8="SMTPUTF8" in hop and "8BITMIME" in hop,  # RFC 6531 section 3.1
        dsn="DSN" in hop,
        require_tls="REQUIRETLS" in hop and is_under_tls,
    )


def lines(
    offers: Offers, *, max_messages: int, max_recipients: int | None, mechanisms: Sequence[str], is_under_tls: bool
) -> list[str]:
    """After the host name. `max_recipients` is known after login; `mechanisms` is empty where none may be tried."""
    limits = f"LIMITS MAILMAX={max_messages}"  # RFC 9422
    said = {
        "PIPELINING": True,
        f"SIZE {offers.max_message_bytes}": True,
        "8BITMIME": offers.eight_bit,
        "SMTPUTF8": offers.utf8,
        "DSN": offers.dsn,
        "CHUNKING": True,
        "REQUIRETLS": offers.require_tls,
        f"{limits} RCPTMAX={max_recipients}" if max_recipients else limits: True,
        "STARTTLS": not is_under_tls,
        f"AUTH {' '.join(mechanisms)}": bool(mechanisms),
        "ENHANCEDSTATUSCODES": True,
    }
    return [line for line, is_offered in said.items() if is_offered]

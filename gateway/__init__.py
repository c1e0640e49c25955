"""gateway: the internet-facing SMTP edge. It speaks SMTP and holds no rule, no database and no secret but its own.

    listener.py       accepts connections, holds the caps, owns the TLS context
    session.py        one session: one method for each SMTP verb, in wire order
    framing.py        pure: where a message ends, bare CR and LF, dot-unstuffing
    envelope.py       pure: the grammar of MAIL and RCPT arguments
    facts.py          pure: message bytes to the authors that policy judges
    relay.py          pooled connections to the next hop, BDAT
    policy_client.py  the questions to policy
    replies.py        every reply that a client can see

From policy it imports policy.contract and nothing else.
"""

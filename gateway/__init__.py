"""gateway: the internet-facing SMTP edge. It speaks SMTP and holds no rule, no database and no secret but its own.

A message downwards:

    listener.py       accepts connections, PROXY protocol, the caps
    door.py           may this address talk here: the first question to policy
    handshake.py      looks at the ClientHello, chooses the certificate
    wire.py           the octets of a connection, in clear and under TLS
    conversation.py   what a session hears and says: lines, replies, deadlines
    session.py        one session: one method for each SMTP verb, in wire order
    login.py          the SASL exchange of AUTH
    handover.py       a finished transaction: facts, verdict
    examination.py    what is in it: leaks.py; scan.py asks the scanner, scan_words.py reads its answer
    dispatch.py       an accepted message: relayed, held or split; the outcome
    policy_client.py  the questions to policy, and what each becomes where it does not answer
    policy_exchange.py, policy_connection.py, policy_addresses.py    one write; one connection; where policy is
    revocations.py    ends sessions whose credential was revoked; as it always asks, it knows whether policy is there
    relay.py          the pool of connections to the next hop; next_hop.py is one of them

Pure, octets or text in, a value or a reply out:

    framing.py        where a message ends; bare CR and LF; dot-unstuffing; chunks
    envelope.py       the grammar of MAIL and RCPT; address.py and mailboxes.py: of addresses, in envelope and header
    facts.py          the header section: authors, what is missing, what must not be there; display_names.py
    extensions.py     what EHLO says
    client_hello.py, proxy.py    what comes before a session
    relay_commands.py            what the next hop is told
    replies.py        every reply that a client can see; errors.py: errors that carry theirs

Of the process:

    __main__.py       settings, certificates, ports; serves until SIGTERM
    workers.py        the worker processes and the one above them
    edge.py           what the sessions of a worker share
    caps.py, scoreboard.py    memory that the workers share: open connections, counters
    tls.py            certificates, loaded anew when they change
    spool.py          the content of a message while it waits
    condition.py      what is wrong with it, for whoever asks and for policy
    status.py, health.py, metrics.py    says it: health and metrics
    settings.py, log.py       read once; what the log can say

From policy it imports policy.contract and nothing else.
"""

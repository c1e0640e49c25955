"""Carries out, at the next hop's queue, what incidents and people have decided.

    worker.py        one round after the other: measures that are due, messages that move, what expires, what is astray
    looks.py         fetches what somebody in the console wants to look at
    queue_client.py  the queue agent, asked over HTTP

Whoever decides writes rows (policy/store/incidents.py, held.py, measures.py) and nothing else; here is who does it. A
round that breaks off is done again: the queue agent changes nothing twice.
"""

"""Carries out, at the next hop's queue, what incidents and people have decided.

    worker.py        one round after the other: measures that are due, messages that move, what expires, what is astray
    looks.py         fetches what somebody in the console wants to look at
    queue_client.py  one queue agent, asked over HTTP
    queues.py        several, as if they were one
    ask_queue.py     one question of a command
    page.py          an incident as a page of HTML

Whoever decides writes rows (policy/store/incidents.py, held.py, measures.py) and nothing else; here is who does it. A
round that breaks off is done again: the queue agent changes nothing twice.
"""

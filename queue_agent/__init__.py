"""The queue agent beside Postfix: tells policy what became of recipients, and does with queued mail what policy says.

    __main__.py    settings, the port, and what runs beside the questions
    app.py         HTTP in, answer out
    queue.py       hold, release, requeue, delete, and what is queued
    commands.py    Postfix's own commands as processes; nothing here is a shell
    spool.py       which message is in which queue, from the names of its files
    following.py   Postfix's log file, line by line, over rotations, to a position that can be kept
    tracking.py    what a line of the log changes
    store.py       all that survives the agent's end, in one SQLite file; ledger.py for those who must not wait for it
    watch.py       follows the log, as long as the agent runs
    reporting.py   what became of recipients, to policy
    condition.py   what is wrong with the agent, for whoever asks
    trail.py       what Postfix's log says of a few messages
    outside.py     what the world says of us: DNS, port 25, the time
    settings.py, log.py, metrics.py
    rotation.py    when the log begins anew, and which old ones go

The agent knows queue ids and submission ids and no rule: which mail is whose, policy knows.
"""

"""Postfix logs, read as they are found on servers: what was handed in, by whom, to whom, and what became of it.

    files.py      a log of several files in the order of time; the only I/O, with
    packed.py     a file, plain or packed, or standard input
    span.py       from when to when they are, without reading all of them
    syslog.py     a line of a maillog -> moment, host, program, text
    journal.py    the same of what journalctl exports
    wording.py    the text that a daemon of Postfix wrote -> an event
    events.py     the events
    joining.py    events -> messages, joined by queue id
    outcomes.py   what a reply says of a recipient

A log is the work of strangers as much as of Postfix: a line that cannot be read is counted and left out, and no line
makes any of this fail. What is kept in memory has a bound, however many messages never end.
"""

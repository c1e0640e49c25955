"""The decision engine: pure functions over plain values.

Read RULES (rules.py) and you know every way in which a message is not accepted, but for the budgets: what a message
is charged with is charges.py, and whether there is room is asked of budgets/ in one atomic step.
No async, no clock, no file, no socket, no logger here: time comes in as a number. A test holds this.

A message

    judging.py     the rounds: charge, and where that does not fit, hold, defer or reject
    rules.py       what must hold of it: RULES; imitation.py: names that show another's address
    scanning.py    what follows from the scanner's answer
    charges.py     what it costs; allowances.py: the same, for who only looks
    baseline.py    how many new recipients are far more than its sender's past explains

A login, a connection

    guessing.py    who has tried too much, and the walls; bounded.py: memory that strangers can fill
    gates.py       what must hold of a proven credential: GATES; country_gate.py: of its country and network
    entering.py    from where, and with what
    places.py      what a network is to its identity: home, settled, on probation

What becomes of it

    feedback.py    what the world says of a message's recipients; bounces.py: the sequential test
    suspicion.py   what speaks against an identity, while one message or login is decided; evidence.py: in sentences
    ladder.py      signals become a step: slow, hold, restrict, lock

Values: profile.py, sources.py (where a client is), budget.py (what is asked of the budgets), rulebook.py (the policy).
"""

"""The decision engine: pure functions over plain values.

Read RULES (rules.py) and you know every way in which a message is not accepted, but for the budgets: what a message
is charged with is charges.py, and whether there is room is asked of budgets/ in one atomic step.
No async, no clock, no file, no socket, no logger here: time comes in as a number. A test holds this.
"""

"""What a message and an idle session cost each part, and what many more of them would take.

measuring.py   costs of policy, PostgreSQL and Valkey, from short runs of the real ones
front.py       costs of gateway and Postfix, from the result file of `make bench`
keeping.py     what Valkey keeps of a message while it counts
model.py       from costs and a demand to what is needed; pure
charts.py      the same, drawn
"""

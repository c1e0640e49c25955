"""The engine on a simulated clock: what a thief gets out, and what the owner feels of it.

world.py      the memory that the services keep in their database, as plain values
atlas.py      made-up networks, and where they are
scene.py      one run of one scenario: a clock, whoever acts in it, and the world
doors.py      who decides in it
backends.py   where its budgets are kept
tally.py      what came of it
thieves.py    how whoever stole a credential goes about it
senders.py    how owners go about their mail
scenarios/    the attacks (A1 ...), the legitimate senders (L1 ...), and what is expected of each
runs.py       scenarios x seeds, over processes
report.py     median and maximum over the seeds, and whether they are as expected
plots.py      the same as curves
adversary.py  the search for the worst that a thief who knows the policy can do
bounds.py     the same from the windows alone: what no search may exceed
"""

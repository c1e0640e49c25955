"""`make bench`: Sallyport side by side with what people use today, in one run on one machine.

    __main__.py     options, and the run from top to bottom
    rows.py         ROWS: what is measured, and the targets
    rounds.py       the rounds of one row, interleaved
    throughput.py   rows a to d: sessions and messages a second, latency
    memory.py       rows e and f: memory of the gateway, 5,000 idle sessions
    guessing.py     row g: wrong secrets from many addresses
    samples.py      one measurement: whose turn, what was done, at which cost
    contenders/     what is started: Sallyport, Postfix alone, Postfix with a policy daemon, Haraka
    smtpload.c      the load generator; load.py compiles it, runs it and reads its result
    processes.py    CPU seconds and memory of groups of processes, from /proc
    figures.py      medians, ratios, targets met or not: numbers in, numbers out
    table.py        the tables that are printed
    machine.py      what the machine must have, and what it is

docs/performance.md tells how it measures, and to whom that is unfair.
"""

"""What the world has to be told in the DNS so that our mail arrives, and whether it was.

    records.py   pure: every record of a domain, for `sallyport dns`
    mta_sts.py   pure: the policy file that senders to us fetch (RFC 8461)
    spf.py       pure: whether an SPF record lets our host send (RFC 7208)
    world.py     pure: what to ask, and what was answered
    compared.py  pure: what is wrong with what was answered, in sentences
    reached.py   pure: the same for the host itself: its name, port 25, the clock
    asking.py    the questions on their way through the queue agent, which alone has a way out

The records that lead mail programs here are in policy/enrolment/dns.py.
"""

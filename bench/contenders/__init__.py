"""What is measured: each contender is one submission service in front of the same Postfix queue.

    contender.py    the common shape
    postfix.py      ONE private Postfix: relay listener, "direct" and "gates"
    dovecot.py      SASL for both of them
    policyd.py      the policy daemon of "gates"
    haraka.py       Haraka from npm
    sallyport.py    policy and gateway
    scene.py        starts those that are asked for, and stops them

Everybody uses the certificate that Sallyport's `init` makes.
"""

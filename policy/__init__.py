"""policy: the brain. Identities, rules, budgets, the HTTP service and the `sallyport` command line.

    contract.py   what gateway and policy say to each other; the only module that the gateway imports
    app.py        HTTP in, answer out
    brain.py      each question answered: clock read once, store and engine asked, written down
    sasl.py       pure: what a SASL mechanism says next; scram.py has SCRAM's messages and arithmetic
    engine/       pure: the rules of each stage, and what a message is charged with
    budgets/      atomic reserve, commit, release
    store/        identities, addresses, credentials, submissions (SQLite, migrated by Alembic)
    setup.py      what the first start makes: secrets, certificate, schema, first administrator
    cli/          `sallyport ...`

Nothing here imports from gateway.
"""

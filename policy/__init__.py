"""policy: the brain. Identities, rules, budgets, the HTTP service and the `sallyport` command line.

    contract.py   what gateway and policy say to each other; the only module that the gateway imports
    app.py        HTTP in, answer out; gateway_line.py is its short way
    brain.py      each question answered: clock read once, store and engine asked, written down
    assembly.py   puts all of it together; __main__.py, settings.py

Asked by the gateway

    connects.py                       may this address talk
    sasl.py, scram.py, bearer.py      pure: what a SASL mechanism says next
    logins.py, proofs.py, entrances.py, walling.py       who is let in, and from where
    foreign.py, foreign_hashes.py, crypt3.py             secrets of a migration
    judge.py, profiles.py, senders.py, ledger.py         what becomes of a message
    feedback.py, queue_contract.py                       what became of it in the world
    memory.py, marks.py, telling.py                      what is remembered, as what, and who hears of it
    engine/       pure: the rules of each stage, and what a message is charged with
    budgets/      atomic reserve, commit, release
    rulebook/     the policy as a file
    store/        identities, addresses, credentials, submissions, incidents (SQLite or PostgreSQL); migrations/
    geo/          where an address is
    bridges/      OIDC and LDAP
    containment/, complaints/, alerting/                 what goes on after a decision
    fronts.py, arrivals.py, delegation/, authpolicy/     the same for a Postfix and a Dovecot of others

Beside the questions (rounds.py: a round, a pause, the next one)

    condition.py, neighbours.py, reporting.py, part_status.py     health, ours and that of the other parts
    tally.py, counting.py, metrics.py, log.py                     figures and log
    pickup.py, pickup_sessions.py, doveadm.py                     Dovecot, asked and told
    common_clock.py, cutting.py                                   one time for several policies; old client addresses

For people

    console/, single_sign_on/, people/    the console, and how people sign in to it
    api/          the REST API, served by the console's process
    cli/          `sallyport ...`
    enrolment/    how a device learns its settings
    dkim/, publishing/                    keys, and what has to be in the DNS
    checkup.py, checkup_beside.py, finding.py             `sallyport doctor`
    setup.py, certificate.py, client_ca.py, secret_files.py, service_tokens.py      what is made, and replaced
    migrating/, learning/                 a store that moves; what is learnt from the past
    replay/, simulation/                  a policy over what has happened, and over what may
    location.py, opening.py               the database that the settings name
    addresses.py, countries.py, visible.py, setting_names.py      words: checked, shown, named

Nothing here imports from gateway.
"""

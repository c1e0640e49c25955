"""The store: identities, their addresses, their credentials, and the submissions of the last weeks.

Two ways to the database: commands, console and API change it by a part of the identity store (changes.py), each act in
a transaction with its row in the audit log; the services ask by reader.py and write by writer.py, many changes at once.

    models.py, incident_models.py, operation_models.py   the tables; schema.py has all of them
    database.py, migrating.py      opens the SQLite file or PostgreSQL; brings the schema up to date
    rows.py, listing.py            what lists show
    errors.py                      what is raised for the administrator
    handles.py, digests.py, sealing.py   logins and secrets, and what is kept of them

The hot path

    statements.py                  statements as text for both databases
    reader.py                      where questions run
    transactions.py, writer.py     many changes in one transaction, on disk before their askers are answered
    beside.py, checkpoints.py      a thread of its own; SQLite's write-ahead log
    directory.py, holders.py       what is asked for each login, each message and each mailbox
    uses.py, habits.py, areas.py, days.py, recipients.py, standings.py     what is known of an identity's past
    records.py, evidence.py, fates.py, reached.py        a submission, why it was judged so, and whom it reached
    traps.py, walls.py, visited.py, listed.py, exemptions.py               who is kept out, and who is not
    revocations.py                 what has ended
    tallies.py, levels.py, health_reports.py             figures and health
    kept_addresses.py              client addresses that were kept for long enough

Identities, for administrators

    identities.py                  every change of the administrator's, and the lists; made of these parts:
    changes.py, audit.py           what the parts have in common; who changed what
    addresses.py, credentials.py, logins.py, decoys.py, networks.py, distrust.py, ladder_book.py, policy_book.py
    people.py, factors.py, console_sessions.py, tokens.py      people, browsers and programs that sign in
    organisation.py, together.py   many changes as one
    history.py                     recipient history, learnt and forgotten
    rulebooks.py                   every policy that was in force

The bad day

    incidents.py, incident_notes.py, measures.py, contained.py, handed_in.py     opened, and what it makes necessary
    incident_story.py, incident_timeline.py, incident_traffic.py, incident_logins.py, incident_advice.py,
    incident_acts.py, incident_end.py                    told
    held.py, held_book.py, owner_held.py, owner_answers.py, looks.py             mail on hold, and what its owner says
    complaints.py
    notices.py, notice_desk.py, notice_list.py, notice_addresses.py              who is told

For pages and commands

    decision_list.py, identity_seen.py, overview.py, own_sending.py, observed.py, newest_records.py, traces.py

The whole of it

    backup.py, restore.py, archive.py, filling.py, kept_budgets.py, first_0006.py
"""

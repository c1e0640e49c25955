"""The REST API: what the command line does, for programs. Served by the console's process below /api/v1.

app.py          the application: tokens, errors, OpenAPI
caller.py       who asks, and may it
bodies.py       what goes in and out as JSON
identities.py   routes of identities and their addresses
credentials.py  routes of credentials
exemptions.py   routes of what the gates let through
people.py       routes of invitations
records.py      routes of the audit log, submissions, decoys, traps and networks
"""

"""The REST API: what the command line does, for programs. Served by the console's process below /api/v1.

app.py          the application: all routes, and every refusal
caller.py       who asks, and may it
unambiguous.py  no member of a body counts that is there twice
document.py     the OpenAPI document
bodies.py       what goes in and out as JSON; incident_bodies.py of incidents and held mail
identities.py   routes of identities and their addresses
credentials.py  routes of credentials
exemptions.py   routes of what the gates let through
walls.py        routes of the networks that are walled
people.py       routes of invitations
standings.py    routes of the ladder
incidents.py    routes of incidents and held mail
records.py      routes of the audit log, submissions, decoys, traps and networks
imports.py      routes that take or give a file: an organisation, a backup
"""

"""Pages about others, for administrators and the help desk: /staff and below.

Each module is a group of pages with its templates in templates/staff/ and its German in catalogues/de/. Who may see
what is policy/people/roles.py. Every route here is a `staff_route`; what changes something asks for a second factor
that is fresh (confirm.py) and is in the audit log under the name of whoever did it.
"""

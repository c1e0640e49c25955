"""Pages about others, for administrators and the help desk: /staff and below.

Each module is a group of pages with its templates in templates/staff/ and its German in catalogues/de/. Who may see
what is policy/people/roles.py.

    overview.py, figures.py, painting.py    what goes on, live
    identities.py, identity.py              who may send; all about one, and in identity_changes.py what is done
    incidents.py, incident_acts.py          all about one, and what is done
    held.py                                 held mail
    decisions.py, bars.py, whereabouts.py   single decisions; budgets as bars; the country behind an address
    rulebook.py, rulebook_words.py          the policy in force, in plain words
    rulebook_edit.py, policy_desk.py, drafts.py, what_if.py     a policy changed: typed, checked, tried, saved

Every route here is a `staff_route`; what changes something asks for a second factor that is fresh (confirm.py) and is
in the audit log under the name of whoever did it.
"""

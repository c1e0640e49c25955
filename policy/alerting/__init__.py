"""Alerts: somebody is told what happened, once for each conversation, and certainly.

    kinds.py         what people are told of
    pacing.py        pure: which notices become a message now, which wait, which go together
    parcels.py       one message: a notice, or several
    wording.py       pure: what an administrator reads; owner_words.py what an owner does
    courier.py       takes due notices from the store and has them carried
    mails.py         by mail: to the administrator, and to owners; own_mailboxes.py: put into one of ours
    webhooks.py      by signed HTTP request
    apprises.py      by Apprise, to whatever it knows
    opened.py        the channels that the settings name
    undelivered.py   why a notice was not taken
    watch.py         pure: what is measured from time to time, and when that is worth a notice
    watching.py      measures it; heard.py counts what the questions show
    nearly_spent.py  who has used nine tenths of a budget, or all together theirs
    subjects.py      pure: what a notice was about, for the timeline of an incident
    __main__.py      the sender alone, where there is a way out

What is told is a row of the store (policy/store/notices.py), written in the transaction of what it is about.
"""

"""What an administrator reads: subject and lines of a message. Pure. An owner's words are in owner_words.py."""

from collections import Counter

from policy.alerting.kinds import Kind
from policy.alerting.parcels import Parcel

_LISTED = 50  # subjects of notices that go together


def words_of(parcel: Parcel) -> tuple[str, list[str]]:
    """Subject and lines for an administrator."""
    newest = parcel.newest
    if len(parcel.notices) > 1:
        return _words_together(parcel)
    lines = [*newest.lines, "", f"What this means: {newest.about.means}", f"What to do: {newest.about.todo}."]
    if newest.count > 1:
        lines += ["", f"This was the last of {newest.count} since the mail before; the log of policy has them all."]
    return newest.subject, lines


def _words_together(parcel: Parcel) -> tuple[str, list[str]]:
    kinds = Counter[Kind]()
    for one in parcel.notices:
        kinds[one.kind] += one.count
    of_each = ", ".join(f"{kind.value} {number}" for kind, number in kinds.most_common())
    last = parcel.notices[-_LISTED:]
    lines = [f"There is too much for a mail of each within this hour; these are the last {len(last)}:", ""]
    lines += [f"    {one.moment} {one.subject}" for one in last]
    return f"{parcel.count} alerts: {of_each}", [*lines, "", "All of them: sallyport alert list"]

"""What speaks against an identity, in sentences: each names what was counted, and against which limit.

Made where a signal is raised and nowhere else: a decision that finds nothing makes none. The console says them in the
reader's language (policy/console/wording.py).
"""

from service.sentence import Sentences


class Evidence(Sentences):
    """A closed list. `rule` is a rule's name in the policy file, `span` seconds."""

    OVER = "%(rule)s: %(after)s in %(span)s, %(limit)s are allowed"
    TRAP = "a recipient that only harvesters have"
    VOLUME = "%(number)s new recipients today; %(limit)s are out of the ordinary for %(usual)s"
    SCANNED = "%(result)s, %(score)s"
    SCANNED_FOR = "%(result)s, %(score)s: %(symbols)s"
    SCAN_WITHOUT_ANSWER = "silent"
    REFUSED_IN_A_ROW = "others refuse it, one after the other (%(likelihood)s)"
    BOUGHT_LIST = "unknown new recipients, as of a list that was bought (%(likelihood)s)"
    UNKNOWN_SHARE = "%(unknown)s of %(recipients)s recipients of today are unknown"
    SETTLED_BY_USE = "%(network)s is on probation no more: it, or its provider, was used on %(days)s days"
    SETTLED_BY_DEVICE = "%(network)s is on probation no more: a device was used for the first time, and there"
    HOME_BY_USE = "%(network)s is home from now on: it was used on %(days)s days"
    STRANGE_CLIENT = "never before: name %(name)s, mechanism %(mechanism)s, tls %(tls)s"

"""All that can be wrong with a policy file: for each a sentence that says what to write instead.

reading.py finds most of it, words.py and forms.py the rest. `given` is what the file has there, as TOML spells it.
"""

from service.sentence import Sentences


class Wrong(Sentences):
    """A closed list; the console says each in the reader's language."""

    # The file
    FILE_UNREADABLE = "the file cannot be read (%(error)s)"
    NOT_UTF_8 = "the file is not UTF-8"
    NO_POLICY = "the file is no policy"
    MORE = "that is not all: %(number)s more are wrong"
    # TOML: the standard library's sentence in English, and these in other languages
    TOML_STATEMENT = "no statement begins so"
    TOML_END = "here a new line is due"
    TOML_EQUALS = "there is no = behind the key"
    TOML_KEY = "no key begins so; put it in quotes"
    TOML_VALUE = "this is no value; texts stand in quotes"
    TOML_STRING = "a text does not end, or holds a character that it may not hold"
    TOML_BRACKET = "a bracket is not closed"
    TOML_TWICE = "this stands here for the second time"
    TOML = "this is no TOML"
    # Keys
    MISSING = "is missing"
    PROFILE_LACKS = '%(key)s is missing; a new profile says everything, or like = "person" and what is different'
    ALWAYS_ENFORCED = "this rule is always enforced and has no mode"
    NO_RULE = "there is no such rule"
    NO_RULE_BUT = "there is no such rule; did you mean %(near)s?"
    NO_KEY = "there is no such key"
    NO_KEY_BUT = "there is no such key; did you mean %(near)s?"
    # Between tables
    NO_PROFILE = "%(given)s is no profile"
    NO_PROFILE_BUT = "%(given)s is no profile; did you mean %(near)s?"
    CIRCLE = "goes round in a circle; one of them must say everything itself"
    IN_TWO_POOLS = "%(network)s is in the pool %(other)s, too; leave it in one of them"
    IN_TWO_PROFILES = "%(identity)s has the profile %(other)s already; leave it in one of them"
    # Sorts of values
    NO_WHOLE_NUMBER = "%(given)s is no whole number"
    NO_NUMBER = "%(given)s is no number"
    NO_TEXT = "%(given)s is no text; write it in quotes"
    NO_TABLE = "%(given)s is no table"
    NO_TABLES = "%(given)s is no list of tables; begin each with [[exemptions]]"
    NO_LIST = "%(given)s is no list; write it in square brackets"
    AT_LEAST = "%(given)s is too small; at least %(least)s"
    MORE_THAN = "%(given)s is too small; more than %(least)s"
    AT_MOST = "%(given)s is too large; at most %(most)s"
    LESS_THAN = "%(given)s is too large; less than %(most)s"
    NOT_POSSIBLE = "%(given)s cannot stand here"
    # Words
    NO_NAME = "%(given)s is no name; write small letters, digits and hyphens"
    NO_IDENTITY = "%(given)s is no identity's name; write small letters, digits and hyphens"
    NO_NETWORK = '%(given)s is no network; write one such as "192.0.2.0/24" or "2001:db8::/32"'
    NO_ADDRESS = '%(given)s is no address; write one such as "harvested@example.org"'
    NO_CHOICE = "%(given)s will not do; write one of %(offered)s"
    COUNTRY_NO_TEXT = '%(given)s is no country; write two letters in quotes, such as "DE"'
    COUNTRY_BUT = '%(given)s is no country; did you mean "%(meant)s"?'
    NO_COUNTRY = '%(given)s is no country; write one of ISO 3166-1 such as "DE", or "??" for an unknown one'
    NO_SYSTEM = '%(given)s is no autonomous system; write its number, such as 3320 or "AS3320"'
    NO_DATE = "%(given)s is no date; write the last day, such as 2027-01-14, without quotes"
    # Limits
    NO_LIMIT = '%(given)s is no limit; write one such as "50/hour" or "100/10 minutes", several in a list, or "none"'
    NO_SIZE = (
        '%(given)s is no limit of octets; write one such as "100 MB/day" or "1 GB/hour", several in a list, or "none"'
    )
    EMPTY = '%(given)s is empty; for no limit at all write "none"'
    TOO_LARGE = '%(given)s is too large; at most %(most)s, and "none" is no limit'
    TOO_MANY_DIFFERENT = '%(given)s is too large; at most %(most)s different ones, and "none" is no limit'
    TOO_LONG = "%(given)s has too long a span; at most 31 days"
    SAME_SPAN = "%(given)s has two limits in %(span)s; write one of them"
    LESS_IN_LONGER = "%(given)s allows more in %(shorter)s than in %(longer)s"

"""Builds breached.filter from lists of passwords, one a line: python -m policy.people.make_breached LIST...

docs/passwords.md says which lists the shipped file is made of and where they come from.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from policy.people.breached import FILE, build

_COMMENT = "#!comment:"


def words_of(path: Path) -> Iterator[str]:
    """The words of one list. A few lines are in no known encoding; they are no passwords that can be typed here."""
    for line in path.read_bytes().splitlines():
        word = line.decode("utf-8", "ignore")
        if word and not word.startswith(_COMMENT):
            yield word


def main(given: list[str]) -> None:
    """Write the file anew, and say how much is in it."""
    made = build(word for name in given for word in words_of(Path(name)))
    FILE.write_bytes(made.to_octets())
    print(f"{made.words} words, {FILE.stat().st_size} octets")


if __name__ == "__main__":
    main(sys.argv[1:])

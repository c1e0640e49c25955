"""Plays the dialogs of this folder against a real gateway; README.md has their notation.

test_dialogs.py   (you are here) each dialog is a test, and no reply is without a dialog
notation.py       what a file says
stages.py         what it is played on: gateway, policy, next hop
player.py         how a line is played
"""

from collections.abc import Iterator

import pytest
from notation import DIRECTIVES, FOLDER, KINDS, Dialog, all_dialogs, filled_in
from player import Player
from stages import Theatre, key_of

from gateway import replies
from gateway.replies import FOR_REASON, Reply

DIALOGS = sorted(all_dialogs(), key=lambda dialog: (key_of(dialog), dialog.name))
REPLIES = {name: value for name, value in vars(replies).items() if isinstance(value, Reply)}
REPLIES |= {f"FOR_REASON[{reason.name}]": reply for reason, reply in FOR_REASON.items()}
# No dialog can reach these; with the reason, and the test that does.
UNREACHABLE: dict[str, str] = {}


@pytest.fixture(scope="module")
def theatre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    """All stages that dialogs ask for, made when one does."""
    one = Theatre(tmp_path_factory.mktemp("dialogs"))
    yield one
    one.stop()


@pytest.mark.parametrize("dialog", DIALOGS, ids=lambda dialog: dialog.name)
def test_dialog(dialog: Dialog, theatre: Theatre) -> None:
    """Each line of the file holds."""
    stage = theatre.stage(dialog)
    stage.prepare(dialog)
    Player(dialog, theatre, stage).play()


@pytest.mark.parametrize("name", REPLIES)
def test_every_reply_is_met_by_a_dialog(name: str) -> None:
    """Whoever changes a reply meets the dialog that shows it; its line there has the whole text."""
    shown = [dialog.name for dialog in DIALOGS for line in dialog.lines if _is_said(str(REPLIES[name]), line.text)]
    assert bool(shown) != (name in UNREACHABLE), shown or "no dialog has this line"


def _is_said(reply: str, line: str) -> bool:
    return filled_in(line, {}) == reply


def test_no_two_replies_are_the_same() -> None:
    """Or a dialog would show one of them and prove the other."""
    said = [str(reply) for name, reply in REPLIES.items() if name != "FOR_REASON[SENDER_NOT_OWNED]"]
    assert len(set(said)) == len(said)


def test_there_are_enough_dialogs() -> None:
    """Eighty are promised."""
    assert len(DIALOGS) >= 80


def test_every_dialog_is_known_by_what_it_shows() -> None:
    """The first line of each file is a sentence of its own."""
    sentences = [dialog.shows for dialog in DIALOGS]
    assert len(set(sentences)) == len(sentences)
    assert not [one for one in sentences if not one.endswith(".")]


def test_the_readme_explains_the_notation() -> None:
    """Every kind of line and every directive."""
    readme = (FOLDER / "README.md").read_text()
    for kind in KINDS:
        assert f"    {kind}" in readme, kind
    for directive in DIRECTIVES:
        assert f"    {directive}:" in readme, directive

"""No command takes a secret as an argument: whoever may list processes could read it, and the shell would keep it."""

from command_tree import every_command

SECRETS = {"secret", "password", "passphrase", "key", "pin", "code", "seed"}
PUBLIC = {
    ("bound", "seed"),  # of random numbers
    ("migrate-state", "password"),  # of a file
}  # named like one


def test_no_command_takes_a_secret() -> None:
    """Secrets are made here and shown, or are in files."""
    found = [
        (" ".join(path), word)
        for path, command in every_command().items()
        for one in command.params
        for word in (one.name or "").split("_")
    ]
    assert ("credential add", "label") in found
    assert {one for one in found if one[1] in SECRETS} == PUBLIC

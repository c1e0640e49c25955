"""A digest key outside of POLICY_STATE_DIR, as in Kubernetes: it is in the backup, and a restore asks for that one."""

import tarfile
from dataclasses import dataclass
from pathlib import Path

from command_line import CommandLine, is_one_sentence


@dataclass(frozen=True)
class KeyElsewhere(CommandLine):
    """Its key is what somebody else has put into a folder of its own, and `init` makes none."""

    @property
    def key(self) -> Path:
        return self.folder / "secret" / "digest.key"

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | {"POLICY_DIGEST_KEY_FILE": str(self.key)}


def begun(folder: Path, key: bytes) -> KeyElsewhere:
    made = KeyElsewhere(folder)
    made.key.parent.mkdir(parents=True)
    made.key.write_bytes(key)
    made.key.chmod(0o600)
    assert made("init").returncode == 0
    return made


def test_the_key_is_in_the_backup_and_asked_for_at_the_restore(tmp_path: Path) -> None:
    """Under another key no login would be valid: nothing is replaced, and the sentence tells how to get it."""
    one = begun(tmp_path / "one", b"1a" * 32 + b"\n")
    file = tmp_path / "backup.tar.gz"
    assert one.json("backup", str(file))["keys"] == ["digest.key"]
    with tarfile.open(file) as archive:
        content = archive.extractfile("keys/digest.key")
        assert content is not None
        key = content.read()
    assert key == one.key.read_bytes()
    other = begun(tmp_path / "other", b"2b" * 32 + b"\n")
    refused = other("restore", str(file), "--replace", "--yes")
    assert refused.returncode == 1
    assert "another digest key" in refused.stderr
    assert "keys/digest.key" in refused.stderr
    assert is_one_sentence(refused.stderr)
    other.key.write_bytes(key.strip())  # as `kubectl create secret` may have it
    assert other("restore", str(file), "--replace", "--yes").returncode == 0
    assert list(other.folder.rglob("digest.key")) == [other.key]  # and no copy in its state

"""dovecot/take: which certificate and which token Dovecot gets, and what is said where it gets none."""

import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from harness import ROOT

from policy.certificate import new_key, self_signed

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl, as Debian's Dovecot does")

DAY_S = 86_400.0
NEW, NOTHING_NEW, REFUSED = 0, 10, 1
OLD, TOKEN = "0123456789" * 4, "abcdefghij" * 4


def pair(made_at: float | None = None) -> tuple[bytes, bytes]:
    """A certificate of that moment, now by default, and its key."""
    key = new_key()
    return self_signed("mail.sallyport.test", key, made_at or time.time()), key


@dataclass
class Taking:
    """What is there to be taken, and where it goes to."""

    folder: Path

    def __post_init__(self) -> None:
        self.taken = self.folder / "taken"
        self.taken.mkdir()
        self.put(*pair())
        self.put_tokens(OLD)

    def put(self, certificate: bytes, key: bytes) -> None:
        (self.folder / "cert.pem").write_bytes(certificate)
        (self.folder / "key.pem").write_bytes(key)

    def put_tokens(self, *tokens: str) -> None:
        (self.folder / "token").write_text("".join(f"{one}\n" for one in tokens))

    def take(self) -> tuple[int, str]:
        """The exit code, and what was said."""
        environment = {
            "DOVECOT_TLS_CERT": str(self.folder / "cert.pem"),
            "DOVECOT_TLS_KEY": str(self.folder / "key.pem"),
            "DOVECOT_POLICY_TOKEN_FILE": str(self.folder / "token"),
        }
        command = [str(ROOT / "dovecot" / "take"), str(self.taken)]
        done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
        return done.returncode, done.stderr.replace(str(self.folder), "")

    def contents(self) -> list[bytes]:
        """Of what was taken; and nothing else is left there."""
        files = [self.taken / name for name in ("tls/cert.pem", "tls/key.pem", "doveadm.conf")]
        folder = (self.taken / "tls").resolve().name
        assert sorted(one.name for one in self.taken.iterdir()) == sorted(["doveadm.conf", "tls", folder])
        assert [one.stat().st_mode & 0o777 for one in files] == [0o600] * 3
        return [one.read_bytes() for one in files]


@pytest.fixture
def taking(tmp_path: Path) -> Taking:
    return Taking(tmp_path)


def test_what_is_new_is_taken_once(taking: Taking) -> None:
    assert [taking.take() for _ in range(2)] == [(NEW, ""), (NOTHING_NEW, "")]
    first = taking.contents()
    taking.put(*(other := pair()))
    assert [taking.take() for _ in range(2)] == [(NEW, ""), (NOTHING_NEW, "")]
    assert taking.contents() == [*other, first[2]]


def test_of_two_tokens_the_newest_is_the_key(taking: Taking) -> None:
    taking.take()
    taking.put_tokens(TOKEN, OLD)
    assert taking.take() == (NEW, "")
    assert taking.contents()[2] == f"doveadm_api_key = {TOKEN}\n".encode()
    taking.put_tokens(TOKEN)
    assert taking.take() == (NOTHING_NEW, "")


EXPIRED = pair(time.time() - 2000 * DAY_S)
PAIRS = "DOVECOT_TLS_CERT: /cert.pem and /key.pem are no certificate with its key; replace both files\n"
BROKEN = [
    # what it shows, certificate and key, what is said
    ("expired", EXPIRED, "DOVECOT_TLS_CERT: /cert.pem has expired or is not valid yet; replace both files\n"),
    ("of tomorrow", pair(time.time() + DAY_S), "DOVECOT_TLS_CERT: /cert.pem has expired or is not valid yet; replace"),
    (
        "no certificate",
        (b"rubbish\n", new_key()),
        "DOVECOT_TLS_CERT: /cert.pem is no certificate; replace both files\n",
    ),
    ("nothing at all", (b"", b""), "DOVECOT_TLS_CERT: /cert.pem is no certificate; replace both files\n"),
    ("of another key", (pair()[0], new_key()), PAIRS),
    ("no key", (pair()[0], b"rubbish\n"), PAIRS),
]


@pytest.mark.parametrize(("broken", "said"), [one[1:] for one in BROKEN], ids=[one[0] for one in BROKEN])
def test_what_clients_would_refuse_is_not_taken(taking: Taking, broken: tuple[bytes, bytes], said: str) -> None:
    """And the token waits with it: all or nothing."""
    taking.take()
    before = taking.contents()
    taking.put(*broken)
    taking.put_tokens(TOKEN, OLD)
    code, text = taking.take()
    assert (code, text.startswith(said)) == (REFUSED, True), text
    assert taking.contents() == before


def test_a_file_that_is_not_there_is_named(taking: Taking) -> None:
    taking.take()
    before = taking.contents()
    (taking.folder / "key.pem").unlink()
    assert taking.take() == (REFUSED, "DOVECOT_TLS_KEY: /key.pem cannot be read; check the path and its owner\n")
    taking.put(*pair())
    taking.put_tokens()
    assert taking.take() == (REFUSED, "DOVECOT_POLICY_TOKEN_FILE: /token is empty; put the token there\n")
    assert taking.contents() == before


def test_at_the_first_start_one_that_has_expired_is_better_than_none(taking: Taking) -> None:
    taking.put(*EXPIRED)
    assert taking.take() == (NEW, "")
    assert taking.contents()[:2] == list(EXPIRED)

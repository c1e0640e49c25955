"""Hashes that other servers' own tools made: verified, or refused with a sentence at the import.

The vectors were made once with `doveadm pw`, `mkpasswd` and `htpasswd`; where these are installed they make new ones.
"""

import shutil
import subprocess
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy import crypt3
from policy.foreign_hashes import kept, unusable, verify

SECRET = "Grüße, Käthe 9"
# fmt: off
VECTORS = [
    "{SHA512-CRYPT}$6$9qOmBByNnMJF9Inn$2Mb5zTer89NQot1hafC92glo1Jm8EQzx4NEDRPUrqFswr.W4pr3Kz4ctTIYAo3f/4dWZPbBCd3xsxyi7rl.PE0",
    "{SHA256-CRYPT}$5$MkMXYDarHmd1Yl60$iJNTB8FbGkaxm1yFo1ZvLdW8rF2BkSTMyLwNPUEi8r5",
    "{BLF-CRYPT}$2y$05$2wLwiSTB5ryuvG7tISnWPedoqyri7PS2QXsvXHoJrtWfxGGGe10Yy",
    "{PBKDF2}$1$cRAnhDSBgk0t7eF.$5000$103663798f02df947d3a347b73bee2067e05ffa8",
    "{SSHA}LvTMm4nAECIgLjHymnpZJvAjkBSCw+fN",
    "{SSHA256}YAtzDI+zaiOK4RaCSzWmUhQgN5TAHG7dPTB1KXotrNVXXGkE",
    "{SSHA512}DRdXlVP/QwpyjCFVRktkqRf08KdBBe2mO7TloV29LmTIGSeM/g+8eBFO5FaKOe6i8YM3SDrjvvwPOqp64nYzC2cz/kc=",
    "{SHA}3brMnvUSvqWc2LwYMqJEutQz9M0=",
    "{SHA256}mKs9+NOXEmINu7n5zYcfxEyp5VCwYaCQT71wurNrzvA=",
    "{SHA512}L3e0V6hqOzp249up+YGn58M/1C24d8tLK/2LmNN00F+r50BMbsHlyj7xaCpSHkJmNzv2ymT6/98W8pGoUp8D1Q==",
    "{MD5-CRYPT}$1$NpPPgSRt$zL9qz2wrGtC0N1OSTXXfb0",
    "{SMD5}YYHXq+gBybk9JOOn88idMKagyUk=",
    "{PLAIN-MD5}6dac13a486a2610e91a1e3a4cc3060c7",
    "{LDAP-MD5}bawTpIaiYQ6RoeOkzDBgxw==",
    "{SCRAM-SHA-256}4096,+1yB43D55xpUh/Bxqme9Lw==,vCc20D5RVkMBzzVeT3D75y1E9spxEbeUClDXRDV22sA=,HbNAzLXJa1kuhOMtG2tBnTvsJPsAqOMNlx8h1KHLXxc=",
    "{SCRAM-SHA-1}4096,xkvZvie3OjP1kSMgJmpU1Q==,EgSpkcD9ckDVpI9ARtdBYebRg8M=,BRJYNKvrN/YWd4s4z2izrvHDYAs=",
    "{SSHA256.HEX}be8283b624d845f6b23a2b921d10999987ed2e62822bfdf56b7786ee48cfebebe9839fc5",
    "{SHA512.hex}2f77b457a86a3b3a76e3dba9f981a7e7c33fd42db877cb4b2bfd8b98d374d05fabe7404c6ec1e5ca3ef1682a521e4266373bf6ca64faffdf16f291a8529f03d5",
    "{SSHA.B64}nrxQLK849omXyV9P5++WXnOyohucQ68b",
    "{PBKDF2.b64}JDEkOHZDUUNJdGtScGtQWnV3byQ1MDAwJDVhMGUwMWY1MjhmMzMwODdjNDU2OTJjMTVkMGNiMDc3ZGM1ODIzYWY=",
    "{PLAIN-MD5.BASE64}bawTpIaiYQ6RoeOkzDBgxw==",
    "{ARGON2I}$argon2i$v=19$m=32768,t=4,p=1$P6G57zAJhKeBTOvEh1XX+w$0MV8W0oMDXpnzpeguodtCDun53wGXO9iMPeu38kyuSU",
    "$y$j9T$/dOuv1UqG3SUr86/NDgXq.$ZppMOd.YAdpwg8LuQ/084vnVFkRbieRLL6vgKdF3n05",
    "$gy$j9T$DAksR3cMb2HQXZWg//igv.$K6VXJ50pYb2yNRqSOuBzBLQvQwyuf1IMnRWZTMwb7/D",
    "$7$CU..../....mVqxWHQx.MHRJ5sP03gfp1$ONqwOGJMQ.2MIdvV8l25ueVHnpiqLFd3w/Qw00PZJp2",
    "{CRYPT}$2b$05$BoQqzuOz7s9.F5ztaJXvb.SbJM7LYsLGJwkVdckfOXpl2zInvcdK2",
    "$2a$05$FxG7BTa/HLK0.YX1KESeMO/Iv1EoiDurkrFEFg9wUWTyOScR1QjtC",
    "$6$hJEO3urYvQHb61qJ$HmZ91L93XK2QWC07qzaP9n4qeK2FWeGxMhwEKKiztv6De5YnT/RrrDB.zVb6iM0hdqZaxl2.raOdocFim1wSL0",
    "$5$Wte3gIAjwQLGhN1q$fzL85dX0ZytKoOamvOz5.t.hYMPitk6UPzoLtjjd9uD",
    "$1$DRTTgINa$d0EtqV7czT3KLiCIHezDh1",
    "{blf-crypt}$2y$05$Ifi8ObOQz1HYFpYy1JIKoOwgOZAXXDbRQ8vI4qp7Gp4xMAyXbXcK.",
]
# fmt: on
ABSURD = "too much work"
INCOMPLETE = "complete"
REFUSED = [
    # what it shows, hash, part of the sentence
    ("half a billion rounds", "$6$rounds=999999999$saltsalt$" + "a" * 86, ABSURD),
    ("one round too many", f"$5$rounds={crypt3.MAX_ROUNDS + 1}$saltsalt$" + "a" * 43, ABSURD),
    ("bcrypt for a week", "$2y$31$" + "a" * 53, ABSURD),
    ("argon2 with 4 GiB", "{ARGON2ID}$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHQ$aaaaaaaaaaaaaaaa", ABSURD),
    ("argon2 for ever", "{ARGON2ID}$argon2id$v=19$m=65536,t=999999999,p=1$c29tZXNhbHQ$aaaaaaaaaaaaaaaa", ABSURD),
    ("argon2 on many lanes", "{ARGON2ID}$argon2id$v=19$m=65536,t=1,p=255$c29tZXNhbHQ$aaaaaaaaaaaaaaaa", ABSURD),
    ("yescrypt with petabytes", "$y$jzz$saltsalt$" + "a" * 43, ABSURD),
    ("scrypt with gigabytes", "$7$M..../....saltsalt$" + "a" * 43, ABSURD),
    ("scrypt in many lanes", "$7$CU....z....saltsalt$" + "a" * 43, ABSURD),
    ("PBKDF2 for ever", "{PBKDF2}$1$salt$999999999$" + "a" * 40, ABSURD),
    ("SCRAM for ever", "{SCRAM-SHA-256}999999999,c2FsdA==,YWFh,YWFh", ABSURD),
    ("no rounds at all", "{PBKDF2}$1$salt$0$" + "a" * 40, INCOMPLETE),
    ("eight letters only", "{DES-CRYPT}Jnl7DKYBCnvm.", "part of the password"),
    ("eight letters only, bare", "Jnl7DKYBCnvm.", "not verified here"),
    ("a digest of nothing that is sent", "{CRAM-MD5}d725ed6d35dd352b2b11ce8ab56088c5", "challenges"),
    ("a scheme nobody knows", "{ROT13}frperg", "scheme ROT13"),
    ("Apache's own MD5", "$apr1$zKU.M9tW$vy1CM458dgrC6MWHFFlBy1", "not verified here"),
    ("cut off", "$6$hJEO3urYvQHb61qJ$HmZ91L93", INCOMPLETE),
    ("a digest cut off", "{SSHA256}YAtzDI+zaiOK4RaCSzWmUhQgN5TA", INCOMPLETE),
    ("salted without salt", "{SSHA}3brMnvUSvqWc2LwYMqJEutQz9M0=", INCOMPLETE),
    ("no base64", "{SSHA}???", "base64"),
    ("no hexadecimal", "{SSHA.HEX}xyz", "hexadecimal"),
    ("an encoded thing that is no text", "{PBKDF2.B64}/////w==", INCOMPLETE),
    ("a locked account", "!$6$saltsalt$" + "a" * 86, "locked"),
    ("an account without password", "*", "locked"),
    ("nothing", "", "no hash"),
    ("a scheme without hash", "{SSHA}", "no hash"),
    ("an empty clear text", "{PLAIN}", "empty"),
    ("two lines", "{SSHA}LvTMm4nAECIgLjHymnpZJvAjkBSCw+fN\n", "no hash"),
    ("a book", "{SSHA}" + "A" * 5000, "no hash"),
]


@pytest.mark.parametrize("stored", VECTORS, ids=lambda stored: stored[:20])
def test_right_and_wrong_secrets(stored: str) -> None:
    """What the other server let in is let in, and nothing else."""
    assert unusable(stored) is None
    assert kept(stored) == stored
    assert verify(stored, SECRET)
    for wrong in (SECRET + "x", SECRET[:-1], SECRET.lower(), "", "\0", SECRET + "\0", "a" * 100_000, "\udcff"):
        assert not verify(stored, wrong)


@pytest.mark.parametrize(("given", "part"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_what_cannot_be_imported(given: str, part: str) -> None:
    """The sentence says why; it never repeats the hash, and a login with such a hash fails at once."""
    sentence = unusable(given)
    assert sentence is not None
    assert part in sentence
    assert len(given) < 4 or given.partition("}")[2] == "" or given.partition("}")[2] not in sentence
    began = time.thread_time()
    assert not verify(given, SECRET)
    assert time.thread_time() - began < 0.5


@pytest.mark.parametrize("scheme", ["PLAIN", "CLEARTEXT", "clear"])
def test_clear_text_is_hashed_at_once(scheme: str) -> None:
    """The database never has it; blanks and braces belong to it."""
    secret = "correct {horse} battery"
    assert unusable(f"{{{scheme}}}{secret}") is None
    stored = kept(f"{{{scheme}}}{secret}")
    assert stored.startswith("{ARGON2ID}$argon2id$")
    assert secret not in stored
    assert verify(stored, secret)
    assert not verify(stored, secret.strip("y"))
    assert unusable(stored) is None


def test_clear_text_that_got_into_the_store_proves_nothing() -> None:
    """verify() is for what kept() returned."""
    assert not verify("{PLAIN}secret", "secret")


@given(st.text(max_size=200), st.text(max_size=50))
def test_no_text_is_trouble(given: str, secret: str) -> None:
    """Whatever stands in a file and whatever a client sends: a sentence or None, True or False."""
    sentence = unusable(given)
    assert sentence is None or ("\n" not in sentence and sentence.isprintable())
    assert verify(given, secret) in (True, False)


def test_the_most_that_is_accepted_is_bearable() -> None:
    """The bound on rounds is about half a second of one processor; ten times that would be somebody's weapon."""
    stored = f"$6$rounds={crypt3.MAX_ROUNDS}$saltsalt$" + "a" * 86
    assert unusable(stored) is None
    began = time.process_time()
    assert not verify(stored, SECRET)
    assert time.process_time() - began < 5


@pytest.mark.skipif(not shutil.which("doveadm"), reason="needs doveadm (Debian: dovecot-core)")
@pytest.mark.parametrize(
    "scheme", ["SHA512-CRYPT", "BLF-CRYPT", "ARGON2ID", "PBKDF2", "SSHA512", "SSHA256.HEX", "SCRAM-SHA-256"]
)
def test_what_dovecot_makes_now(scheme: str) -> None:
    """A new salt each time."""
    made = subprocess.run(["doveadm", "pw", "-s", scheme, "-p", SECRET], capture_output=True, text=True, check=True)
    assert verify(made.stdout.strip(), SECRET)
    assert not verify(made.stdout.strip(), "wrong")


@pytest.mark.skipif(not shutil.which("mkpasswd"), reason="needs mkpasswd (Debian: whois)")
@pytest.mark.parametrize(
    "method", ["yescrypt", "gost-yescrypt", "scrypt", "bcrypt", "sha512crypt", "sha256crypt", "md5crypt"]
)
def test_what_mkpasswd_makes_now(method: str) -> None:
    """What /etc/shadow has had on Debian."""
    made = subprocess.run(["mkpasswd", "-m", method, SECRET], capture_output=True, text=True, check=True)
    assert unusable(made.stdout.strip()) is None
    assert verify(made.stdout.strip(), SECRET)
    assert not verify(made.stdout.strip(), "wrong")

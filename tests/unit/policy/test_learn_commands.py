"""`sallyport learn`: from logs, mailboxes and tables, as an administrator has them."""

import bz2
import gzip
import lzma
import time
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path

import pytest
from command_line import CommandLine, InProcess, is_one_sentence, prepared

from policy.cli.progress import progress

NOW = time.time()
YESTERDAY = NOW - 86400.0


@pytest.fixture
def sallyport(tmp_path: Path) -> CommandLine:
    """A store with ada and bob."""
    made = prepared(InProcess, tmp_path)
    for name in ("ada", "bob"):
        made.json("identity", "add", name, "--address", f"{name}@sallyport.test")
    return made


def day_of(at: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(at))


def stamp(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(at))


def log_of(*messages: tuple[str, dict[str, str]], at: float = YESTERDAY) -> str:
    """A maillog: login, and of each recipient what became of it."""
    lines = []
    for number, (login, recipients) in enumerate(messages):
        queue_id = f"4{number:09X}"
        says = f"{stamp(at + number)} mx postfix"
        whose = f", sasl_method=PLAIN, sasl_username={login}" if login else ""
        lines.append(f"{says}/smtpd[9]: {queue_id}: client=c.example[192.0.2.1]{whose}")
        lines.append(f"{says}/qmgr[9]: {queue_id}: from=<a@b.example>, size=9, nrcpt={len(recipients)} (queue active)")
        for address, status in recipients.items():
            dsn = {"sent": "2.0.0", "bounced": "5.1.1", "deferred": "4.4.1"}[status]
            to = f"to=<{address}>, relay=x[192.0.2.2]:25, delay=1, delays=0/0/0/1, dsn={dsn}, status={status} (x)"
            lines.append(f"{says}/smtp[9]: {queue_id}: {to}")
        lines.append(f"{says}/qmgr[9]: {queue_id}: removed")
    return "\n".join(lines) + "\n"


def known(sallyport: CommandLine, name: str, *addresses: str) -> list[bool]:
    return [sallyport.json("learn", "ask", name, address)["is_known"] for address in addresses]


def counts(sallyport: CommandLine) -> dict[str, int]:
    return {one["identity"]: one["known"] for one in sallyport.json("learn", "show") if one["known"]}


def test_learn_maillog(sallyport: CommandLine, tmp_path: Path) -> None:
    """Whom a login has written to, by its name, login or address; delivered and no other."""
    login = sallyport.json("credential", "add", "bob", "--label", "laptop")["login"]
    log = tmp_path / "mail.log"
    log.write_text(
        log_of(
            ("ada@sallyport.test", {"x@x.example": "sent", "y@x.example": "bounced", "z@x.example": "deferred"}),
            ("ada", {"X@x.example": "sent", "v@x.example": "sent"}),
            (login, {"w@x.example": "sent"}),
            ("stranger", {"w@x.example": "sent"}),
            ("", {"ada@sallyport.test": "sent"}),
        )
        + "no line of a log\n"
    )
    told = sallyport.json("learn", "maillog", str(log))
    assert (told["new"], told["identities"]) == (3, {"ada": 2, "bob": 1})
    assert (told["unknown"], told["passed_over"]) == ({"stranger": 1}, {"not handed in with a login": 1})
    assert (told["broken"], told["first_broken"][0]["why"]) == (1, "1 of 24 lines are none of a log")
    assert known(sallyport, "ada", "x@x.example", "y@x.example", "z@x.example", "v@x.example") == [
        True,
        False,
        False,
        True,
    ]
    assert known(sallyport, "bob", "w@x.example", "x@x.example") == [True, False]


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_learn_from_packed_logs(sallyport: CommandLine, tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    """Several at once; one that was cut off is learnt from as far as it goes, and the others whole."""
    whole, cut = tmp_path / "mail.log.1", tmp_path / "mail.log.2"
    whole.write_bytes(pack(log_of(("ada", {"x@x.example": "sent"})).encode()))
    content = log_of(*[("ada", {f"u{number}@x.example": "sent"}) for number in range(6_000)])
    cut.write_bytes(pack(content.encode())[:-100])
    told = sallyport.json("learn", "maillog", str(whole), str(cut))
    assert told["broken"] == 1
    assert "mail.log.2 is broken" in told["first_broken"][0]["why"]
    assert told["new"] > 1000
    assert known(sallyport, "ada", "x@x.example") == [True]


def test_learn_with_a_map(sallyport: CommandLine, tmp_path: Path) -> None:
    """Whose the logins of an old server are."""
    log, names = tmp_path / "mail.log", tmp_path / "names.csv"
    log.write_text(log_of(("u4711", {"x@x.example": "sent"})))
    assert sallyport.json("learn", "maillog", str(log))["unknown"] == {"u4711": 1}
    names.write_text("name;identity\nU4711;ada@sallyport.test\n")
    assert sallyport.json("learn", "maillog", str(log), "--map", str(names))["identities"] == {"ada": 1}
    names.write_text("name;identity\nu4711\n")
    done = sallyport("learn", "maillog", str(log), "--map", str(names))
    assert done.returncode == 1
    assert is_one_sentence(done.stderr)
    assert "line 2: it has no identity" in done.stderr


def test_a_dry_run_changes_nothing(sallyport: CommandLine, tmp_path: Path) -> None:
    log = tmp_path / "mail.log"
    log.write_text(log_of(("ada", {"x@x.example": "sent"})))
    done = sallyport("learn", "maillog", str(log), "--dry-run")
    assert done.stdout.startswith("1 new recipients of 1 identity would be learnt, nothing was changed; 0 were known")
    assert counts(sallyport) == {}
    assert sallyport("learn", "maillog", str(log)).stdout.startswith("1 new recipients of 1 identity learnt; 0 were")
    assert sallyport("learn", "maillog", str(log)).stdout.startswith("0 new recipients of 0 identities learnt; 1 were")


def test_what_it_says_to_people(sallyport: CommandLine, tmp_path: Path) -> None:
    """Everything that was not learnt has its reason; what strangers have written cannot move the cursor."""
    table = tmp_path / "history.csv"
    rows = ["identity,address,date", "ada,x@x.example,", "bob,y@x.example,", "ada,z@x.example,2001-01-01"]
    rows += ["\x1b[2Jeve,x@x.example,", "bob,nobody,"]
    table.write_text("\n".join(rows))
    done = sallyport("learn", "csv", str(table))
    assert done.stdout == (
        "2 new recipients of 2 identities learnt; 0 were known already\n"
        "  ada: 1\n"
        "  bob: 1\n"
        "read: 4 messages with 3 recipients\n"
        "not learnt, too old: 1\n"
        "not learnt, of nobody here: 1 message of 1 name\n"
        "  \\u001b[2Jeve (1)\n"
        "  a name is a login, an identity's name or an address; --map FILE (maillog, csv) says whose it is\n"
        "could not be read: 1\n"
        f"  {table}, line 6: 'nobody' is no address\n"
    )


def test_learn_sent(sallyport: CommandLine, tmp_path: Path) -> None:
    """An mbox and a Maildir; a date of a header holds, not the day on which it was read."""
    mbox, maildir = tmp_path / "Sent", tmp_path / "Maildir"
    date = f"Date: {formatdate(NOW - 100 * 86400)}"
    mbox.write_text(f"From - Tue Nov 14 22:13:20 2023\n{date}\nTo: x@x.example\nBcc: Y <y@x.example>\n\nhello\n")
    (maildir / "cur").mkdir(parents=True)
    (maildir / "cur" / f"{int(YESTERDAY)}.M1:2,S").write_text("Cc: z@x.example\n\nhello\n")
    assert sallyport.json("learn", "sent", "ada", str(mbox), str(maildir))["new"] == 3
    asked = sallyport.json("learn", "ask", "ada", "Y@X.example")
    assert asked["last_used_at"] == f"{day_of(NOW - 100 * 86400)}T00:00:00Z"
    assert asked["forgotten_at"] == f"{day_of(NOW + 301 * 86400)}T00:00:00Z"
    assert counts(sallyport) == {"ada": 3}


def mail_root(folder: Path) -> Path:
    """As Dovecot lays it out: of ada, of bob, and of somebody who is none of ours."""
    for name in ("ada", "bob", "carol"):
        for box, field in (("Maildir", "From"), ("Maildir/.Sent", "To")):
            (folder / name / box / "cur").mkdir(parents=True)
            for number in range(5):
                message = folder / name / box / "cur" / f"{int(YESTERDAY) + number}.M{number}:2,"
                message.write_text(f"{field}: {box[-1]}{number}@x.example\n\nhello\n")
    return folder


def test_learn_from_everybodys_mail(sallyport: CommandLine, tmp_path: Path) -> None:
    root = mail_root(tmp_path / "mail")
    told = sallyport.json("learn", "sent", "--all", str(root))
    assert (told["identities"], told["unknown"]) == ({"ada": 5, "bob": 5}, {"carol": 5})
    told = sallyport.json("learn", "received", "--all", str(root), "--most", "2")
    assert (told["identities"], told["too_many"]) == ({"ada": 2, "bob": 2}, 6)
    assert known(sallyport, "ada", "t4@x.example", "r0@x.example", "r4@x.example") == [True, True, False]
    assert sallyport.json("learn", "sent", "--all", str(root), "--folder", "Nowhere")["messages"] == 0
    assert sallyport.json("learn", "received", "--all", str(root), "--since", day_of(NOW + 86400))["too_old"] == 10


def test_strangers_cannot_choose_much(sallyport: CommandLine, tmp_path: Path) -> None:
    """Whoever writes to an identity from a thousand addresses makes fifty of them known, unless somebody says more."""
    box = tmp_path / "Maildir"
    (box / "new").mkdir(parents=True)
    for number in range(1000):
        (box / "new" / f"{int(YESTERDAY)}.M{number}").write_text(f"From: victim{number}@x.example\n\nhello\n")
    told = sallyport.json("learn", "received", "ada", str(box))
    assert (told["new"], told["too_many"]) == (50, 950)


def test_learn_csv(sallyport: CommandLine, tmp_path: Path) -> None:
    """One bad line breaks no other, not even with a quotation mark too many."""
    table = tmp_path / "history.csv"
    lines = [b"\xef\xbb\xbfAddress\tIdentity\tDate", b"x@x.example\tada\t" + day_of(YESTERDAY).encode()]
    lines += [b'"y@x.example\tada', b"", b"\xff@x.example\tada", b"z@x.example", b"a" * 20_000 + b"\tada"]
    lines += [b"u@x.example\tada\t2999-01-01", b"v@x.example\tada\tsoon", b"w@x.example\tada@sallyport.test"]
    lines += [b"t@x.example\tada\t" + str(int(YESTERDAY)).encode()]
    table.write_bytes(b"\r\n".join(lines))
    told = sallyport.json("learn", "csv", str(table))
    assert (told["new"], told["broken"]) == (3, 6)
    where = [one["where"].rpartition(" ")[2] for one in told["first_broken"]]
    assert where == ["3", "5", "6", "7", "8", "9"]
    assert known(sallyport, "ada", "x@x.example", "w@x.example", "t@x.example") == [True, True, True]


REFUSED = [
    ("no such log", ("maillog", "nowhere.log"), "nowhere.log cannot be read"),
    ("no such mailbox", ("sent", "ada", "nowhere"), "there is no nowhere"),
    ("no such identity", ("sent", "carol", "."), "there is no identity 'carol'"),
    ("no such root", ("received", "--all", "nowhere"), "nowhere cannot be read"),
    ("a table without its columns", ("csv", "/etc/passwd"), "its first line must name the columns"),
    ("nobody to forget", ("forget", "carol", "--all", "--yes"), "there is no identity 'carol'"),
    ("nobody to ask", ("ask", "carol", "x@x.example"), "there is no identity 'carol'"),
    ("no terminal to ask at", ("forget", "ada", "--all"), "say --yes"),
]


@pytest.mark.parametrize(("words", "why"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_what_cannot_be_done(sallyport: CommandLine, words: tuple[str, ...], why: str) -> None:
    done = sallyport("learn", *words)
    assert done.returncode == 1
    assert is_one_sentence(done.stderr)
    assert why in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("sent",),
        ("sent", "ada"),
        ("sent", "ada", "x", "--all", "y"),
        ("received", "ada", "--all", "y"),
        ("received", "--most", "0", "--all", "y"),
        ("forget", "ada"),
        ("forget", "ada", "--all", "--since", "30d"),
        ("csv", "x", "--since", "soon"),
        ("maillog",),
    ],
)
def test_wrong_arguments(sallyport: CommandLine, words: tuple[str, ...]) -> None:
    assert sallyport("learn", *words).returncode == 2


def test_forget(sallyport: CommandLine, tmp_path: Path) -> None:
    table = tmp_path / "history.csv"
    table.write_text(f"identity,address,date\nada,x@x.example,{day_of(NOW - 90 * 86400)}\nada,y@x.example,\n")
    sallyport.json("learn", "csv", str(table))
    assert sallyport.json("learn", "forget", "ada", "--since", "30d", "--yes") == {"identity": "ada", "forgotten": 1}
    assert known(sallyport, "ada", "x@x.example", "y@x.example") == [True, False]
    assert sallyport("learn", "forget", "ada", "--all", "--yes").stdout == "ada has forgotten 1 recipients\n"
    assert counts(sallyport) == {}


def test_show_and_ask(sallyport: CommandLine, tmp_path: Path) -> None:
    """Numbers and days; never an address."""
    table = tmp_path / "history.csv"
    table.write_text("identity,address\nada,x@x.example\n")
    sallyport.json("learn", "csv", str(table))
    shown = [line.split() for line in sallyport("learn", "show").stdout.splitlines()]
    today = day_of(time.time())  # the tests may have been collected yesterday
    assert shown == [["identity", "known", "newest"], ["ada", "1", today], ["administrator", "0"], ["bob", "0"]]
    assert [one["identity"] for one in sallyport.json("learn", "show", "--limit", "2")] == ["ada", "administrator"]
    assert [one["known"] for one in sallyport.json("learn", "show", "ada")] == [1]
    asked = sallyport("learn", "ask", "ada", "x@x.example").stdout
    assert asked.startswith(f"x@x.example is known to ada: last used on {today}, forgotten on ")
    assert sallyport("learn", "ask", "bob", "x@x.example").stdout == "x@x.example is new to bob\n"


def test_the_audit_log_has_it(sallyport: CommandLine, tmp_path: Path) -> None:
    """Who has learnt from what, and what came of it; without an address."""
    table = tmp_path / "history.csv"
    table.write_text("identity,address\nada,x@x.example\n")
    sallyport.json("learn", "csv", str(table))
    acts = sallyport("audit", "list", "--json", "--subject", "everybody").stdout
    assert "learning-begun" in acts
    assert "learning-ended" in acts
    assert "history.csv" in acts
    assert "x@x.example" not in acts


def test_progress_is_for_who_watches(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing where standard error is no terminal."""
    with progress("log", 10) as tell:
        tell(5)
    assert capsys.readouterr().err == ""

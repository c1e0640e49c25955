"""The SMTP side, over a socket."""

import asyncio
import smtplib
from typing import Any, NoReturn

import pytest
from sink_clients import HELLO, NOW, Running, Wire

from sink import answers, intake
from sink.query import Filter
from sink.store import Store

MESSAGES = [
    # what it shows, message
    ("an ordinary message", b"Subject: a\r\n\r\nbody\r\n"),
    ("dots at the beginning of lines", b"A: 1\r\n\r\n.\r\n..\r\n.dot\r\n"),
    ("8 bits", b"A: 1\r\n\r\n\xff\xfe\x80\r\n"),
    ("no header section", b"\r\nbody\r\n"),
    ("the longest legal line, RFC 5321 section 4.5.3.1.6", b"A: 1\r\n\r\n" + b"x" * 998 + b"\r\n"),
    ("the longest legal line, with a dot to stuff", b"A: 1\r\n\r\n." + b"x" * 997 + b"\r\n"),
    ("trailing blanks and tabs", b"A: 1 \t\r\n\r\nbody \t \r\n\r\n\r\n"),
]


@pytest.mark.parametrize("content", [row[1] for row in MESSAGES], ids=[row[0] for row in MESSAGES])
async def test_a_message_is_kept_octet_for_octet(running: Running, store: Store, content: bytes) -> None:
    await running.submit_to(["bob@x.test"], content, "ada@x.test", ("BODY=8BITMIME",))
    assert [message.raw for message in store.select(Filter())] == [content]


async def test_the_envelope_is_kept(running: Running, store: Store) -> None:
    await running.submit_to(["Bob@x.test", "eve@y.test"], HELLO, "Ada@x.test")
    (message,) = store.select(Filter())
    assert (message.mail_from, message.recipients, message.received_at) == (
        "Ada@x.test",
        ("Bob@x.test", "eve@y.test"),
        NOW,
    )


async def test_the_null_reverse_path_is_empty(running: Running, store: Store) -> None:
    await running.submit(sender="")
    assert store.select(Filter())[0].mail_from == ""


async def test_two_transactions_in_one_session_do_not_mix(wire: Wire, store: Store) -> None:
    for number in (b"1", b"2"):
        await wire.say(b"MAIL FROM:<a" + number + b"@x.test>")
        await wire.say(b"RCPT TO:<b" + number + b"@x.test>")
        await wire.say(b"DATA")
        assert await wire.say(b"Subject: x\r\n\r\n.") == f"250 2.0.0 Kept as message {number.decode()}"
    assert [message.recipients for message in store.select(Filter())] == [("b1@x.test",), ("b2@x.test",)]


async def test_smtputf8(wire: Wire, store: Store) -> None:
    assert (await wire.say("MAIL FROM:<grüße@x.test> SMTPUTF8".encode())).startswith("250")
    assert (await wire.say("RCPT TO:<用户@例え.jp>".encode())).startswith("250 2.1.5")
    await wire.say(b"DATA")
    await wire.say("Subject: Grüße\r\n\r\n.".encode())
    (message,) = store.select(Filter())
    assert (message.mail_from, message.recipients, message.subject) == ("grüße@x.test", ("用户@例え.jp",), "Grüße")


async def test_extensions_are_announced(running: Running) -> None:
    def features() -> dict[str, str]:
        with smtplib.SMTP("127.0.0.1", running.sink.smtp_port, "client.test", timeout=10) as client:
            client.ehlo()
            return dict(client.esmtp_features)

    announced = await asyncio.to_thread(features)
    assert {"8bitmime", "smtputf8", "size"} <= set(announced)
    assert not {"starttls", "auth"} & set(announced)
    assert announced["size"] == "100000"  # what the store can hold; 64 MiB unless that is less


async def test_special_recipients_are_refused_one_by_one(wire: Wire, store: Store) -> None:
    await wire.say(b"MAIL FROM:<ada@x.test>")
    replies = [
        await wire.say(b"RCPT TO:<" + local_part + b"@anywhere.test>")
        for local_part in (b"unknown-a", b"full-a", b"spam-a", b"greylist-a", b"bob", b"greylist-a")
    ]
    assert [reply[:9] for reply in replies] == [
        "550 5.1.1", "452 4.2.2", "554 5.7.1", "450 4.2.0", "250 2.1.5", "250 2.1.5"
    ]  # fmt: skip
    await wire.say(b"DATA")
    await wire.say(b".")
    assert store.select(Filter())[0].recipients == ("bob@anywhere.test", "greylist-a@anywhere.test")


async def test_a_slow_recipient_is_slow(running: Running, store: Store) -> None:
    await running.submit_to(["slow-b@x.test", "slow-33-b@x.test", "bob@x.test"], HELLO, "ada@x.test")
    assert running.naps == [5, 33]
    assert len(store) == 1


REFUSED = [
    # what it shows, commands, reply to the last one
    ("RCPT before MAIL", [b"RCPT TO:<a@x.test>"], "503"),
    ("DATA without an accepted recipient", [b"MAIL FROM:<a@x.test>", b"RCPT TO:<unknown-a@x.test>", b"DATA"], "503"),
    ("reverse-path that is not UTF-8", [b"MAIL FROM:<\xff@x.test>"], "553 5.1.7"),
    ("recipient that is not UTF-8", [b"MAIL FROM:<a@x.test>", b"RCPT TO:<\xff@x.test>"], "553 5.1.3"),
    ("a message that is announced too big", [b"MAIL FROM:<a@x.test> SIZE=100001"], "552"),
    ("no such command", [b"TURN"], "500"),
]


@pytest.mark.parametrize(("commands", "reply"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
async def test_refused(wire: Wire, commands: list[bytes], reply: str) -> None:
    replies = [await wire.say(command) for command in commands]
    assert replies[-1].startswith(reply)
    assert (await wire.say(b"NOOP")).startswith("250")


async def test_a_message_too_big_is_refused_whole(running: Running, store: Store) -> None:
    with pytest.raises(smtplib.SMTPResponseException) as refused:
        await running.submit(content=b"A: 1\r\n\r\n" + b"x" * 98 + b"\r\n" + b"y" * 100 + b"\r\n" + b"z" * 99_900)
    assert refused.value.smtp_code == 552
    assert len(store) == 0


async def test_recipients_of_one_transaction_are_bounded(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "MAX_RECIPIENTS", 2)
    await wire.say(b"MAIL FROM:<a@x.test>")
    replies = [await wire.say(b"RCPT TO:<b%d@x.test>" % number) for number in range(3)]
    assert [reply[:9] for reply in replies] == ["250 2.1.5", "250 2.1.5", "452 4.5.3"]


async def test_an_error_of_ours_tells_the_client_nothing(
    wire: Wire, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: Any) -> NoReturn:
        raise RuntimeError("the secret text")

    monkeypatch.setattr(answers, "answer", fail)
    await wire.say(b"MAIL FROM:<a@x.test>")
    assert await wire.say(b"RCPT TO:<b@x.test>") == "451 4.3.0 The sink cannot do this now"
    logged = capsys.readouterr().out
    assert "command-failed" in logged
    assert "RuntimeError" in logged
    assert "secret" not in logged


async def test_a_session_that_is_cut_in_data_keeps_nothing(wire: Wire, running: Running, store: Store) -> None:
    await wire.say(b"MAIL FROM:<a@x.test>")
    await wire.say(b"RCPT TO:<b@x.test>")
    await wire.say(b"DATA")
    wire.writer.write(b"Subject: half\r\n")
    wire.writer.close()
    await wire.writer.wait_closed()
    await running.submit()
    assert [message.subject for message in store.select(Filter())] == ["hello"]


async def test_long_commands_are_not_cut_by_another_connection(wire: Wire, running: Running) -> None:
    """aiosmtpd keeps the limits of all connections in one table, which each new connection clears."""
    await running.submit()
    path = b"a" * 64 + b"@" + b".".join([b"d" * 60] * 9)
    assert (await wire.say(b"MAIL FROM:<" + path + b"> SIZE=100 BODY=8BITMIME SMTPUTF8")).startswith("250")

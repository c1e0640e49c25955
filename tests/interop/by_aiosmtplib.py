"""Sends the message on standard input with aiosmtplib: by_aiosmtplib.py JSON. Runs where aiosmtplib is installed."""

import asyncio
import email.message
import email.policy
import json
import sys


async def main() -> None:
    import aiosmtplib  # noqa: PLC0415 - not installed where the tests are collected

    given = json.loads(sys.argv[1])
    policy = email.policy.SMTP if given["recipient"].isascii() else email.policy.SMTPUTF8
    message = email.message_from_binary_file(sys.stdin.buffer, policy=policy)
    try:
        await aiosmtplib.send(
            message,
            sender=given["sender"],
            recipients=[given["recipient"]],
            hostname="localhost",
            port=given["port"],
            use_tls=given["implicit_tls"],
            start_tls=not given["implicit_tls"],
            cert_bundle=given["certificate"],
            username=given["login"],
            password=given["secret"],
            mail_options=["RET=HDRS"] if given["notify"] else None,
            rcpt_options=["NOTIFY=SUCCESS,FAILURE"] if given["notify"] else None,
        )
    except (aiosmtplib.SMTPException, OSError) as error:
        sys.exit(f"{type(error).__module__}.{type(error).__qualname__}: {error}")


if __name__ == "__main__":
    asyncio.run(main())

"""Health check of the gateway: `python -m gateway.health` speaks SMTP to its own listener, exit 0 or 1.

A TCP connection alone would be answered by the kernel of a gateway that hangs.
"""

import os
import smtplib
import sys


def main() -> int:
    port = int(os.environ.get("GATEWAY_SUBMISSION_PORT", "587"))
    try:
        with smtplib.SMTP("127.0.0.1", port, local_hostname="localhost", timeout=5) as client:
            code, _ = client.ehlo()
    except (OSError, smtplib.SMTPException) as error:
        print(f"gateway does not answer: {type(error).__name__}", file=sys.stderr)
        return 1
    return 0 if code == 250 and client.does_esmtp else 1  # noqa: PLR2004 - RFC 5321 section 4.1.1.1


if __name__ == "__main__":
    sys.exit(main())

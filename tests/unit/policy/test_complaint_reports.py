"""Complaints as they come: reports of feedback loops, letters of people, and what strangers make up."""

from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.complaints.report import Complaint, complaint_in

HOST = "mail.example.org"
TRACE = f"""Received: from submission by {HOST} with ESMTPSA
\t(TLSv1.3 TLS_AES_256_GCM_SHA384)
\tid 00112233445566aa; Thu, 26 Nov 2026 12:00:00 +0000
"""
ORIGINAL = f"""Received: from {HOST} (HELO {HOST}) by mx.example.net; Thu, 26 Nov 2026 12:00:01 +0000
{TRACE}From: ada@example.org
To: undisclosed
Subject: cheap pills

Buy them.
"""
# RFC 5965 appendix B.2, with the message of ours
ARF = f"""From: <abusedesk@example.com>
Date: Thu, 8 Mar 2005 17:40:36 EDT
Subject: FW: Earn money
To: <abuse@example.org>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report;
     boundary="part1_13d.2e68ed54_boundary"

--part1_13d.2e68ed54_boundary
Content-Type: text/plain; charset="US-ASCII"
Content-Transfer-Encoding: 7bit

This is an email abuse report for an email message received from IP 192.0.2.1.

--part1_13d.2e68ed54_boundary
Content-Type: message/feedback-report

Feedback-Type: KIND
User-Agent: SomeGenerator/1.0
Version: 1
Original-Mail-From: <ada@example.org>
Original-Rcpt-To: <user@example.com>
Arrival-Date: Thu, 8 Mar 2005 14:00:00 EDT
Reporting-MTA: dns; mail.example.com
Source-IP: 192.0.2.1

--part1_13d.2e68ed54_boundary
Content-Type: WHOLE
Content-Disposition: inline

{ORIGINAL}
--part1_13d.2e68ed54_boundary--
"""
LETTER = f"""From: Bob <bob@example.net>
To: abuse@example.org
Subject: your user sends spam
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain

Stop it.
--b
Content-Type: message/rfc822

{ORIGINAL}
--b--
"""
FOUND = Complaint(submission="00112233445566aa", reporter="example.com", kind="abuse", recipients=("user@example.com",))


def arf(kind: str = "abuse", whole: str = "message/rfc822") -> str:
    return ARF.replace("KIND", kind).replace("WHOLE", whole)


CASES = [
    ("a report with the message", arf(), FOUND),
    ("a report with its header section", arf(whole="text/rfc822-headers"), FOUND),
    ("letters of any case", arf("Abuse"), FOUND),
    ("a report that hides the recipient", arf().replace("Original-Rcpt-To", "X-Hidden"), FOUND.__class__(
        submission=FOUND.submission, reporter="example.com", kind="abuse")),
    ("it is no spam after all", arf("not-spam"), None),
    ("DKIM failed, RFC 6591", arf("auth-failure"), None),
    ("a kind that nobody knows", arf("martian"), FOUND.__class__(
        submission=FOUND.submission, reporter="example.com", kind="other", recipients=FOUND.recipients)),
    ("a message of another server", arf().replace(f"by {HOST} with", "by other.example with"), None),
    ("a letter with the message", LETTER, FOUND.__class__(
        submission=FOUND.submission, reporter="example.net", kind="other")),
    ("a letter that only talks", "From: bob@example.net\nTo: abuse@example.org\n\nStop it.\n", None),
    ("our own trace field on the letter itself", TRACE + LETTER.replace("submission by", "nobody by"), None),
    ("a message whose sender wants no complaints about it", arf().replace("Buy them.", "multipart/x\n" * 100), FOUND),
    ("nothing", "", None),
]  # fmt: skip


@pytest.mark.parametrize(("letter", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_a_complaint_says(letter: str, expected: Complaint | None) -> None:
    assert complaint_in(letter.replace("\n", "\r\n").encode(), HOST) == expected
    assert complaint_in(letter.encode(), HOST) == expected


def _nested(depth: int) -> str:
    return "From: bob@example.net\n" + "".join(
        f"Content-Type: multipart/mixed; boundary=b{level}\n\n--b{level}\n" for level in range(depth)
    )


HEAD = "Content-Type: multipart/report; boundary=x\n\n--x\nContent-Type: text/rfc822-headers\n\n"
HOSTILE = [
    ("a trace field that never ends", f"From: bob@example.net\n{HEAD}" + "from submission by a with b \n" * 30_000),
    ("ids that are none", f"From: bob@example.net\n{HEAD}from submission by a with b " + " id 0123456789ab" * 50_000),
    ("parts in parts", _nested(3000)),
    ("parts in parts, and lines", _nested(400) + "\n" * 200_000),
    ("comments in comments", f"From: {'(' * 5000}\n{HEAD}{TRACE}"),
    ("authors", f"From: {'a@example.net,' * 60_000}\n{HEAD}"),
]


@pytest.mark.parametrize("letter", [case[1] for case in HOSTILE], ids=[case[0] for case in HOSTILE])
def test_no_letter_keeps_the_reader_busy(letter: str) -> None:
    """Anybody may write to abuse@: nothing that he writes fails, and nothing takes seconds."""
    began = process_time()
    complaint_in(letter.encode(), HOST)
    assert process_time() - began < 3


@given(st.binary(max_size=400), st.integers(0, len(ARF)))
def test_no_letter_makes_it_fail(octets: bytes, at: int) -> None:
    """Whatever stands in it, wherever."""
    whole = arf().encode()
    complaint_in(octets, HOST)
    complaint_in(whole[:at] + octets + whole[at:], HOST)

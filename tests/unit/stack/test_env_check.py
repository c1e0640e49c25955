"""What `make up` says about .env before it starts anything: a sentence with setting, problem and remedy; exit 2."""

import re
from pathlib import Path

import pytest
from stack_scripts import CHECKOUT, Run

GOOD = {
    "nothing": "",
    "comments and empty lines": "# a comment\n\n   \n  # another\n",
    "no newline at the end": "SALLYPORT_HOSTNAME=mail.example.org",
    "several domains": "SALLYPORT_DOMAINS=example.org,example.net\n",
    "an IPv6 address": "SALLYPORT_BIND=::1\n",
    "the lowest and the highest port": "SALLYPORT_SUBMISSION_PORT=1\nSALLYPORT_IMAPS_PORT=65535\n",
    "ports that change places": "SALLYPORT_SUBMISSION_PORT=465\nSALLYPORT_SUBMISSIONS_PORT=587\n",
    "where browsers find the console": "SALLYPORT_CONSOLE_URL=https://mail.example.org\n",
    "on a port of its own": "SALLYPORT_CONSOLE_URL=https://mail.example.org:8443\n",
    "no network that is never walled": "SALLYPORT_UNWALLED_NETWORKS=\n",
    "networks that are never walled": "SALLYPORT_UNWALLED_NETWORKS=192.0.2.0/24,198.51.100.7,0.0.0.0/0,2001:db8::/64\n",
    "no policy file": "SALLYPORT_POLICY_FILE=\n",
    "a policy file": "SALLYPORT_POLICY_FILE=/etc/hostname\n",
    "no databases of addresses of one's own": "SALLYPORT_GEO_DIR=\n",
    "who is told": "SALLYPORT_ALERT_TO=eve+alerts@example.org\n",
    "no optional part": "SALLYPORT_WITH=\n",
    "two optional parts": "SALLYPORT_WITH=mta-sts,metrics\n",
    "JSON lines": "SALLYPORT_LOG_FORMAT=json\n",
    "who takes mail": "SALLYPORT_MX=mx1.example.org,mx2.example.org\nSALLYPORT_MTA_STS=testing\n",
}

# content, what the sentence must name
BAD = {
    "no assignment": ("SALLYPORT_HOSTNAME\n", "line 1 is not of the form KEY=value"),
    "a blank around the equals sign": ("SALLYPORT_HOSTNAME = a.test\n", "line 1 is not of the form KEY=value"),
    "export": ("export SALLYPORT_HOSTNAME=a.test\n", "line 1 is not of the form KEY=value"),
    "indented": (" SALLYPORT_HOSTNAME=a.test\n", "line 1 is not of the form KEY=value"),
    "a misspelt key": (
        "# first\nSALLYPORT_HOSTNAMES=a.test\n",
        "line 2 sets SALLYPORT_HOSTNAMES, which is not a setting",
    ),
    "a key that is a pattern": ("S.*=1\n", "line 1 is not of the form KEY=value"),
    "somebody else's key": ("PATH=/tmp\n", "line 1 sets PATH, which is not a setting"),
    "the same key twice": (
        "SALLYPORT_IMAPS_PORT=1993\nSALLYPORT_IMAPS_PORT=2993\n",
        "line 2 sets SALLYPORT_IMAPS_PORT a second time",
    ),
    "empty": ("SALLYPORT_DOMAINS=\n", "line 1: SALLYPORT_DOMAINS is empty"),
    "Windows line ends": ("SALLYPORT_BIND=::1\r\n", "line 1 ends in a carriage return"),
    "quotes": ('SALLYPORT_HOSTNAME="a.test"\n', "SALLYPORT_HOSTNAME is"),
    "port 0": ("SALLYPORT_IMAPS_PORT=0\n", 'SALLYPORT_IMAPS_PORT is "0", which is not a port'),
    "port 65536": ("SALLYPORT_IMAPS_PORT=65536\n", 'SALLYPORT_IMAPS_PORT is "65536", which is not a port'),
    "an octal port": ("SALLYPORT_IMAPS_PORT=0993\n", 'SALLYPORT_IMAPS_PORT is "0993", which is not a port'),
    "a port of many digits": ("SALLYPORT_SINK_PORT=99999999999999999999\n", "SALLYPORT_SINK_PORT is"),
    "a negative port": ("SALLYPORT_SUBMISSION_PORT=-1\n", "SALLYPORT_SUBMISSION_PORT is"),
    "a word for a port": ("SALLYPORT_SUBMISSIONS_PORT=smtps\n", "SALLYPORT_SUBMISSIONS_PORT is"),
    "a port twice": (
        "SALLYPORT_SUBMISSION_PORT=2525\nSALLYPORT_IMAPS_PORT=2525\n",
        "SALLYPORT_IMAPS_PORT is 2525, which SALLYPORT_SUBMISSION_PORT is already",
    ),
    "the sink's port twice": (
        "SALLYPORT_IMAPS_PORT=8025\n",
        "SALLYPORT_SINK_PORT is 8025, which SALLYPORT_IMAPS_PORT is",
    ),
    "a host name with a blank": ("SALLYPORT_HOSTNAME=mail server.test\n", "SALLYPORT_HOSTNAME is"),
    "a host name in capitals": ("SALLYPORT_HOSTNAME=Mail.test\n", "SALLYPORT_HOSTNAME is"),
    "a host name of one label": ("SALLYPORT_HOSTNAME=mail\n", "SALLYPORT_HOSTNAME is"),
    "a command for a host name": ("SALLYPORT_HOSTNAME=$(id).test\n", "SALLYPORT_HOSTNAME is"),
    "a host of MX that is a sentence": ("SALLYPORT_MX=my mail server\n", "SALLYPORT_MX is"),
    "half of MTA-STS": ("SALLYPORT_MTA_STS=strict\n", "SALLYPORT_MTA_STS is"),
    "a console without TLS": ("SALLYPORT_CONSOLE_URL=http://a.test\n", "SALLYPORT_CONSOLE_URL is"),
    "a console with a path": ("SALLYPORT_CONSOLE_URL=https://a.test/console\n", "SALLYPORT_CONSOLE_URL is"),
    "a console on port 0": ("SALLYPORT_CONSOLE_URL=https://a.test:0\n", "SALLYPORT_CONSOLE_URL is"),
    "the console on another's port": (
        "SALLYPORT_IMAPS_PORT=8443\n",
        "SALLYPORT_CONSOLE_PORT is 8443, which SALLYPORT_IMAPS_PORT is",
    ),
    "a comma too many": ("SALLYPORT_DOMAINS=a.test,,b.test\n", "SALLYPORT_DOMAINS is"),
    "a comma at the end": ("SALLYPORT_DOMAINS=a.test,\n", "SALLYPORT_DOMAINS is"),
    "blanks between domains": ("SALLYPORT_DOMAINS=a.test, b.test\n", "SALLYPORT_DOMAINS is"),
    "an address for a domain": ("SALLYPORT_DOMAINS=ada@a.test\n", "SALLYPORT_DOMAINS is"),
    "a name to bind to": ("SALLYPORT_BIND=localhost\n", "SALLYPORT_BIND is"),
    "an octet of 256": ("SALLYPORT_BIND=127.0.0.256\n", "SALLYPORT_BIND is"),
    "three octets": ("SALLYPORT_BIND=127.0.1\n", "SALLYPORT_BIND is"),
    "nobody who is told": ("SALLYPORT_ALERT_TO=eve\n", "SALLYPORT_ALERT_TO is"),
    "two who are told": ("SALLYPORT_ALERT_TO=a@example.org,b@example.org\n", "SALLYPORT_ALERT_TO is"),
    "a name for a network": ("SALLYPORT_UNWALLED_NETWORKS=office\n", "SALLYPORT_UNWALLED_NETWORKS is"),
    "a blank between networks": (
        "SALLYPORT_UNWALLED_NETWORKS=192.0.2.0/24, 198.51.100.0/24\n",
        "SALLYPORT_UNWALLED_NETWORKS is",
    ),
    "an address within a network": ("SALLYPORT_UNWALLED_NETWORKS=192.0.2.7/24\n", "SALLYPORT_UNWALLED_NETWORKS is"),
    "a prefix of 33 bits": ("SALLYPORT_UNWALLED_NETWORKS=192.0.2.0/33\n", "SALLYPORT_UNWALLED_NETWORKS is"),
    "a prefix of 129 bits": ("SALLYPORT_UNWALLED_NETWORKS=2001:db8::/129\n", "SALLYPORT_UNWALLED_NETWORKS is"),
    "no prefix behind the slash": ("SALLYPORT_UNWALLED_NETWORKS=192.0.2.0/\n", "SALLYPORT_UNWALLED_NETWORKS is"),
    "bytes with a unit": ("SALLYPORT_MAX_MESSAGE_BYTES=25M\n", "SALLYPORT_MAX_MESSAGE_BYTES is"),
    "too few bytes": ("SALLYPORT_MAX_MESSAGE_BYTES=1000\n", "SALLYPORT_MAX_MESSAGE_BYTES is"),
    "a quota without a unit": ("SALLYPORT_MAILBOX_QUOTA=5\n", "SALLYPORT_MAILBOX_QUOTA is"),
    "a quota in gibibytes": ("SALLYPORT_MAILBOX_QUOTA=5GiB\n", "SALLYPORT_MAILBOX_QUOTA is"),
    "a setting that is gone": (
        "SALLYPORT_RECIPIENTS_PER_HOUR=200\n",
        "SALLYPORT_RECIPIENTS_PER_HOUR, which is a setting no more; write recipients",
    ),
    "a policy file that is not there": ("SALLYPORT_POLICY_FILE=/nonexistent\n", "SALLYPORT_POLICY_FILE is"),
    "a policy file that is a folder": ("SALLYPORT_POLICY_FILE=/etc\n", "SALLYPORT_POLICY_FILE is"),
    "a policy file from nowhere": ("SALLYPORT_POLICY_FILE=README.md\n", "SALLYPORT_POLICY_FILE is"),
    "a folder of databases that is not there": ("SALLYPORT_GEO_DIR=/nonexistent\n", "SALLYPORT_GEO_DIR is"),
    "a folder without databases": ("SALLYPORT_GEO_DIR=/usr/share\n", "country.mmdb and asn.mmdb"),
    "a folder of databases that is a file": ("SALLYPORT_GEO_DIR=/etc/hostname\n", "SALLYPORT_GEO_DIR is"),
    "a part that there is not": ("SALLYPORT_WITH=metrics,grafana\n", "SALLYPORT_WITH is"),
    "the test stack as a part": ("SALLYPORT_WITH=test\n", "SALLYPORT_WITH is"),
    "a part that is a path": ("SALLYPORT_WITH=../x\n", "SALLYPORT_WITH is"),
    "a log format": ("SALLYPORT_LOG_FORMAT=xml\n", 'SALLYPORT_LOG_FORMAT is "xml", which is neither text nor json'),
}


@pytest.mark.parametrize("content", GOOD.values(), ids=GOOD)
def test_a_good_file_is_taken_in_silence(run: Run, tmp_path: Path, content: str) -> None:
    file = tmp_path / "settings"
    file.write_bytes(content.encode())
    done = run("stack/up", "--check-env", file)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_folder_has_both_databases(run: Run, tmp_path: Path) -> None:
    """Both settings of policy are made of it; one file that knows both may have two names."""
    file = tmp_path / "settings"
    file.write_text(f"SALLYPORT_GEO_DIR={tmp_path}\n")
    (tmp_path / "country.mmdb").touch()
    assert "country.mmdb and asn.mmdb" in run("stack/up", "--check-env", file).stderr
    (tmp_path / "asn.mmdb").touch()
    done = run("stack/up", "--check-env", file)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(("content", "named"), BAD.values(), ids=BAD)
def test_a_bad_file_is_refused_in_one_sentence(run: Run, tmp_path: Path, content: str, named: str) -> None:
    file = tmp_path / "settings"
    file.write_bytes(content.encode())
    done = run("stack/up", "--check-env", file)
    assert (done.returncode, done.stdout) == (2, "")
    assert named in done.stderr
    assert re.fullmatch(r"sallyport: [^\n]+; [^\n]+\.\n", done.stderr), "one line: the problem; the remedy."


def test_every_default_of_the_example_is_good(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "settings"
    file.write_text(re.sub(r"(?m)^#(?=SALLYPORT_)", "", (CHECKOUT / ".env.example").read_text()))
    assert run("stack/up", "--check-env", file).returncode == 0


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"SALLYPORT_IMAPS_PORT": "imaps"}, "SALLYPORT_IMAPS_PORT of the environment"),
        ({"SALLYPORT_RECIPIENTS_PER_HOUR": "200"}, "of the environment is a setting no more; write"),
        ({"SALLYPORT_LOG_FORMAT": "xml"}, "SALLYPORT_LOG_FORMAT of the environment"),
        ({"SALLYPORT_UNWALLED_NETWORKS": "192.0.2.7/24"}, "SALLYPORT_UNWALLED_NETWORKS of the environment"),
        ({"SALLYPORT_IMAPS_PORT": "1587", "SALLYPORT_SUBMISSION_PORT": "1587"}, "give each a port of its own"),
    ],
)
def test_the_environment_is_checked_in_the_same_way(
    run: Run, tmp_path: Path, variables: dict[str, str], named: str
) -> None:
    file = tmp_path / "settings"
    file.write_text("")
    done = run("stack/up", "--check-env", file, **variables)
    assert done.returncode == 2
    assert named in done.stderr


def test_the_environment_wins_over_the_file(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "settings"
    file.write_text("SALLYPORT_SUBMISSION_PORT=2525\nSALLYPORT_IMAPS_PORT=2525\n")
    assert run("stack/up", "--check-env", file, SALLYPORT_IMAPS_PORT="2993").returncode == 0


def test_a_file_that_is_not_there_is_named(run: Run, tmp_path: Path) -> None:
    done = run("stack/up", "--check-env", tmp_path / "none")
    assert done.returncode == 2
    assert str(tmp_path / "none") in done.stderr

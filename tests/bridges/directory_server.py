"""A directory for tests: a private slapd on loopback, which takes passwords under TLS alone.

It is set up as carelessly as servers are found: `bind_anon_cred` makes it say yes to a name without a password.
"""

import shutil
import signal
import socket
import subprocess
import time
import urllib.parse
from pathlib import Path

from certificates import make
from harness import Process, answers, free_port, until

BASE = "dc=example,dc=org"
PEOPLE = f"ou=people,{BASE}"
ADA, ADAS_PASSWORD = f"uid=ada,{PEOPLE}", "correct horse, battery"
SERVICE, SERVICE_PASSWORD = f"cn=sallyport,{BASE}", "service secret"
STRANGE_LOGIN = 'a"b+c,d;e<f>g\\h=i#j*(k)'
_STRANGE_UID = STRANGE_LOGIN.encode().hex(" ").split()
_DAY_S = 86400.0

_CONFIG = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload ppolicy
pidfile {folder}/slapd.pid
TLSCertificateFile {cert}
TLSCertificateKeyFile {key}
localSSF 128
security simple_bind=128
allow bind_anon_cred
database mdb
suffix "{base}"
directory {folder}/db
overlay ppolicy
ppolicy_default cn=policy,{base}
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="{service}" read by anonymous auth by * none
"""

_ENTRIES = f"""\
dn: {BASE}
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: cn=policy,{BASE}
objectClass: device
objectClass: pwdPolicy
cn: policy
pwdAttribute: userPassword
pwdLockout: TRUE

dn: {PEOPLE}
objectClass: organizationalUnit
ou: people

dn: {SERVICE}
objectClass: applicationProcess
objectClass: simpleSecurityObject
cn: sallyport
userPassword: {SERVICE_PASSWORD}

dn: {ADA}
objectClass: inetOrgPerson
uid: ada
cn: Ada
sn: Lovelace
mail: staff@example.org
userPassword: {ADAS_PASSWORD}

dn: uid=bob,{PEOPLE}
objectClass: inetOrgPerson
uid: bob
cn: Bob
sn: Locked
mail: staff@example.org
userPassword: bobs password
pwdAccountLockedTime: 000001010000Z

dn: uid=eve,{PEOPLE}
objectClass: inetOrgPerson
uid: eve
cn: Eve
sn: Without a password

dn: uid=gone,{PEOPLE}
objectClass: referral
objectClass: extensibleObject
uid: gone
ref: ldap://127.0.0.1:1/uid=gone,dc=example,dc=net

dn: uid={"".join(f"{chr(92)}{octet}" for octet in _STRANGE_UID)},{PEOPLE}
objectClass: inetOrgPerson
uid: {STRANGE_LOGIN}
cn: Strange
sn: Strange
userPassword: strange password
"""


class Directory:
    """Running from `start` on. `ca` is the authority of its certificate."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "db").mkdir()
        now = time.time()
        made = make("localhost", begins=now - _DAY_S, expires=now + _DAY_S)
        self.ca, key = made.write(folder, "directory")
        config = folder / "slapd.conf"
        config.write_text(_CONFIG.format(folder=folder, cert=self.ca, key=key, base=BASE, service=SERVICE))
        subprocess.run(
            ["/usr/sbin/slapadd", "-q", "-f", str(config)], input=_ENTRIES, text=True, check=True, capture_output=True
        )
        self.password_file = folder / "service.password"
        self.password_file.write_text(SERVICE_PASSWORD + "\n")
        self.port, self.tls_port = free_port(), free_port()
        self._socket = folder / "ldapi"
        self.ldap, self.ldaps = f"ldap://localhost:{self.port}", f"ldaps://localhost:{self.tls_port}"
        self.ldapi = f"ldapi:///{urllib.parse.quote(str(self._socket), safe='')}"
        listeners = (
            f"ldap://127.0.0.1:{self.port} ldaps://127.0.0.1:{self.tls_port} {self.ldapi.replace(':///', '://')}"
        )
        self.process = Process(
            ["/usr/sbin/slapd", "-h", listeners, "-f", str(config), "-d", "stats"], {}, folder / "slapd.log"
        )

    def start(self) -> "Directory":
        self.process.start()
        until(lambda: answers(self.port) and answers(self.tls_port) and self._socket_answers(), self.process.text())
        return self

    def stop(self) -> None:
        self.process.stop()

    def hang(self) -> None:
        """It takes connections, and says nothing any more."""
        self.process.send(signal.SIGSTOP)
        assert self.process.running
        threads = Path(f"/proc/{self.process.running.pid}/task")
        until(lambda: all(_state(one) == "T" for one in threads.iterdir()), "every thread of slapd has stopped")

    def go_on(self) -> None:
        self.process.send(signal.SIGCONT)

    def times(self, said: str) -> int:
        """How often its log has these words."""
        return self.process.text().count(said)

    def _socket_answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self._socket)) == 0

    @staticmethod
    def is_possible() -> bool:
        return shutil.which("slapd", path="/usr/sbin") is not None


def _state(thread: Path) -> str:
    """The letter behind the name in parentheses, proc(5)."""
    return (thread / "stat").read_text().rpartition(")")[2].split()[0]

"""Who can reach whom, tried in the running containers of the production file, and what each container may do.

The internet is played by a network namespace with one address of TEST-NET-2 (RFC 5737) and no route back to the
containers' private networks, as the internet has none: what arrives there has been masqueraded.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from compose import Compose, engine_answers
from harness import until

pytestmark = [
    pytest.mark.containers,
    pytest.mark.skipif(not engine_answers() or os.geteuid() != 0, reason="needs a container engine, and root"),
]

OUTSIDE, INSIDE = "198.51.100.1", "198.51.100.2"
NAMESPACE = "sallyport-outside"
PORTS = {"policy": (7587,), "postfix": (10025, 10026), "dovecot": (2424,), "queue-agent": (7589,), "rspamd": (11333,)}
CAPABILITIES = {
    "gateway": set(),
    "policy": set(),
    "console": set(),
    "dovecot": set(),
    "rspamd": set(),
    "postfix": {"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"},
    "queue-agent": {"KILL", "SETGID", "SETUID"},
}
AS_ROOT = {"postfix", "queue-agent"}
SERVICES = sorted(CAPABILITIES)
CAPABILITY_BITS = {"CHOWN": 0, "DAC_OVERRIDE": 1, "FOWNER": 3, "KILL": 5, "SETGID": 6, "SETUID": 7}
SQLITE_MAGIC = b"SQLite format 3\x00"
CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=3)"
SUBMIT = """
import smtplib, sys
with smtplib.SMTP(sys.argv[1], int(sys.argv[2]), timeout=10) as client:
    client.sendmail("held@sallyport.test", ["friend@elsewhere.example"], "Subject: held\\r\\n\\r\\nx")
"""
ORDER = """
import sys, urllib.error, urllib.request
address, token, path, body = sys.argv[1:]
headers = {"Authorization": f"Bearer {token}"}
asked = urllib.request.Request(f"http://{address}:7589{path}", body.encode() or None, headers)
try:
    print(200, urllib.request.urlopen(asked, timeout=30).read().decode())
except urllib.error.HTTPError as error:
    print(error.code, error.read().decode())
"""
LISTEN = """
import socket
with socket.create_server(("0.0.0.0", 25)) as listening:
    print("ready", flush=True)
    while True:
        connection, peer = listening.accept()
        connection.close()
"""


@pytest.fixture(scope="module")
def stack() -> Iterator[Compose]:
    """The production file, as `docker compose up` starts it."""
    one = Compose("sallyport-isolation", test=False, settings={"SALLYPORT_BIND": "0.0.0.0"})
    try:
        yield one.start()
    finally:
        one.stop()


@pytest.fixture(scope="module")
def outside(stack: Compose) -> Iterator[str]:
    """A host on the outside network that accepts connections on port 25; its address."""
    subprocess.run(["ip", "netns", "del", NAMESPACE], capture_output=True, check=False)
    for command in (
        f"ip netns add {NAMESPACE}",
        f"ip link add sally-out type veth peer name eth0 netns {NAMESPACE}",
        f"ip addr add {INSIDE}/24 dev sally-out",
        "ip link set sally-out up",
        f"ip -n {NAMESPACE} addr add {OUTSIDE}/24 dev eth0",
        f"ip -n {NAMESPACE} link set eth0 up",
    ):
        subprocess.run(command.split(), check=True)
    # Not one packet is to leave this machine: the way to the address is the pair that was just made.
    route = subprocess.run(["ip", "route", "get", OUTSIDE], capture_output=True, text=True, check=True).stdout
    assert "dev sally-out" in route
    listener = subprocess.Popen(
        ["ip", "netns", "exec", NAMESPACE, sys.executable, "-c", LISTEN], stdout=subprocess.PIPE, text=True
    )
    try:
        assert listener.stdout
        assert listener.stdout.readline() == "ready\n"
        yield OUTSIDE
    finally:
        listener.kill()
        listener.communicate()
        subprocess.run(["ip", "netns", "del", NAMESPACE], check=True)


Way = tuple[str, str, int]  # from a service to an address and a port


def connects(stack: Compose, service: str, host: str, port: int) -> bool:
    """Whether a TCP connection from the container's network namespace is established."""
    return stack.in_network_of(service, sys.executable, "-c", CONNECT, host, str(port)).returncode == 0


def connecting(stack: Compose, ways: Iterable[Way]) -> list[Way]:
    """Those by which it is. All are tried at once: what is dropped on the way takes its whole three seconds."""
    every = list(ways)
    with ThreadPoolExecutor(len(every)) as pool:
        found = pool.map(lambda way: connects(stack, *way), every)
    return [way for way, is_open in zip(every, found, strict=True) if is_open]


def connects_from_outside(host: str, port: int) -> bool:
    command = ["ip", "netns", "exec", NAMESPACE, sys.executable, "-c", CONNECT, host, str(port)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_postfix_reaches_the_outside(stack: Compose, outside: str) -> None:
    """The one door out works; without this the next test would show nothing."""
    assert connects(stack, "postfix", outside, 25)


def test_nobody_else_reaches_the_outside(stack: Compose, outside: str) -> None:
    """A part that was broken into cannot send mail by itself, nor fetch anything."""
    assert not connecting(stack, [(one, outside, 25) for one in ("gateway", "dovecot", "policy", "console", "rspamd")])


@pytest.mark.parametrize("service", ["policy", "postfix", "queue-agent", "rspamd"])
def test_inner_services_publish_no_port(stack: Compose, service: str) -> None:
    """Neither on the machine's addresses nor on any other."""
    assert not stack.inspect(service)["HostConfig"]["PortBindings"]


def test_inner_ports_are_closed_from_outside(stack: Compose, outside: str) -> None:
    """Not even for a neighbour who sets a route to the container's own address through this machine."""
    addresses = {
        network["IPAddress"]: service
        for service in PORTS
        for network in stack.inspect(service)["NetworkSettings"]["Networks"].values()
    }
    assert len(addresses) > len(PORTS)
    for address in addresses:
        subprocess.run(["ip", "-n", NAMESPACE, "route", "replace", f"{address}/32", "via", INSIDE], check=True)
    ways = [(address, port) for address, service in addresses.items() for port in PORTS[service]]
    try:
        with ThreadPoolExecutor(len(ways)) as pool:
            found = list(pool.map(lambda way: connects_from_outside(*way), ways))
    finally:
        for address in addresses:
            subprocess.run(["ip", "-n", NAMESPACE, "route", "del", f"{address}/32"], check=True)
    assert not [way for way, is_open in zip(ways, found, strict=True) if is_open]


def test_public_ports_are_open_from_outside(stack: Compose, outside: str) -> None:
    """587, 465 and 993 answer; without this the previous test would show nothing."""
    for port in (stack.submission_port, stack.submissions_port, stack.imaps_port):
        assert connects_from_outside(INSIDE, port)


@pytest.mark.parametrize(
    ("options", "negotiated"),
    [((), "X25519MLKEM768"), (("-groups", "X25519"), "X25519"), (("-groups", "X448:P-521"), "")],
    ids=["what a client of today offers", "before that", "what is not offered"],
)
@pytest.mark.parametrize(("service", "port"), [("gateway", 5465), ("dovecot", 10993)])
def test_keys_are_exchanged_so_that_no_later_machine_reads_them(
    stack: Compose, service: str, port: int, options: tuple[str, ...], negotiated: str
) -> None:
    """The hybrid of X25519 and ML-KEM, which OpenSSL has since 3.5, ahead of what else Mozilla's profile has."""
    say = "openssl s_client -connect localhost:$0 -tls1_3 $@ </dev/null 2>&1"
    said = stack.inside(service, "sh", "-c", say, str(port), *options).stdout
    group = re.search(r"(?:Negotiated TLS1.3 group|Peer Temp Key): (\w+)", said)
    assert negotiated == (group[1] if group else ""), said
    assert bool(negotiated) != ("alert handshake failure" in said), said


def test_gateway_has_no_port_25(stack: Compose) -> None:
    """Submission is not mail exchange: nothing listens on 25, in no container."""
    assert not connecting(stack, [(one, "127.0.0.1", 25) for one in SERVICES])
    assert "25/tcp" not in stack.inspect("gateway")["NetworkSettings"]["Ports"]


@pytest.mark.parametrize("port", PORTS["postfix"])
def test_postfix_listens_on_the_relay_network_alone(stack: Compose, port: int) -> None:
    """Not on the network that leads out, nor on the one to Dovecot."""
    networks = stack.inspect("postfix")["NetworkSettings"]["Networks"]
    answering = [name for name, network in networks.items() if connects(stack, "postfix", network["IPAddress"], port)]
    assert answering == [f"{stack.project}_relay"]


def test_policy_listens_on_the_decisions_network_alone(stack: Compose) -> None:
    """It is on the relay network to send mail, and not to be asked by Postfix, which the internet talks to."""
    networks = stack.inspect("policy")["NetworkSettings"]["Networks"]
    assert set(networks) == {f"{stack.project}_decisions", f"{stack.project}_relay"}
    answering = [name for name, network in networks.items() if connects(stack, "policy", network["IPAddress"], 7587)]
    assert answering == [f"{stack.project}_decisions"]


def test_the_queue_agent_listens_on_the_decisions_network_alone(stack: Compose) -> None:
    """Postfix, which strangers talk to, shares the way out with it, and has no way to it nor to policy."""
    networks = stack.inspect("queue-agent")["NetworkSettings"]["Networks"]
    assert set(networks) == {f"{stack.project}_decisions", f"{stack.project}_egress"}
    answering = [
        name for name, network in networks.items() if connects(stack, "queue-agent", network["IPAddress"], 7589)
    ]
    assert answering == [f"{stack.project}_decisions"]
    inner = [(address_of(stack, one, "decisions"), PORTS[one][0]) for one in ("queue-agent", "policy")]
    assert not connecting(stack, [("postfix", *way) for way in inner])


def test_the_queue_agent_hands_no_mail_in(stack: Compose) -> None:
    """It reaches policy, and neither Postfix's listeners nor a mailbox."""
    assert connects(stack, "queue-agent", address_of(stack, "policy", "decisions"), 7587)
    ways = inner_ports(stack, ("postfix", "relay"), ("dovecot", "pickup"))
    assert not connecting(stack, [("queue-agent", *way) for way in ways])


def test_policy_can_tell_the_administrator(stack: Compose) -> None:
    """By way of Postfix's listener on the relay network; its other ways are closed as everybody's."""
    assert connects(stack, "policy", address_of(stack, "postfix", "relay"), 10025)
    assert not connects(stack, "policy", address_of(stack, "dovecot", "pickup"), 2424)


def test_lmtp_listens_on_the_pickup_network_alone(stack: Compose) -> None:
    """LMTP asks nobody who he is, so that whoever shares another network with Dovecot must not reach it."""
    networks = stack.inspect("dovecot")["NetworkSettings"]["Networks"]
    answering = [name for name, network in networks.items() if connects(stack, "dovecot", network["IPAddress"], 2424)]
    assert answering == [f"{stack.project}_pickup"]


@pytest.mark.parametrize("service", ["gateway", "dovecot", "policy", "console", "rspamd"])
def test_nobody_else_asks_resolvers_outside(stack: Compose, service: str) -> None:
    """A name looked up is a message to whoever answers for it; only the services' own names are looked up here."""
    assert stack.inspect(service)["HostConfig"]["Dns"] == ["127.0.0.1"]


def test_gateway_reaches_what_it_needs_and_nothing_else(stack: Compose) -> None:
    """Policy and Postfix, but not Dovecot's LMTP, where mail could be put into mailboxes unseen."""
    assert connects(stack, "gateway", address_of(stack, "policy", "decisions"), 7587)
    for port in PORTS["postfix"]:
        assert connects(stack, "gateway", address_of(stack, "postfix", "relay"), port)
    assert not connects(stack, "gateway", address_of(stack, "dovecot", "pickup"), 2424)


def test_the_console_reaches_no_inner_port(stack: Compose) -> None:
    """It shares policy's store and nothing else: no question to policy, no mail to Postfix or into a mailbox."""
    inner = (("policy", "decisions"), ("postfix", "relay"), ("dovecot", "pickup"), ("queue-agent", "decisions"))
    assert not connecting(stack, [("console", *way) for way in inner_ports(stack, *inner, ("rspamd", "scan"))])


def test_the_console_is_not_open_to_others_by_default(stack: Compose, outside: str) -> None:
    """It answers on this machine; from outside only where somebody has said so."""
    assert connects(stack, "console", "127.0.0.1", 8443)
    (binding,) = stack.inspect("console")["HostConfig"]["PortBindings"]["8443/tcp"]
    assert binding["HostIp"] == "127.0.0.1"
    assert not connects_from_outside(INSIDE, stack.console_port)


def test_the_scanner_is_the_gateways_alone(stack: Compose) -> None:
    """It reads what anybody may have written, and reaches nobody; it reads its keys, and writes none."""
    where = address_of(stack, "rspamd", "scan")
    assert [one for one, *_ in connecting(stack, [(one, where, 11333) for one in SERVICES])] == ["gateway", "rspamd"]
    assert set(stack.inspect("rspamd")["NetworkSettings"]["Networks"]) == {f"{stack.project}_scan"}
    others = inner_ports(stack, ("policy", "decisions"), ("postfix", "relay"), ("dovecot", "pickup"))
    assert not connecting(stack, [("rspamd", *way) for way in others])
    assert "sallyport.test" in stack.inside("rspamd", "cat", "/dkim/keys.map").stdout
    assert stack.inside("rspamd", "sh", "-c", "echo x >/dkim/keys.map").returncode != 0
    assert not stack.inside("gateway", "find", "/", "-xdev", "-name", "keys.map").stdout


def test_dovecot_cannot_hand_mail_to_postfix(stack: Compose) -> None:
    """A broken-into Dovecot is no way around the gateway."""
    assert not connecting(stack, [("dovecot", *way) for way in inner_ports(stack, ("postfix", "relay"))])


def test_what_comes_in_to_be_held_stays(stack: Compose) -> None:
    """In the hold queue until the queue agent is told to release or delete it; the commands of docs/flow.md show it."""
    where = address_of(stack, "postfix", "relay")
    assert stack.in_network_of("gateway", sys.executable, "-c", SUBMIT, where, "10026").returncode == 0
    queue = stack.inside("postfix", "postqueue", "-c", "/run/postfix", "-j").stdout
    (held,) = [one for one in map(json.loads, queue.splitlines()) if one["sender"] == "held@sallyport.test"]
    assert held["queue_name"] == "hold"
    assert "Subject: held" in stack.inside("postfix", "postcat", "-c", "/run/postfix", "-q", held["queue_id"]).stdout
    gateways, policys = (token_of(stack, name) for name in ("gateway", "queue"))
    body = json.dumps({"queue_ids": [held["queue_id"]]})
    assert ordered(stack, gateways, "/v1/delete", body)[0] == 401
    assert ordered(stack, policys, "/v1/hold", body) == (200, body.replace(": ", ":"))
    assert json.loads(ordered(stack, policys, f"/v1/queue/{held['queue_id']}")[1])["start"] == "x\n"
    assert ordered(stack, policys, "/v1/delete", body) == (200, body.replace(": ", ":"))
    assert held["queue_id"] not in stack.inside("postfix", "postqueue", "-c", "/run/postfix", "-p").stdout
    until(lambda: f"{held['queue_id']}: removed" in stack.run("logs", "postfix"), "Postfix's log is the container's")


def test_gateway_holds_neither_database_nor_digest_key(stack: Compose) -> None:
    """All files of the gateway's container, its volumes included; of secrets only its token and the TLS key."""
    found = stack.inside("gateway", "find", "/", "-xdev", "-name", "*.db", "-o", "-name", "digest.key").stdout
    assert not [line for line in found.splitlines() if "sallyport" in line or "digest" in line]
    secrets = stack.inside("gateway", "find", "/secrets", "/tls", "-type", "f").stdout.split()
    assert sorted(secrets) == ["/secrets/policy.token", "/tls/cert.pem", "/tls/key.pem"]
    mounts = {mount["Name"] for mount in stack.inspect("gateway")["Mounts"] if mount["Type"] == "volume"}
    assert mounts == {f"{stack.project}_{name}" for name in ("gateway-secrets", "tls", "spool")}
    assert sorted(stack.inside("gateway", "find", "/app/policy", "-name", "*.py").stdout.split()) == [
        "/app/policy/__init__.py",
        "/app/policy/contract.py",
    ]


def test_gateway_holds_no_copy_of_policys_state(stack: Compose) -> None:
    """By content, under whatever name and on whatever volume: no SQLite file, and no file of policy's state."""
    state = root_of(stack, "policy") / "var/lib/sallyport"
    secrets = {path.read_bytes() for path in state.rglob("*") if path.is_file() and path.stat().st_size}
    assert len(secrets) > 1, "the database and the digest key"
    sizes = {len(secret) for secret in secrets}
    found = []
    for path in files_of(root_of(stack, "gateway")):
        with path.open("rb") as file:
            is_database = file.read(len(SQLITE_MAGIC)) == SQLITE_MAGIC
        if is_database or (path.stat().st_size in sizes and path.read_bytes() in secrets):
            found.append(path)
    assert found == []


def test_the_queue_agent_knows_no_rule(stack: Compose) -> None:
    """It has a way out: of policy it has the contract, of secrets its token, and of logs Postfix's."""
    assert sorted(stack.inside("queue-agent", "find", "/app/policy", "-name", "*.py").stdout.split()) == [
        "/app/policy/__init__.py",
        "/app/policy/contract.py",
        "/app/policy/queue_contract.py",
    ]
    mounts = {mount["Name"] for mount in stack.inspect("queue-agent")["Mounts"] if mount["Type"] == "volume"}
    names = ("queue", "queue-config", "queue-log", "queue-secrets", "queue-state")
    assert mounts == {f"{stack.project}_{name}" for name in names}
    written = stack.inside("queue-agent", "sh", "-c", "echo x >/run/postfix/main.cf")
    assert written.returncode != 0


def test_secrets_are_for_their_owner_alone(stack: Compose) -> None:
    """Mode 0600, made at the first start."""
    find = ["find", "/secrets", "/tls", "/var/lib/sallyport", "-type", "f", "-printf", "%f %m\\n"]
    modes = dict(line.split() for line in stack.inside("policy", *find).stdout.splitlines())
    for name in ("policy.token", "key.pem", "digest.key", "sallyport.db"):
        assert modes[name] == "600", name


@pytest.mark.parametrize("service", SERVICES)
def test_container_is_locked_down(stack: Compose, service: str) -> None:
    """Read-only root, no new privileges, no capability that was not proven necessary, bounded memory and processes."""
    found = stack.inspect(service)
    host = found["HostConfig"]
    assert host["ReadonlyRootfs"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["CapDrop"] == ["ALL"]
    assert {name.removeprefix("CAP_") for name in host["CapAdd"] or []} == CAPABILITIES[service]
    assert not host["Privileged"]
    assert host["Memory"] > 0
    assert host["PidsLimit"] > 0
    assert found["Config"]["User"] == ("" if service in AS_ROOT else "10001:10001")
    assert found["State"]["Health"]["Status"] == "healthy"


@pytest.mark.parametrize("service", SERVICES)
def test_the_kernel_knows_of_the_lock_down(stack: Compose, service: str) -> None:
    """What holds for the running process, whatever was asked for: capabilities, privileges, system call filter."""
    process = Path("/proc") / str(stack.inspect(service)["State"]["Pid"])
    status = dict(line.split(":\t", 1) for line in (process / "status").read_text().splitlines())
    assert int(status["CapBnd"], 16) == sum(1 << CAPABILITY_BITS[name] for name in CAPABILITIES[service])
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert set(status["Uid"].split()) == ({"0"} if service in AS_ROOT else {"10001"})


@pytest.mark.parametrize("service", SERVICES)
def test_root_file_system_cannot_be_written(stack: Compose, service: str) -> None:
    """Not even by the user that the service runs as."""
    assert stack.inside(service, "sh", "-c", "echo x > /usr/bin/x || echo x > /opt/x").returncode != 0


def test_postfix_daemons_are_not_root(stack: Compose) -> None:
    """master alone is: what talks to the network is the user postfix."""
    command = ["docker", "top", stack.container("postfix"), "-eo", "pid,uid,comm"]
    listing = subprocess.run(command, capture_output=True, text=True, check=True)
    daemons = [line.split()[1:] for line in listing.stdout.splitlines()[1:]]
    assert {name for uid, name in daemons if uid == "0"} <= {
        "docker-init", "tini", "entrypoint", "sh", "master", "show-log", "tail", "sleep"
    }  # fmt: skip
    assert "qmgr" in {name for uid, name in daemons if uid != "0"}


def token_of(stack: Compose, service: str) -> str:
    """Policy's copy of a token."""
    return (root_of(stack, "policy") / "secrets" / service / "policy.token").read_text().strip()


def ordered(stack: Compose, token: str, path: str, body: str = "") -> tuple[int, str]:
    """What the queue agent answers to somebody in policy's place."""
    address = address_of(stack, "queue-agent", "decisions")
    said = stack.in_network_of("policy", sys.executable, "-c", ORDER, address, token, path, body).stdout
    status, _, answer = said.strip().partition(" ")
    return int(status), answer


def inner_ports(stack: Compose, *places: tuple[str, str]) -> list[tuple[str, int]]:
    """Each port of these services, at their address in these networks."""
    return [(address_of(stack, one, network), port) for one, network in places for port in PORTS[one]]


def address_of(stack: Compose, service: str, network: str) -> str:
    address = stack.inspect(service)["NetworkSettings"]["Networks"][f"{stack.project}_{network}"]["IPAddress"]
    assert isinstance(address, str)
    return address


def root_of(stack: Compose, service: str) -> Path:
    """The whole file tree of a container, its volumes included, as this machine's root sees it."""
    return Path("/proc") / str(stack.inspect(service)["State"]["Pid"]) / "root"


def files_of(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        if Path(folder) == root:
            folders[:] = [name for name in folders if name not in {"proc", "sys", "dev"}]
        yield from (path for name in names if (path := Path(folder, name)).is_file() and not path.is_symlink())

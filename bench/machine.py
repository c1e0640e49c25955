"""What the machine must have, one sentence where it has not; and what it is, for the record."""

import contextlib
import os
import platform
import shutil
from pathlib import Path

from bench.commands import run
from bench.errors import BenchError
from bench.processes import cores

# program -> the Debian package that has it
NEEDED = {"postfix": "postfix", "dovecot": "dovecot-core", "gcc": "gcc"}
NEEDED_BY = {"gates": {"policyd-rate-limit": "policyd-rate-limit"}, "haraka": {"node": "nodejs", "npm": "npm"}}
HEADER = Path("/usr/include/openssl/ssl.h")


def require(contenders: tuple[str, ...]) -> None:
    """Root, and all programs; what is missing is installed with apt-get, without starting any service."""
    if os.geteuid() != 0:
        raise BenchError("a private Postfix needs root; run `make bench` as root")
    missing = missing_packages(contenders)
    if missing:
        if not shutil.which("apt-get"):
            raise BenchError(f"this machine is no Debian and has no {', '.join(missing)}; install what has them")
        _install(missing)
    still = missing_packages(contenders)
    if still:
        raise BenchError(f"{', '.join(still)} could not be installed; install it by hand, or leave it out by --against")


def missing_packages(contenders: tuple[str, ...]) -> list[str]:
    """The Debian packages that have what is not there."""
    programs = dict(NEEDED)
    for name in contenders:
        programs |= NEEDED_BY.get(name, {})
    missing = {package for program, package in programs.items() if not shutil.which(program, path=_path())}
    return sorted(missing | (set() if HEADER.exists() else {"libssl-dev"}))


def description() -> dict[str, str]:
    """Machine and versions, for the result file. No host name."""
    return {
        "cores": str(cores()),
        "cpu": _cpu_model(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "postfix": _first_line("postconf", "-d", "-h", "mail_version"),
        "dovecot": _first_line("dovecot", "--version"),
        "node": _first_line("node", "--version"),
        "commit": _first_line("git", "rev-parse", "--short", "HEAD"),
    }


def _install(packages: list[str]) -> None:
    """By the same function as `make up`, which keeps Debian from starting what it installs."""
    functions = ". stack/lib.sh; . stack/native-host.sh"
    print(f"installing: {' '.join(packages)}", flush=True)
    run("bash", "-euc", f"{functions}; apt_install {' '.join(packages)}", folder=Path(__file__).parent.parent)


def _path() -> str:
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _first_line(*command: str) -> str:
    if not shutil.which(command[0]):
        return ""
    with contextlib.suppress(BenchError):  # a checkout without its history, for example
        return run(*command).partition("\n")[0].strip()
    return ""

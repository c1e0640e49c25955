"""PostgreSQL and Valkey for overlays/large, which leaves them to the site: this project's images, run by podman."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from playing import NETWORK, PREFIX, SUBNET, podman

NAMES = ("postgresql", "valkey")
_BASE = SUBNET.rpartition(".")[0]
ADDRESSES: Mapping[str, str] = {"postgresql": f"{_BASE}.200", "valkey": f"{_BASE}.201"}
HOSTS = {f"{name}.sallyport-stores.svc": address for name, address in ADDRESSES.items()}
PASSWORDS = {"postgresql": "database-password", "valkey": "budgets-password"}  # the secret that policy has of each
SOCKETS = {"postgresql": "/run/sockets", "valkey": "/run/valkey"}


@dataclass(frozen=True, slots=True)
class Stores:
    """Both, with the passwords that are in `folder` under the names of their secrets."""

    folder: Path

    def begin(self) -> None:
        """In the network of the pods, which is there already."""
        for name in NAMES:
            password = self.folder / PASSWORDS[name]
            options = ["--network", NETWORK, "--ip", ADDRESSES[name], "--volume", f"{password}:/secrets/password:ro"]
            run = self.folder / f"run-{name}"  # a tmpfs would have the mode of the folder in the image
            run.mkdir()
            run.chmod(0o1777)
            options += ["--volume", f"{run}:{SOCKETS[name]}", "--no-healthcheck"]
            podman("run", "--detach", "--name", _container(name), *options, f"localhost/{PREFIX}-{name}:test")

    def end(self) -> None:
        for name in NAMES:
            podman("rm", "--force", "--volumes", "--time", "1", _container(name), check=False)

    def fault(self) -> str:
        """Which of them does not answer yet."""
        for name in NAMES:
            try:
                podman("exec", _container(name), "/opt/sallyport/entrypoint", "health")
            except AssertionError as error:
                return str(error)
        return ""


def _container(name: str) -> str:
    return f"{PREFIX}-store-{name}"

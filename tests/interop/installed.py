"""Clients that no package of Debian brings: installed once under build/, from the files that lock them with hashes."""

import fcntl
import functools
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness import ROOT

PYTHON = sys.version_info[:3]
_BUILD = ROOT / "build"
_REQUIREMENTS = ROOT / "requirements" / "interop.txt"
_NODEMAILER = Path(__file__).parent / "nodemailer"
_OLDEST_NODE = 20


@functools.cache
def python() -> Path:
    """An interpreter that has what requirements/interop.txt names."""
    folder = _BUILD / "interop-venv"
    done, interpreter = folder / "complete", folder / "bin" / "python"
    wanted = platform.python_version() + "\n" + _REQUIREMENTS.read_text()
    with _one_at_a_time():
        if not (done.exists() and done.read_text() == wanted):
            _run(sys.executable, "-m", "venv", "--clear", str(folder))
            _run(str(interpreter), "-m", "pip", "--quiet", "install", "--require-hashes", "-r", str(_REQUIREMENTS))
            done.write_text(wanted)
    return interpreter


@functools.cache
def nodemailer() -> Path:
    """The folder that has it in node_modules, and our script beside it."""
    folder = _BUILD / "interop-nodemailer"
    done, lock = folder / "complete", (_NODEMAILER / "package-lock.json").read_text()
    with _one_at_a_time():
        folder.mkdir(exist_ok=True)
        for file in _NODEMAILER.iterdir():
            shutil.copy(file, folder)
        if not (done.exists() and done.read_text() == lock):
            _run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", folder=folder)
            done.write_text(lock)
    return folder


@functools.cache
def version_of(package: str) -> str:
    """Of one that requirements/interop.txt names."""
    told = f"import importlib.metadata; print(importlib.metadata.version({package!r}))"
    return _run(str(python()), "-c", told).strip()


@functools.cache
def nodemailer_version() -> str:
    """Empty where there is no Node, or one that nodemailer no longer supports."""
    if not (shutil.which("node") and shutil.which("npm")):
        return ""
    node = _run("node", "--version").strip()
    if int(re.findall(r"\d+", node)[0]) < _OLDEST_NODE:
        return ""
    version = _run("node", "--print", "require('nodemailer/package.json').version", folder=nodemailer())
    return f"{version.strip()} on Node {node}"


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Tests run side by side: the first to need it installs it, and the others wait."""
    _BUILD.mkdir(exist_ok=True)
    with (_BUILD / "interop.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        yield


def _run(*command: str, folder: Path = ROOT) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout

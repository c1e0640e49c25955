"""`sallyport` as a process, without waiting for its imports: forked from a process that has them all.

A command takes half a second to start and a few milliseconds to run, and tests run hundreds of them. Environment,
standard input, standard output, standard error and exit code are the child's own, as those of any process.
tests/unit/policy/test_cli.py starts it in the usual way, too.

    run             (in the test) asks the server, which is started by the first who asks
    serve           (in the server) imports every command, then forks once for each line that asks for one
"""

import atexit
import functools
import gc
import json
import os
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parent.parent
_ONE_AT_A_TIME = threading.Lock()


def run(arguments: Sequence[str], environment: Mapping[str, str], given: str = "") -> subprocess.CompletedProcess[str]:
    """`sallyport ARGUMENTS`, in this environment and no other; `given` is its standard input."""
    with tempfile.TemporaryDirectory() as folder:
        read, printed, said = (Path(folder, name) for name in ("read", "printed", "said"))
        read.write_text(given)
        wanted = {
            "arguments": [*arguments],
            "environment": dict(environment),
            "given": str(read),
            "printed": str(printed),
            "said": str(said),
        }
        with _ONE_AT_A_TIME:
            server = _server()
            assert server.stdin
            assert server.stdout
            server.stdin.write(json.dumps(wanted) + "\n")
            server.stdin.flush()
            code = int(server.stdout.readline())
        return subprocess.CompletedProcess([*arguments], code, printed.read_text(), said.read_text())


@functools.cache
def _server() -> subprocess.Popen[str]:
    """Ends when the tests do: there is nobody left to ask it."""
    command = [sys.executable, __file__]
    one = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True
    )
    atexit.register(one.communicate)
    return one


def serve() -> None:
    sys.path[0] = str(ROOT)
    for one in import_module("policy.cli").COMMANDS:
        import_module(f"policy.cli.{one.place.partition(':')[0]}")
    import_module("alembic.command")  # as soon as there is a migration to run
    gc.freeze()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            os._exit(_command(**json.loads(line)))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _command(arguments: list[str], environment: dict[str, str], given: str, printed: str, said: str) -> int:
    """In the child: its exit code."""
    files = (
        os.open(given, os.O_RDONLY),
        *(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600) for path in (printed, said)),
    )
    for number, file in enumerate(files):
        os.dup2(file, number)
    os.environ.clear()
    os.environ.update(environment)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - what was read ahead is the server's
    sys.argv = ["sallyport", *arguments]
    try:
        import_module("policy.cli").main()
        code: object = 0
    except SystemExit as end:
        code = 0 if end.code is None else end.code
    except BaseException:  # noqa: BLE001 - as Python has it at the end of a process
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code if isinstance(code, int) else 1


if __name__ == "__main__":
    serve()

"""The worker processes, and the one above them that serves nobody and only sees to it that they run.

It binds the ports, loads the certificates, makes the memory that the workers share (caps.py, scoreboard.py), and forks.
A worker that ends is replaced, its connections are given back to the caps, and the others do not notice; one that hangs
is killed first. SIGTERM and SIGINT drain, SIGHUP looks for new certificates at once. If the process above is killed the
workers are killed with it: the gateway is one service, and what is left of it must not hold its ports.
"""

import ctypes
import gc
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from gateway import log
from gateway.caps import Caps
from gateway.scoreboard import Scoreboard

_FORWARDED = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
_LEARNT = _FORWARDED | {signal.SIGCHLD, signal.SIGALRM}
_PAUSE_S = 1.0  # before a worker is replaced that has lived no longer than this
# A worker hangs whose event loop has not turned between so many looks in a row. They are counted, and not the seconds:
# while the whole machine or the container stands still nobody looks.
_LOOK_S, _LOOKS = 5.0, 12
_PR_SET_PDEATHSIG = 1  # prctl(2)


@dataclass(slots=True)
class _Worker:
    number: int
    started_at: float
    turned: int = 0  # as of the newest look
    looks: int = 0  # in a row that found it as it was


def run(
    workers: int,
    caps: Caps,
    scoreboard: Scoreboard,
    serve: Callable[[], None],
    close_ports: Callable[[], None],
    drain_s: float,
) -> int:
    """Keep `workers` processes that run `serve` until told to stop; the exit code of the whole gateway."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _LEARNT)
    # What is there now is shared with all workers; the collector would write into it and make copies.
    gc.collect()
    gc.freeze()
    running: dict[int, _Worker] = {}
    for number in range(1, workers + 1):
        running[_fork(number, caps, scoreboard, serve)] = _Worker(number, time.monotonic())
    # No sigtimedwait: after a pause that outlasts its time, Python makes up the signal that it returns.
    signal.setitimer(signal.ITIMER_REAL, _LOOK_S, _LOOK_S)
    while True:
        number = signal.sigwait(_LEARNT)
        if number == signal.SIGALRM:
            _kill_hung(running, scoreboard)
        elif number == signal.SIGHUP:
            _tell(running, signal.SIGHUP)
        elif number == signal.SIGCHLD:
            for worker in _reaped(running, caps):
                running[_fork(worker.number, caps, scoreboard, serve)] = _Worker(worker.number, time.monotonic())
        else:
            close_ports()  # or the kernel would go on accepting for nobody
            return _stop(running, drain_s)


def _fork(number: int, caps: Caps, scoreboard: Scoreboard, serve: Callable[[], None]) -> int:
    above = os.getpid()
    process = os.fork()
    if process:
        log.worker_started(number, process)
        return process
    code = 1
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == above:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until the worker can answer it
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _LEARNT)
            caps.worker = scoreboard.worker = number
            serve()
            code = 0
    except BaseException as error:  # noqa: BLE001 - the end of a process: nobody is left to handle it
        log.failed("", error)
    finally:
        sys.stdout.flush()
        os._exit(code)


def _kill_hung(running: dict[int, _Worker], scoreboard: Scoreboard) -> None:
    """SIGTERM asks an event loop, and theirs does not answer."""
    for process, worker in running.items():
        turned = scoreboard.turned(worker.number)
        worker.looks = worker.looks + 1 if turned == worker.turned else 0
        worker.turned = turned
        if worker.looks == _LOOKS:
            log.worker_hung(worker.number, process)
            os.kill(process, signal.SIGKILL)


def _reaped(running: dict[int, _Worker], caps: Caps) -> list[_Worker]:
    """The workers that have ended, with what they held given back."""
    ended = []
    while running:
        process, status = os.waitpid(-1, os.WNOHANG)
        if not process:
            break
        worker = running.pop(process, None)
        if worker:
            log.worker_ended(worker.number, process, _reason(status), caps.forget(worker.number))
            ended.append(worker)
    if any(time.monotonic() - worker.started_at < _PAUSE_S for worker in ended):
        time.sleep(_PAUSE_S)  # one that cannot start must not keep the machine busy
    return ended


def _stop(running: dict[int, _Worker], drain_s: float) -> int:
    """Let the workers drain, and end those that take longer."""
    _tell(running, signal.SIGTERM)
    deadline = time.monotonic() + drain_s + 20  # reports to policy are tried for that long after the drain
    codes = []
    while running:
        left = deadline - time.monotonic()
        if left <= 0:
            _tell(running, signal.SIGKILL)
        elif signal.sigtimedwait({signal.SIGCHLD}, left) is None:
            continue
        for process in list(running):
            ended, status = os.waitpid(process, os.WNOHANG if left > 0 else 0)
            if ended:
                del running[process]
                codes.append(os.waitstatus_to_exitcode(status))
    return 0 if all(code == 0 for code in codes) else 1


def _tell(running: dict[int, _Worker], number: signal.Signals) -> None:
    for process in running:
        os.kill(process, number)


def _reason(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"

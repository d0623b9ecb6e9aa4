"""Imports Echelon once and forks a process per order: the same `main()` in a process of its own, without the imports.

A line of JSON comes in per order (`name`, `words`, `environment`, `folder`, `log`), a line goes out per start and per end.
Forked processes die with this one. Nothing of Echelon has run before the fork: importing does nothing.
"""

import ctypes
import gc
import json
import os
import selectors
import signal
import sys
import traceback
from typing import Any

import app

PR_SET_PDEATHSIG = 1


def tell(**what: object) -> None:
    """One line to whoever started this."""
    os.write(1, (json.dumps(what) + "\n").encode())


def become(order: dict[str, Any]) -> None:
    """In the child: Echelon, as if it had been started with these words in this environment. Does not return."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    status = 70
    try:
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        log = os.open(order["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        os.closerange(3, 256)
        os.environ.clear()
        os.environ.update(order["environment"])
        os.chdir(order["folder"])
        sys.argv = ["app.py", *order["words"]]
        status = app.main(order["words"])
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:  # the log is the only place left to say it
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def heard_of(number: int, frame: object) -> None:
    """A signal whose coming alone counts: it wakes the selector."""


def reap() -> None:
    """Tell of every process that has ended."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        tell(ended=pid, status=os.waitstatus_to_exitcode(status))


def main() -> None:
    """Until standard input ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    os.set_blocking(reading, False)
    signal.set_wakeup_fd(writing)
    signal.signal(signal.SIGCHLD, heard_of)
    gc.freeze()
    ears = selectors.DefaultSelector()
    ears.register(0, selectors.EVENT_READ)
    ears.register(reading, selectors.EVENT_READ)
    tell(ready=os.getpid())
    rest = b""
    while True:
        for key, _ in ears.select():
            if key.fd == reading:
                os.read(reading, 4096)
                reap()
                continue
            heard = os.read(0, 1 << 16)
            if not heard:
                return
            *lines, rest = (rest + heard).split(b"\n")
            for line in lines:
                order = json.loads(line)
                pid = os.fork()
                if pid == 0:
                    become(order)
                tell(started=pid, name=order["name"])


if __name__ == "__main__":
    main()

"""What nobody caught is logged like everything else, so that its secrets are taken out: errors, warnings, lost threads."""

import logging
import sys
import threading
from types import TracebackType

log = logging.getLogger("echelon")


def catch_strays() -> None:
    """From now on Python's own last words go through the log."""
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    sys.unraisablehook = _unraisable
    threading.excepthook = _of_thread


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    log.critical("ended by an error", exc_info=(kind, error, trace), extra=_STRAY)


def _unraisable(told: "sys.UnraisableHookArgs") -> None:
    error = told.exc_value or told.exc_type()
    log.error("an error that nobody could be told", exc_info=(told.exc_type, error, told.exc_traceback), extra=_STRAY)


def _of_thread(told: threading.ExceptHookArgs) -> None:
    error = told.exc_value or told.exc_type()
    log.error("a thread ended by an error", exc_info=(told.exc_type, error, told.exc_traceback), extra=_STRAY)


_STRAY = {"action": "stray"}

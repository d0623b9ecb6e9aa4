"""What goes wrong with the next calls of a platform that tests play."""

from dataclasses import dataclass
from typing import Any


@dataclass
class Fault:
    """What goes wrong with a call; `accepted` means that it took effect all the same."""

    status: int = 200
    code: str | None = None
    retry_after: int | str | None = None
    html: bool = False
    drop: bool = False
    hang: bool = False
    delay: float = 0
    accepted: bool = False
    to: str | None = None
    times: int | None = 1

    @property
    def takes_effect(self) -> bool:
        merely_slow = self.status == 200 and not (self.code or self.drop or self.hang or self.html)
        return self.accepted or merely_slow


class Faults:
    """Faults to come, by method ("*" is any); those of `once` go before those of `always`.

    `how` is the fields of Fault: status, code (the platform's word for it), retry_after, html, drop, hang, delay, accepted,
    to (only calls that go there).
    """

    def __init__(self) -> None:
        self._planned: list[tuple[str, Fault]] = []

    def once(self, method: str, *, times: int = 1, drop_after_accept: bool = False, **how: Any) -> None:
        if drop_after_accept:
            how |= {"drop": True, "accepted": True}
        self._planned.append((method, Fault(times=times, **how)))

    def always(self, method: str, **how: Any) -> None:
        self._planned.append((method, Fault(times=None, **how)))

    def clear(self) -> None:
        self._planned.clear()

    def next(self, method: str, places: frozenset[str] = frozenset()) -> Fault | None:
        fits = [
            (name, fault)
            for name, fault in self._planned
            if name in {method, "*"} and (fault.to is None or fault.to in places)
        ]
        fits.sort(key=lambda planned: planned[1].times is None)
        if not fits:
            return None
        name, fault = fits[0]
        if fault.times is not None:
            fault.times -= 1
            if not fault.times:
                self._planned.remove((name, fault))
        return fault

"""Teams' own limits, kept on our side: a message that would be refused is not sent, and everybody's limit stays whole.

https://learn.microsoft.com/microsoftteams/platform/bots/how-to/rate-limit
"""

from collections import OrderedDict, deque

from adapters.teams.refusals import THROTTLED
from bot.errors import Unreachable
from bot.ports import Clock

PER_CONVERSATION = ((7, 1.0), (8, 2.0), (60, 30.0), (1800, 3600.0))
"""(messages, seconds): each bot in each thread."""
PER_TENANT = ((30, 1.0),)
"""Likewise, each bot in each tenant."""
MOST_REMEMBERED = 10_000
EVERYWHERE = ""

Windows = tuple[tuple[int, float], ...]


class Throttle:
    """Counts what was sent, by conversation. Memory is bounded: the longest silent conversation is forgotten first."""

    def __init__(self, clock: Clock, *, each: Windows = PER_CONVERSATION, tenant: Windows = PER_TENANT) -> None:
        self._clock = clock
        self._each, self._tenant = each, tenant
        self._sent: OrderedDict[str, deque[float]] = OrderedDict()

    def admit(self, conversation: str) -> None:
        """Count one message. Raises Unreachable, with the seconds to wait, when a window is full; nothing is counted."""
        now = self._clock.monotonic()
        wait = max(self._wait(EVERYWHERE, self._tenant, now), self._wait(conversation, self._each, now))
        if wait > 0:
            raise Unreachable(THROTTLED, retry_after=wait)
        self._note(EVERYWHERE, self._tenant, now)
        self._note(conversation, self._each, now)

    def _wait(self, place: str, windows: Windows, now: float) -> float:
        sent = self._sent.get(place)
        if not sent:
            return 0.0
        full = (sent[-most] + seconds - now for most, seconds in windows if len(sent) >= most)
        return max(0.0, 0.0, *full)

    def _note(self, place: str, windows: Windows, now: float) -> None:
        sent = self._sent.setdefault(place, deque(maxlen=max((most for most, _ in windows), default=1)))
        sent.append(now)
        self._sent.move_to_end(place)
        while len(self._sent) > MOST_REMEMBERED:
            self._sent.popitem(last=False)

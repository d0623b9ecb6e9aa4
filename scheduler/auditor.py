"""Looks once a minute whether the promise is kept, raises the alarm if not, mends what is safe to mend, and keeps house.

It asks the store and nobody else: neither the timers nor the pump is believed. Its alarm goes to the admins by itself, not
by the outbox, for an outbox that stands still, or an escalation that cannot be read, is just what it may have found.
"""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from bot import audit as words
from bot.audit import REPAIRABLE, Audits, Finding, Heartbeat, Housekeeping
from bot.delivery import Chat
from bot.directory import Address
from bot.errors import Conflict, Refused, StoreUnavailable, Unreachable
from bot.ports import Clock, Directories
from bot.readers import Readers
from bot.signals import Signals

EVERY = 60.0
"""Seconds from one audit to the next."""

TICK = 1.0
STALE = 5
"""So many audits may be missed before /readyz says that there are none."""

DAY = 86_400.0
BATCH = 50
BATCHES = 20
"""Batches of housekeeping after one audit; more are left to the next minute."""

KEPT = timedelta(days=30)
"""How long ended messages and answered requests are kept, unless less is asked for."""

log = logging.getLogger("echelon.auditor")


@dataclass(frozen=True, slots=True)
class Rounds:
    """What the auditor works with; `retention` is after how long the texts of ended escalations go, None keeps them."""

    audits: Audits
    housekeeping: Housekeeping | None = None
    heartbeat: Heartbeat | None = None
    retention: timedelta | None = None
    every: float = EVERY


class Auditor:
    """The one task that checks the others. `findings` is what the last audit found, `audited` when (monotonic) it ended."""

    def __init__(
        self,
        *,
        rounds: Rounds,
        chat: Chat,
        readers: Readers,
        directories: Directories,
        zone: str,
        clock: Clock,
        after: Callable[[], None],
        signals: Signals,
    ) -> None:
        self._rounds = rounds
        self._chat = chat
        self._readers = readers
        self._directories = directories
        self._zone = zone
        self._clock = clock
        self._after = after
        self._signals = signals
        self._tidied: float | None = None
        self.audited = clock.monotonic()
        self.findings: Sequence[Finding] = ()

    async def run(self) -> None:
        """Audit every minute of the monotonic clock, for ever. A store that is away is asked again a minute later."""
        begun = self._clock.monotonic()
        while True:
            await asyncio.sleep(min(TICK, self._rounds.every))
            if self._clock.monotonic() - begun < self._rounds.every:
                continue
            begun = self._clock.monotonic()
            try:
                await self.audit()
                await self.tidy()
            except (StoreUnavailable, Conflict) as error:
                log.warning("The audit waits: %s", error, extra={"action": "audit_waits"})
                self._signals.trouble("audit_waits")
            except Exception:  # a bug must not end the engine: /readyz tells that no audit has come to its end
                log.exception("The audit failed", extra={"action": "audit_failed"})
                self._signals.trouble("audit_failed")

    async def audit(self) -> Sequence[Finding]:
        """One look, with all that follows from it. Raises StoreUnavailable or Conflict."""
        audits, now = self._rounds.audits, self._clock.now()
        found = [await self._mended(finding) for finding in await audits.look(now)]
        if any(finding.repaired for finding in found):
            self._after()
        self.findings, self.audited = found, self._clock.monotonic()
        news = await audits.news(found, now)
        for finding in news:
            log.error(
                "The audit found: %s",
                words.in_words(finding),
                extra={"action": "audit_found", "kind": finding.kind.value, "escalation": finding.escalation},
            )
            self._signals.trouble(f"audit_{finding.kind.value}")
        if news and await self._tell(news):
            await audits.told(news, now)
        if not found and self._rounds.heartbeat:
            await self._rounds.heartbeat.beat()
        return found

    async def tidy(self) -> None:
        """Once a day: erase what was kept long enough, throw away what nobody asks for any more; a little at a time."""
        house, now = self._rounds.housekeeping, self._clock.now()
        if house is None or (self._tidied is not None and self._clock.monotonic() - self._tidied < DAY):
            return
        kept = min(KEPT, self._rounds.retention or KEPT)
        for _ in range(BATCHES):
            erased = await house.erase_older(now - self._rounds.retention, BATCH, now) if self._rounds.retention else 0
            pruned = await house.prune(now - kept, BATCH * BATCHES)
            if erased < BATCH and not pruned:
                self._tidied = self._clock.monotonic()
                return
            await asyncio.sleep(0)  # people's writes go ahead of the next batch

    async def health(self) -> str:
        """A part of /readyz: "ok", or how many findings there are and the first of them."""
        age = self._clock.monotonic() - self.audited
        if age > STALE * self._rounds.every:
            return f"the last audit was {age:.0f} s ago"
        if not self.findings:
            return "ok"
        count = len(self.findings)
        first = ", ".join(f"ESC-{finding.number} {finding.kind.value}" for finding in self.findings[:3])
        return f"{count} finding{'s' if count > 1 else ''}: {first}{', …' if count > 3 else ''}"

    async def _mended(self, finding: Finding) -> Finding:
        if finding.kind not in REPAIRABLE:
            return finding
        try:
            done = await self._rounds.audits.repair(finding, self._clock.now())
        except Conflict:  # somebody works on it at this very moment: the next audit looks again
            done = False
        return replace(finding, repaired=done)

    async def _tell(self, news: Sequence[Finding]) -> bool:
        """Whether somebody was told: the admin channel, else the admins, else the fallback channel."""
        directory = self._directories.current()
        places = (directory.admin_channel, *directory.admins, directory.fallback_channel)
        for to in dict.fromkeys(place for place in places if place):
            reader = self._readers.at(to)
            try:
                await self._chat.post(to, words.alarm(news, reader.language, self._zone), key=self._key(news, to))
            except Refused as error:
                log.warning("An alarm was refused: %s", error.reason, extra={"action": "alarm_refused", "to": to})
            except Unreachable as error:
                log.warning("An alarm waits: %s", error.reason, extra={"action": "alarm_waits", "to": to})
                return False
            else:
                return True
        log.error("Nobody could be told what the audit found", extra={"action": "alarm_unheard"})
        return False

    def _key(self, news: Sequence[Finding], to: Address) -> str:
        """The same for the same alarm of the same day, so that a platform that can tell takes it once."""
        said = "|".join(sorted(f"{finding.key}@{finding.mark}" for finding in news))
        return f"audit:{hashlib.sha256(f'{to}|{said}|{self._clock.now():%Y-%m-%d}'.encode()).hexdigest()[:32]}"

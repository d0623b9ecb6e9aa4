"""The parts that run: put together around a store and a chat, started, and stopped in the reverse order of their need."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bot.commands import Standing
from bot.delivery import Chat
from bot.failpoints import failpoint
from bot.limits import Limited, Limits
from bot.patience import ANSWER_WITHIN
from bot.ports import Clock, Directories, Ids, Membership, People, Plans, Store
from bot.prompt import Prompt
from bot.readers import Readers
from bot.reception import Receives, Reception
from bot.service import Service
from bot.signals import Signals, Silence
from scheduler.auditor import Auditor, Rounds
from scheduler.batches import HANDS
from scheduler.calendar import NamedCalendars
from scheduler.pump import Pump
from scheduler.timers import SilentBells, Timers
from scheduler.wiring import ApsBells


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """The parts that belong together, whatever the platform."""

    store: Store
    service: Service
    reception: Receives
    pump: Pump
    timers: Timers
    bells: ApsBells | None
    auditor: Auditor | None = None

    @classmethod
    def built(
        cls,
        *,
        store: Store,
        clock: Clock,
        ids: Ids,
        plans: Plans,
        people: People,
        directories: Directories,
        readers: Readers,
        chat: Chat,
        membership: Membership,
        ring: type[ApsBells] | None = None,
        admitted: frozenset[Standing] = frozenset({Standing.MEMBER}),
        pace: Mapping[str, float] | None = None,
        signals: Signals | None = None,
        limits: Limits | None = None,
        rounds: Rounds | None = None,
        patience: float = ANSWER_WITHIN,
    ) -> "Engine":
        """Put the parts together around a store that is ready. Without `limits` everybody may ask as much as they like,
        without `rounds` nobody checks the work. `patience` is how many seconds people wait for an answer.
        """
        directory = directories.current()
        workspace, calendars = directory.workspace, NamedCalendars(directory.calendars, directory.calendar)

        def wake() -> None:
            timers.ring()
            pump.wake()

        service = Service(
            workspace=workspace,
            units=store.units,
            archive=store.archive(),
            clock=clock,
            ids=ids,
            plans=plans,
            directories=directories,
            calendars=lambda: calendars,
            membership=membership,
            admitted=admitted,
            after_commit=wake,
            signals=signals,
        )
        pump = Pump(
            outbox=store.outbox(),
            archive=store.archive(),
            service=service,
            chat=chat,
            readers=readers,
            clock=clock,
            jitter=lambda: secrets.randbelow(1000) / 1000,
            pace=pace,
            signals=signals,
        )
        bells = ring(clock, lambda: timers.ring(), signals) if ring else None
        timers = Timers(
            service=service,
            archive=store.archive(),
            bells=bells or SilentBells(),
            clock=clock,
            after=pump.wake,
            hands=1 if store.alone else HANDS,
            signals=signals,
        )
        reception = Reception(
            service=service, plans=plans, directories=directories, people=people, archive=store.archive()
        )
        auditor = rounds and Auditor(
            rounds=rounds,
            chat=chat,
            readers=readers,
            directories=directories,
            zone=calendars.named(None).zone,
            clock=clock,
            after=wake,
            signals=signals or Silence(),
        )
        prompt = Prompt(reception, clock, signals or Silence(), within=patience)
        return cls(
            store=store,
            service=service,
            reception=Limited(prompt, limits, clock, signals) if limits else prompt,
            pump=pump,
            timers=timers,
            bells=bells,
            auditor=auditor,
        )

    async def settle(self) -> None:
        """Handle what is due and carry what that led to, until nothing is left. Only while `running`."""
        await self.timers.idle()
        await self.pump.quiet()

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Timers, guard and pump at work; stopped in the reverse order of their need."""
        if self.bells:
            self.bells.start()
        try:
            async with asyncio.TaskGroup() as group:
                parts = [self.timers.run(), self.timers.guard(), self.pump.run()]
                parts += [self.auditor.run()] if self.auditor else []
                tasks = [group.create_task(part) for part in parts]
                self.timers.ring()
                failpoint("engine.started")
                yield
                failpoint("engine.stopping")
                for task in tasks:
                    task.cancel()
        finally:
            if self.bells:
                self.bells.stop()

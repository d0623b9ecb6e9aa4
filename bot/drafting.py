"""An order to open → the escalation as it stands before its first level is entered."""

from datetime import datetime

from bot.commands import LONGEST_TITLE, Open
from bot.directory import WorkspaceId
from bot.errors import Unreadable
from bot.facts import Via
from bot.plan import Plan
from bot.state import Entry, Escalation, EscalationId, Origin, Status


def draft(
    order: Open, plan: Plan, *, workspace: WorkspaceId, id: EscalationId, number: int, now: datetime
) -> Escalation:
    """The first value of an escalation. Raises Unreadable when the arguments of the order make no sense."""
    title = " ".join(order.title.split())
    start = order.start_level or plan.start_level
    _refuse_senseless(order, plan, title, start)
    # A long first line is kept whole: what does not fit the title begins the details.
    details = order.details if len(title) <= LONGEST_TITLE else f"{title}\n\n{order.details}".strip()
    return Escalation(
        id=id,
        workspace=workspace,
        number=number,
        plan=plan,
        title=title if len(title) <= LONGEST_TITLE else f"{title[: LONGEST_TITLE - 1]}…",
        details=details,
        opener=order.by.person,
        opened_at=now,
        origin=Origin(order.by.seen_in, order.link),
        status=Status.WAITING,
        entry=Entry(number=1, level=start, via=Via.OPENED, began_at=now, assignees=(), due=None),
    )


def _refuse_senseless(order: Open, plan: Plan, title: str, start: int) -> None:
    if not title:
        raise Unreadable("title_needed")
    if not 1 <= start <= len(plan.levels):
        raise Unreadable("no_such_level", given=start, last=len(plan.levels))
    if start > plan.start_level and not order.reason.strip():
        raise Unreadable("start_reason_needed")

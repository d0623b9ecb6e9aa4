"""The schema, and nothing else. Columns for what is searched, JSON text for frozen values.

Conditions of partial indexes are written as literals: SQLite uses such an index only for a condition it can recognise.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    literal_column,
)

from storage.types import UtcDateTime

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _of_escalation(*, deferred: bool = False) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["workspace", "escalation"],
        ["escalations.workspace", "escalations.id"],
        deferrable=deferred or None,
        initially="DEFERRED" if deferred else None,
    )


plans = Table(
    "plans",
    metadata,
    Column("workspace", Text, primary_key=True),
    Column("digest", Text, primary_key=True),
    Column("body", Text, nullable=False),
)

escalations = Table(
    "escalations",
    metadata,
    Column("workspace", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("number", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("level", Integer, nullable=False),
    Column("entry", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("next_due", UtcDateTime),
    Column("deadline", UtcDateTime),
    Column("window", Text),
    Column("reminder_due", UtcDateTime),
    Column("ledger_seq", Integer, nullable=False),
    Column("ledger_head", Text, nullable=False),
    Column("opener", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("matrix", Text, nullable=False),
    Column("issue_type", Text),
    Column("parked", Integer, nullable=False),
    Column("plan", Text, nullable=False),
    Column("state", Text, nullable=False),
    UniqueConstraint("workspace", "number"),
    ForeignKeyConstraint(["workspace", "plan"], ["plans.workspace", "plans.digest"]),
)

OPEN = escalations.c.status.in_([literal_column("'waiting'"), literal_column("'acknowledged'")])
ACKNOWLEDGED = escalations.c.status == literal_column("'acknowledged'")
DUE = escalations.c.next_due.is_not(None)
RUNNING = escalations.c.deadline.is_not(None)
REMINDED = escalations.c.reminder_due.is_not(None)
PARKED = escalations.c.parked > literal_column("0")

for _name, _columns, _where in (
    ("ix_escalations_due", (escalations.c.level, escalations.c.next_due), DUE),
    ("ix_escalations_open", (escalations.c.workspace, escalations.c.next_due), OPEN),
    ("ix_escalations_window", (escalations.c.window, escalations.c.deadline), RUNNING),
    ("ix_escalations_reminder", (escalations.c.reminder_due,), REMINDED),
    ("ix_escalations_taken", (escalations.c.level, escalations.c.status), ACKNOWLEDGED),
    ("ix_escalations_parked", (escalations.c.workspace, escalations.c.id), PARKED),
):
    Index(_name, *_columns, sqlite_where=_where, postgresql_where=_where)

involved = Table(
    "involved",
    metadata,
    Column("workspace", Text, primary_key=True),
    Column("person", Text, primary_key=True),
    Column("escalation", Text, primary_key=True),
    _of_escalation(),
)

ledger = Table(
    "ledger",
    metadata,
    Column("escalation", Text, primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("workspace", Text, nullable=False),
    Column("recorded_at", UtcDateTime, nullable=False),
    Column("kind", Text, nullable=False),
    Column("entry", Integer, nullable=False),
    Column("body", Text),
    Column("salt", Text),
    Column("digest", Text, nullable=False),
    Column("chain", Text, nullable=False),
    Index("ix_ledger_recorded_at", "recorded_at"),
    _of_escalation(),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Text, primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("workspace", Text, nullable=False),
    Column("escalation", Text, nullable=False),
    Column("entry", Integer, nullable=False),
    Column("errand", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("level", Integer, nullable=False),
    Column("place", Text),
    Column("tried", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("not_before", UtcDateTime, nullable=False),
    Column("lease_until", UtcDateTime),
    Column("lease_owner", Text),
    Column("attempts", Integer, nullable=False),
    Column("uncertain", Boolean, nullable=False),
    Column("status", Text, nullable=False),
    Column("effect", Text, nullable=False),
    Column("target", Text),
    Column("ended_at", UtcDateTime),
    Column("bundle", Text),
    Column("told_at", UtcDateTime),
    Index("ix_outbox_escalation", "escalation", "entry"),
    _of_escalation(),
)

PENDING = outbox.c.status == literal_column("'pending'")

FREE = PENDING & outbox.c.lease_until.is_(None)
TAKEN = PENDING & outbox.c.lease_until.is_not(None)
ENDED = outbox.c.ended_at.is_not(None)
EDITS = PENDING & (outbox.c.errand == literal_column("'redraw'"))
URGENCY = (outbox.c.priority, outbox.c.level.desc(), outbox.c.created_at, outbox.c.id)

for _name, _columns, _where in (
    ("ix_outbox_place", (outbox.c.place, *URGENCY), PENDING),
    ("ix_outbox_ended", (outbox.c.ended_at,), ENDED),
    ("ix_outbox_edits", (outbox.c.escalation,), EDITS),
    ("ix_outbox_busy", (outbox.c.place, outbox.c.lease_until), TAKEN),
):
    Index(_name, *_columns, sqlite_where=_where, postgresql_where=_where)

lanes = Table(
    "lanes",
    metadata,
    Column("place", Text, primary_key=True),
    Column("lease_owner", Text),
    Column("lease_until", UtcDateTime),
    Column("open_at", UtcDateTime),
    Column("bundle_at", UtcDateTime),
    Column("recent", Text),
)

messages = Table(
    "messages",
    metadata,
    Column("escalation", Text, primary_key=True),
    Column("entry", Integer, primary_key=True, autoincrement=False),
    Column("address", Text, primary_key=True),
    Column("workspace", Text, nullable=False),
    Column("errand", Text, nullable=False),
    Column("place", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("link", Text),
    Column("drawn_version", Integer, nullable=False),
    Column("sent_at", UtcDateTime, nullable=False),
    Column("refused_at", UtcDateTime),
    Index("ix_messages_message", "place", "message"),
    _of_escalation(),
)

requests = Table(
    "requests",
    metadata,
    Column("workspace", Text, primary_key=True),
    Column("request", Text, primary_key=True),
    Column("escalation", Text, nullable=False),
    _of_escalation(deferred=True),
)

people = Table(
    "people",
    metadata,
    Column("workspace", Text, primary_key=True),
    Column("person", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("chosen", Boolean, nullable=False),
)

groups = Table(
    "groups",
    metadata,
    Column("workspace", Text, primary_key=True),
    Column("address", Text, primary_key=True),
    Column("members", Text, nullable=False),
)

conversations = Table(
    "conversations",
    metadata,
    Column("workspace", Text, primary_key=True),
    Column("address", Text, primary_key=True),
    Column("reference", Text, nullable=False),
)

counters = Table(
    "counters",
    metadata,
    Column("workspace", Text, primary_key=True),
    Column("last_number", BigInteger, nullable=False),
)

findings = Table(
    "findings",
    metadata,
    Column("key", Text, primary_key=True),
    Column("workspace", Text, nullable=False),
    Column("escalation", Text, nullable=False),
    Column("mark", Text, nullable=False),
    Column("first_seen", UtcDateTime, nullable=False),
    Column("told_as", Text),
    Column("told_at", UtcDateTime),
    Column("telling_until", UtcDateTime),
)

erasures = Table(
    "erasures",
    metadata,
    Column("workspace", Text, primary_key=True),
    Column("escalation", Text, primary_key=True),
    Column("erased_at", UtcDateTime, nullable=False),
)

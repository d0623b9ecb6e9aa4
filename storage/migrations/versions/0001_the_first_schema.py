"""The first schema: escalations, their ledger, the outbox, root cards, people."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

INSTANT = sa.BigInteger().with_variant(sa.DateTime(timezone=True), "postgresql")

FIXED = "workspace, escalation, seq, recorded_at, kind, entry, digest, chain"
SQLITE_GUARDS = (
    """CREATE TRIGGER ledger_keeps_rows BEFORE DELETE ON ledger
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END""",
    f"""CREATE TRIGGER ledger_keeps_chain BEFORE UPDATE OF {FIXED} ON ledger
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END""",
    """CREATE TRIGGER ledger_only_erases BEFORE UPDATE OF body, salt ON ledger
    WHEN NEW.body IS NOT NULL OR NEW.salt IS NOT NULL
    BEGIN SELECT RAISE(ABORT, 'texts of the ledger may be erased, not changed'); END""",
)
POSTGRESQL_GUARDS = (
    """CREATE FUNCTION ledger_refuses() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'the ledger is append-only; its texts may be erased, not changed'; END $$""",
    """CREATE TRIGGER ledger_keeps_rows BEFORE DELETE ON ledger
    FOR EACH ROW EXECUTE FUNCTION ledger_refuses()""",
    """CREATE TRIGGER ledger_keeps_all BEFORE TRUNCATE ON ledger
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuses()""",
    f"""CREATE TRIGGER ledger_keeps_chain BEFORE UPDATE OF {FIXED} ON ledger
    FOR EACH ROW EXECUTE FUNCTION ledger_refuses()""",
    """CREATE TRIGGER ledger_only_erases BEFORE UPDATE OF body, salt ON ledger
    FOR EACH ROW WHEN (NEW.body IS NOT NULL OR NEW.salt IS NOT NULL) EXECUTE FUNCTION ledger_refuses()""",
)


def text(name: str, *, null: bool = False) -> sa.Column[str]:
    """A column of text."""
    return sa.Column(name, sa.Text(), nullable=null)


def number(name: str) -> sa.Column[int]:
    """A column of small numbers."""
    return sa.Column(name, sa.Integer(), nullable=False)


def instant(name: str, *, null: bool = False) -> sa.Column[object]:
    """A column of instants."""
    return sa.Column(name, INSTANT, nullable=null)


def yes_or_no(name: str) -> sa.Column[bool]:
    """A column of truth values."""
    return sa.Column(name, sa.Boolean(), nullable=False)


def key(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    """The primary key."""
    return sa.PrimaryKeyConstraint(*columns, name=f"pk_{table}")


def of_escalation(table: str, *, deferred: bool = False) -> sa.ForeignKeyConstraint:
    """The row belongs to an escalation."""
    return sa.ForeignKeyConstraint(
        ["workspace", "escalation"],
        ["escalations.workspace", "escalations.id"],
        name=f"fk_{table}_escalations",
        deferrable=True if deferred else None,
        initially="DEFERRED" if deferred else None,
    )


def index(name: str, table: str, columns: list[str], *, where: str) -> None:
    """An index on the rows that are still of interest."""
    parts = [sa.text(column) for column in columns]
    op.create_index(name, table, parts, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def upgrade() -> None:
    """From nothing."""
    create_escalations()
    create_history()
    create_outbox()
    create_people()
    guards = SQLITE_GUARDS if op.get_bind().dialect.name == "sqlite" else POSTGRESQL_GUARDS
    for guard in guards:
        op.execute(guard)


def create_escalations() -> None:
    """The one truth."""
    op.create_table("plans", text("workspace"), text("digest"), text("body"), key("plans", "workspace", "digest"))
    op.create_table(
        "escalations",
        text("workspace"),
        text("id"),
        number("number"),
        text("status"),
        number("level"),
        number("entry"),
        number("version"),
        instant("next_due", null=True),
        instant("deadline", null=True),
        text("window", null=True),
        instant("reminder_due", null=True),
        number("ledger_seq"),
        text("ledger_head"),
        text("opener"),
        text("title"),
        instant("opened_at"),
        text("matrix"),
        text("issue_type", null=True),
        number("parked"),
        text("plan"),
        text("state"),
        key("escalations", "workspace", "id"),
        sa.UniqueConstraint("workspace", "number", name="uq_escalations_workspace_number"),
        sa.ForeignKeyConstraint(
            ["workspace", "plan"], ["plans.workspace", "plans.digest"], name="fk_escalations_plans"
        ),
    )
    table = "escalations"
    is_open = "status IN ('waiting', 'acknowledged')"
    index("ix_escalations_due", table, ["level", "next_due"], where="next_due IS NOT NULL")
    index("ix_escalations_open", table, ["workspace", "next_due"], where=is_open)
    index("ix_escalations_window", table, ['"window"', "deadline"], where="deadline IS NOT NULL")
    index("ix_escalations_reminder", table, ["reminder_due"], where="reminder_due IS NOT NULL")


def create_history() -> None:
    """Who is involved, what happened, what was asked."""
    op.create_table(
        "involved",
        text("workspace"),
        text("person"),
        text("escalation"),
        key("involved", "workspace", "person", "escalation"),
        of_escalation("involved"),
    )
    op.create_table(
        "ledger",
        text("escalation"),
        number("seq"),
        text("workspace"),
        instant("recorded_at"),
        text("kind"),
        number("entry"),
        text("body", null=True),
        text("salt", null=True),
        text("digest"),
        text("chain"),
        key("ledger", "escalation", "seq"),
        of_escalation("ledger"),
    )
    op.create_table(
        "requests",
        text("workspace"),
        text("request"),
        text("escalation"),
        key("requests", "workspace", "request"),
        of_escalation("requests", deferred=True),
    )


def create_outbox() -> None:
    """What is on its way, and the root cards that have arrived."""
    op.create_table(
        "outbox",
        text("id"),
        text("key"),
        text("workspace"),
        text("escalation"),
        number("entry"),
        text("errand"),
        number("priority"),
        number("level"),
        text("place", null=True),
        text("tried"),
        instant("created_at"),
        instant("not_before"),
        instant("lease_until", null=True),
        text("lease_owner", null=True),
        number("attempts"),
        yes_or_no("uncertain"),
        text("status"),
        text("effect"),
        text("target", null=True),
        instant("ended_at", null=True),
        key("outbox", "id"),
        sa.UniqueConstraint("key", name="uq_outbox_key"),
        of_escalation("outbox"),
    )
    pending = "status = 'pending'"
    op.create_index("ix_outbox_escalation", "outbox", ["escalation", "entry"])
    index("ix_outbox_urgency", "outbox", ["priority", "level DESC", "created_at", "id"], where=pending)
    index("ix_outbox_free", "outbox", ["not_before"], where=f"{pending} AND lease_until IS NULL")
    index("ix_outbox_taken", "outbox", ["lease_until"], where=f"{pending} AND lease_until IS NOT NULL")
    op.create_table(
        "messages",
        text("escalation"),
        number("entry"),
        text("address"),
        text("workspace"),
        text("errand"),
        text("place"),
        text("message"),
        text("link", null=True),
        number("drawn_version"),
        instant("sent_at"),
        key("messages", "escalation", "entry", "address"),
        of_escalation("messages"),
    )
    op.create_index("ix_messages_message", "messages", ["place", "message"])


def create_people() -> None:
    """Names and numbers."""
    op.create_table(
        "people",
        text("workspace"),
        text("person"),
        text("name"),
        text("language"),
        yes_or_no("chosen"),
        key("people", "workspace", "person"),
    )
    op.create_table(
        "groups",
        text("workspace"),
        text("address"),
        text("members"),
        key("groups", "workspace", "address"),
    )
    op.create_table(
        "counters",
        text("workspace"),
        sa.Column("last_number", sa.BigInteger(), nullable=False),
        key("counters", "workspace"),
    )


def downgrade() -> None:
    """To nothing."""
    for table in (
        "counters",
        "groups",
        "people",
        "messages",
        "outbox",
        "requests",
        "ledger",
        "involved",
        "escalations",
        "plans",
    ):
        op.drop_table(table)
    if op.get_bind().dialect.name != "sqlite":
        op.execute("DROP FUNCTION ledger_refuses()")

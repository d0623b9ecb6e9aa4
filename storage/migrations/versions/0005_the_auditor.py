"""What the auditor remembers, what was erased, and the indexes that keep its questions cheap. Additive."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

INSTANT = sa.BigInteger().with_variant(sa.DateTime(timezone=True), "postgresql")

# REPLACE deletes without asking the trigger on DELETE; PostgreSQL knows no such statement.
SQLITE_GUARD = """CREATE TRIGGER ledger_never_replaces BEFORE INSERT ON ledger
WHEN EXISTS (SELECT 1 FROM ledger WHERE escalation = NEW.escalation AND seq = NEW.seq)
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"""


def upgrade() -> None:
    """Two tables, two indexes, one more guard."""
    op.create_table(
        "findings",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("escalation", sa.Text(), nullable=False),
        sa.Column("mark", sa.Text(), nullable=False),
        sa.Column("first_seen", INSTANT, nullable=False),
        sa.Column("told_as", sa.Text(), nullable=True),
        sa.Column("told_at", INSTANT, nullable=True),
        sa.Column("telling_until", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("key", name="pk_findings"),
    )
    op.create_table(
        "erasures",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("escalation", sa.Text(), nullable=False),
        sa.Column("erased_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("workspace", "escalation", name="pk_erasures"),
    )
    op.create_index("ix_ledger_recorded_at", "ledger", ["recorded_at"])
    parked = sa.text("parked > 0")
    op.create_index(
        "ix_escalations_parked", "escalations", ["workspace", "id"], sqlite_where=parked, postgresql_where=parked
    )
    if op.get_bind().dialect.name == "sqlite":
        op.execute(SQLITE_GUARD)


def downgrade() -> None:
    """Without them."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TRIGGER ledger_never_replaces")
    op.drop_index("ix_escalations_parked", "escalations")
    op.drop_index("ix_ledger_recorded_at", "ledger")
    op.drop_table("erasures")
    op.drop_table("findings")

"""One sender per place over all processes, and many messages told in one. Only additions: the version before works on it."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

PENDING = sa.text("status = 'pending'")
ENDED = sa.text("ended_at IS NOT NULL")


def moment(name: str) -> sa.Column[int]:
    """Milliseconds on SQLite, an instant on PostgreSQL."""
    return sa.Column(name, sa.BigInteger().with_variant(sa.DateTime(timezone=True), "postgresql"))


def upgrade() -> None:
    """A table of places; what a bundle leaves at its rows; which cards take no edit any more."""
    op.create_table(
        "lanes",
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("lease_owner", sa.Text()),
        moment("lease_until"),
        moment("open_at"),
        moment("bundle_at"),
        sa.Column("recent", sa.Text()),
        sa.PrimaryKeyConstraint("place", name="pk_lanes"),
    )
    op.add_column("outbox", sa.Column("bundle", sa.Text()))
    op.add_column("outbox", moment("told_at"))
    op.add_column("messages", moment("refused_at"))
    urgency = ["place", "priority", sa.text("level DESC"), "created_at", "id"]
    op.create_index("ix_outbox_place", "outbox", urgency, sqlite_where=PENDING, postgresql_where=PENDING)
    op.create_index("ix_outbox_ended", "outbox", ["ended_at"], sqlite_where=ENDED, postgresql_where=ENDED)


def downgrade() -> None:
    """Without them."""
    op.drop_index("ix_outbox_ended", "outbox")
    op.drop_index("ix_outbox_place", "outbox")
    op.drop_column("messages", "refused_at")
    op.drop_column("outbox", "told_at")
    op.drop_column("outbox", "bundle")
    op.drop_table("lanes")

"""Fewer and better indexes on the outbox: each is written for each message. Takes nothing away that anybody relies on.

`ix_outbox_urgency` and `ix_outbox_free` are sought in no more; left to itself, a server that had not counted a table which
grew a moment ago went through all that waits by the latter, once for every place. What is under way is looked for by its
place. Without them older code is slower in a storm, and right.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

PENDING = sa.text("status = 'pending'")
FREE = sa.text("status = 'pending' AND lease_until IS NULL")
TAKEN = sa.text("status = 'pending' AND lease_until IS NOT NULL")


def index(name: str, columns: list[str], where: sa.TextClause) -> None:
    """A partial index on the outbox."""
    given = [sa.text(column) if " " in column else column for column in columns]
    op.create_index(name, "outbox", given, sqlite_where=where, postgresql_where=where)


def upgrade() -> None:
    """One is made, three go."""
    index("ix_outbox_busy", ["place", "lease_until"], TAKEN)
    for name in ("ix_outbox_taken", "ix_outbox_free", "ix_outbox_urgency"):
        op.drop_index(name, "outbox")


def downgrade() -> None:
    """As it was."""
    index("ix_outbox_urgency", ["priority", "level DESC", "created_at", "id"], PENDING)
    index("ix_outbox_free", ["not_before"], FREE)
    index("ix_outbox_taken", ["lease_until"], TAKEN)
    op.drop_index("ix_outbox_busy", "outbox")

"""Two small indexes. Additive.

The edits that wait: a storm asks for them with every batch, and a server that has not counted the rows of a table that grew
a moment ago would read all of them. And what is acknowledged, by level, which the metrics count.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The indexes."""
    waiting = sa.text("status = 'pending' AND errand = 'redraw'")
    op.create_index("ix_outbox_edits", "outbox", ["escalation"], sqlite_where=waiting, postgresql_where=waiting)
    taken = sa.text("status = 'acknowledged'")
    op.create_index(
        "ix_escalations_taken", "escalations", ["level", "status"], sqlite_where=taken, postgresql_where=taken
    )


def downgrade() -> None:
    """Without them."""
    op.drop_index("ix_escalations_taken", "escalations")
    op.drop_index("ix_outbox_edits", "outbox")

"""Where a person or a channel of a platform can be reached, as the platform last told."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One table."""
    op.create_table(
        "conversations",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "address", name="pk_conversations"),
    )


def downgrade() -> None:
    """Without it."""
    op.drop_table("conversations")

"""Names, quotas, and blocks of owners (see drumscribe.jobs.people)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "people",
        sa.Column("owner", sa.String(length=200), primary_key=True),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("seen_at", sa.Double(), nullable=True),
        sa.Column("blocked", sa.Boolean(), nullable=False),
        sa.Column("active_jobs", sa.Integer(), nullable=True),
    )


def downgrade() -> None:
    """Back. Whoever was blocked is so no longer."""
    op.drop_table("people")

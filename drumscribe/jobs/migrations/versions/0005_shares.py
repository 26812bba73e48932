"""Links to one song for somebody else (see drumscribe.jobs.shares)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "shares",
        sa.Column("token", sa.String(length=43), primary_key=True),
        sa.Column("job_id", sa.String(length=32), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=True),
    )
    op.create_index("ix_shares_job_id", "shares", ["job_id"])


def downgrade() -> None:
    """Back. Links that were passed on open nothing after the next upgrade."""
    op.drop_table("shares")

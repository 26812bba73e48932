"""Whose turn it is (see drumscribe.jobs.fairness), and the trace that a job belongs to while it waits."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward. With a default in the database, so that processes of the version before go on working."""
    op.add_column("jobs", sa.Column("turn", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("jobs", sa.Column("trace", sa.String(length=64), nullable=False, server_default=""))
    op.create_index("ix_jobs_turn", "jobs", ["turn"])


def downgrade() -> None:
    """Back."""
    op.drop_index("ix_jobs_turn", "jobs")
    with op.batch_alter_table("jobs") as batch_op:
        batch_op.drop_column("trace")
        batch_op.drop_column("turn")

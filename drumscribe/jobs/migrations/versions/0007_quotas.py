"""Quotas of music a day and of storage: what was taken and is kept, and what each owner may."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward. With defaults in the database, so that processes of the version before go on working."""
    op.add_column("jobs", sa.Column("size", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("people", sa.Column("day_minutes", sa.Integer(), nullable=True))
    op.add_column("people", sa.Column("storage_mb", sa.Integer(), nullable=True))
    op.add_column("people", sa.Column("heard_s", sa.Double(), nullable=False, server_default="0"))
    op.add_column("people", sa.Column("heard_day", sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    """Back."""
    for table, columns in (("jobs", ("size",)), ("people", ("day_minutes", "storage_mb", "heard_s", "heard_day"))):
        with op.batch_alter_table(table) as batch_op:
            for column in columns:
                batch_op.drop_column(column)

"""Who plays a song, so that it can be searched for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward. With a default in the database, so that processes of the version before go on working."""
    op.add_column("jobs", sa.Column("artist", sa.String(length=300), nullable=False, server_default=""))


def downgrade() -> None:
    """Back."""
    with op.batch_alter_table("jobs") as batch_op:
        batch_op.drop_column("artist")

"""Tickets with which browsers publish

Revision: 0005; follows: 0004.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "live_publish_tickets",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("channel_id", sa.String(), nullable=False),
        sa.Column("input", sa.String(), nullable=False),
        sa.Column("jti", sa.String(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["live_channels.id"], name=op.f("fk_live_publish_tickets_channel_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_live_publish_tickets")),
    )
    with op.batch_alter_table("live_publish_tickets", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_live_publish_tickets_channel_id"), ["channel_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("live_publish_tickets", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_live_publish_tickets_channel_id"))

    op.drop_table("live_publish_tickets")

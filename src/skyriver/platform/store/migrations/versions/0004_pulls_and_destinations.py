"""Pulls and destinations of live channels

Revision: 0004; follows: 0003.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "live_pulls",
        sa.Column("channel_id", sa.String(), nullable=False),
        sa.Column("shown_url", sa.String(), nullable=False),
        sa.Column("sealed_url", sa.LargeBinary(), nullable=False),
        sa.Column("loop", sa.Boolean(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("key_sha256", sa.String(), nullable=False),
        sa.Column("sealed_key", sa.LargeBinary(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["live_channels.id"], name=op.f("fk_live_pulls_channel_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("channel_id", name=op.f("pk_live_pulls")),
        sa.UniqueConstraint("key_sha256", name=op.f("uq_live_pulls_key_sha256")),
    )
    op.create_table(
        "live_destinations",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("channel_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("shown_url", sa.String(), nullable=False),
        sa.Column("sealed_address", sa.LargeBinary(), nullable=False),
        sa.Column("rendition", sa.String(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["live_channels.id"], name=op.f("fk_live_destinations_channel_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_live_destinations")),
    )
    with op.batch_alter_table("live_destinations", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_live_destinations_channel_id"), ["channel_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("live_destinations", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_live_destinations_channel_id"))

    op.drop_table("live_destinations")
    op.drop_table("live_pulls")

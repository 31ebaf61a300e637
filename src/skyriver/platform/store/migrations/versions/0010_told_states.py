"""What webhooks were last told of each channel

Revision: 0010; follows: 0009.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "live_told_states",
        sa.Column("channel_id", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("active_input", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["live_channels.id"], name=op.f("fk_live_told_states_channel_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("channel_id", name=op.f("pk_live_told_states")),
    )


def downgrade() -> None:
    op.drop_table("live_told_states")

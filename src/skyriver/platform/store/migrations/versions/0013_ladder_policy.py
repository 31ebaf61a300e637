"""Whether measurements may choose a channel's ladder

Revision: 0013; follows: 0012.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("live_channels", schema=None) as batch_op:
        batch_op.add_column(sa.Column("ladder", sa.String(), nullable=False, server_default="adaptive"))


def downgrade() -> None:
    with op.batch_alter_table("live_channels", schema=None) as batch_op:
        batch_op.drop_column("ladder")

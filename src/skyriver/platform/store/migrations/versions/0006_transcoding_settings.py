"""Transcoding settings of channels: a hot standby, content-adapted quality, a loudness target

Revision: 0006; follows: 0005.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    integer = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    with op.batch_alter_table("live_channels", schema=None) as batch_op:
        batch_op.add_column(sa.Column("standby", sa.Boolean(), nullable=False, server_default=sa.true()))
        batch_op.add_column(sa.Column("adaptive_quality", sa.Boolean(), nullable=False, server_default=sa.true()))
        batch_op.add_column(sa.Column("loudness_lufs", integer, nullable=False, server_default="0"))


def downgrade() -> None:
    with op.batch_alter_table("live_channels", schema=None) as batch_op:
        batch_op.drop_column("loudness_lufs")
        batch_op.drop_column("adaptive_quality")
        batch_op.drop_column("standby")

"""SRT passphrases of stream keys, and what a channel's publisher may send

Revision: 0009; follows: 0008.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    integer = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    with op.batch_alter_table("live_channels", schema=None) as batch_op:
        batch_op.add_column(sa.Column("max_bitrate_bps", integer, nullable=False, server_default="50000000"))
    with op.batch_alter_table("live_stream_keys", schema=None) as batch_op:
        batch_op.add_column(sa.Column("sealed_srt_passphrase", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("live_stream_keys", schema=None) as batch_op:
        batch_op.drop_column("sealed_srt_passphrase")
    with op.batch_alter_table("live_channels", schema=None) as batch_op:
        batch_op.drop_column("max_bitrate_bps")

"""Main and backup inputs of a channel, and its slate

Revision: 0008; follows: 0007.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("live_channels", schema=None) as batch_op:
        batch_op.add_column(sa.Column("input_select", sa.String(), nullable=False, server_default="auto"))
        batch_op.add_column(sa.Column("input_revert_s", _wide(), nullable=True, server_default="10"))
        batch_op.add_column(sa.Column("slate_minutes", _wide(), nullable=False, server_default="5"))

    with op.batch_alter_table("live_stream_keys", schema=None) as batch_op:
        batch_op.add_column(sa.Column("input", sa.String(), nullable=False, server_default="main"))

    with op.batch_alter_table("live_inputs", schema=None) as batch_op:
        batch_op.add_column(sa.Column("input", sa.String(), nullable=False, server_default="main"))
        batch_op.drop_constraint("pk_live_inputs", type_="primary")
        batch_op.create_primary_key("pk_live_inputs", ["channel_id", "input"])

    op.create_table(
        "live_slates",
        sa.Column("channel_id", sa.String(), nullable=False),
        sa.Column("jpeg", sa.LargeBinary(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("width", _wide(), nullable=False),
        sa.Column("height", _wide(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["live_channels.id"], name=op.f("fk_live_slates_channel_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("channel_id", name=op.f("pk_live_slates")),
    )


def downgrade() -> None:
    op.drop_table("live_slates")

    op.execute("DELETE FROM live_inputs WHERE input <> 'main'")
    with op.batch_alter_table("live_inputs", schema=None) as batch_op:
        batch_op.drop_constraint("pk_live_inputs", type_="primary")
        batch_op.create_primary_key("pk_live_inputs", ["channel_id"])
        batch_op.drop_column("input")

    with op.batch_alter_table("live_stream_keys", schema=None) as batch_op:
        batch_op.drop_column("input")

    with op.batch_alter_table("live_channels", schema=None) as batch_op:
        batch_op.drop_column("slate_minutes")
        batch_op.drop_column("input_revert_s")
        batch_op.drop_column("input_select")


def _wide() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")

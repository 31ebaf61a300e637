"""Uploaded media files; a pull for each input, from a URL or a file; slates that are films

Revision: 0012; follows: 0011.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "live_media_files",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("facts", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("poster", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_live_media_files_tenant_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_live_media_files")),
    )
    with op.batch_alter_table("live_media_files", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_live_media_files_tenant_id"), ["tenant_id"], unique=False)

    with op.batch_alter_table("live_pulls", schema=None) as batch_op:
        batch_op.add_column(sa.Column("input", sa.String(), nullable=False, server_default="main"))
        batch_op.add_column(sa.Column("file_id", sa.String(), nullable=True))
        batch_op.alter_column("sealed_url", existing_type=sa.LargeBinary(), nullable=True)
        batch_op.drop_constraint("pk_live_pulls", type_="primary")
        batch_op.create_primary_key("pk_live_pulls", ["channel_id", "input"])
        batch_op.create_foreign_key("fk_live_pulls_file_id", "live_media_files", ["file_id"], ["id"])

    with op.batch_alter_table("live_slates", schema=None) as batch_op:
        batch_op.add_column(sa.Column("file_id", sa.String(), nullable=True))
        batch_op.create_foreign_key("fk_live_slates_file_id", "live_media_files", ["file_id"], ["id"])


def downgrade() -> None:
    with op.batch_alter_table("live_slates", schema=None) as batch_op:
        batch_op.drop_constraint("fk_live_slates_file_id", type_="foreignkey")
        batch_op.drop_column("file_id")

    op.execute("DELETE FROM live_pulls WHERE input <> 'main' OR sealed_url IS NULL")
    with op.batch_alter_table("live_pulls", schema=None) as batch_op:
        batch_op.drop_constraint("fk_live_pulls_file_id", type_="foreignkey")
        batch_op.drop_constraint("pk_live_pulls", type_="primary")
        batch_op.create_primary_key("pk_live_pulls", ["channel_id"])
        batch_op.alter_column("sealed_url", existing_type=sa.LargeBinary(), nullable=False)
        batch_op.drop_column("file_id")
        batch_op.drop_column("input")

    with op.batch_alter_table("live_media_files", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_live_media_files_tenant_id"))
    op.drop_table("live_media_files")

"""Revocations of all grants of one subject that were issued before a moment

Revision: 0014; follows: 0013.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "grant_revocations",
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("issued_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_grant_revocations")),
    )
    with op.batch_alter_table("grant_revocations", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_grant_revocations_expires_at"), ["expires_at"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("grant_revocations", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_grant_revocations_expires_at"))
    op.drop_table("grant_revocations")

"""Versions of the audiences that are made over the API."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Tables of ``services.audiences``."""
    op.create_table(
        "audiences_versions",
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("definition", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(100), nullable=False),
        sa.Column("idempotency_key", sa.String(200), nullable=True),
        sa.PrimaryKeyConstraint("name", "number", name="pk_audiences_versions"),
        sa.UniqueConstraint(
            "created_by", "idempotency_key",
            name="uq_audiences_versions_created_by_idempotency_key",
        ),
    )
    op.create_index("ix_audiences_versions_created_at", "audiences_versions", ["created_at"])

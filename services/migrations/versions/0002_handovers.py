"""Hand-overs of audience versions to destinations."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Tables of ``services.handovers``."""
    op.create_table(
        "handovers_handovers",
        sa.Column("handover_id", sa.String(32), nullable=False),
        sa.Column("export", sa.String(200), nullable=False),
        sa.Column("audience", sa.String(200), nullable=False),
        sa.Column("audience_version", sa.String(64), nullable=False),
        sa.Column("business_date", sa.Date, nullable=False),
        sa.Column("destination", sa.String(200), nullable=False),
        sa.Column("recipe_version", sa.String(64), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("requested_by", sa.String(100), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.String(100), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text, nullable=True),
        sa.Column("version", sa.String(64), nullable=True),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("place", sa.Text, nullable=True),
        sa.Column("rows", sa.Integer, nullable=True),
        sa.Column("error", sa.Text, nullable=True),
        sa.PrimaryKeyConstraint("handover_id", name="pk_handovers_handovers"),
        sa.UniqueConstraint(
            "export", "audience", "audience_version", "business_date", "destination",
            "recipe_version", name="uq_handovers_handovers_once",
        ),
    )
    op.create_index("ix_handovers_handovers_audience", "handovers_handovers", ["audience"])

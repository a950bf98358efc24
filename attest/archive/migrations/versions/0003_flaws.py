"""What `fixity` found changed or missing, until it is mended."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "flaws",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("sha512", sa.String(length=128), nullable=False),
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=512), nullable=False),
        sa.Column("deliveries", sa.Text(), nullable=False),
        sa.Column("since_n", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("mended_n", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.PrimaryKeyConstraint("sha256", "sha512", "size", name=op.f("pk_flaws")),
    )

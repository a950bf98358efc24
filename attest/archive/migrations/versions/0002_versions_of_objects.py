"""Which version of each object the archive takes as its own; `reindex` fills it from the store."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    with op.batch_alter_table("objects", schema=None) as batch_op:
        batch_op.add_column(sa.Column("version", sa.String(length=1024), nullable=True))

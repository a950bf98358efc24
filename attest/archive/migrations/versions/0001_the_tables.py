"""The tables as they were first."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:

    op.create_table(
        "deliveries",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("sha512", sa.String(length=128), nullable=False),
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("put_n", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("received", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("verdict_n", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("outcome", sa.String(length=512), nullable=True),
        sa.Column("begin", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("end", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("retained", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("expired_n", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
    )
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_deliveries_received"), ["received"], unique=False)

    op.create_table(
        "entries",
        sa.Column("n", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("leaf", sa.String(length=64), nullable=False),
        sa.Column("edge", sa.Text(), nullable=False),
        sa.Column("time", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("action", sa.String(length=512), nullable=False),
        sa.Column("actor", sa.String(length=512), nullable=False),
        sa.Column("delivery", sa.String(length=64), nullable=True),
        sa.Column("details", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("n", name=op.f("pk_entries")),
    )
    with op.batch_alter_table("entries", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_entries_delivery_n"), ["delivery", "n"], unique=False)

    op.create_table(
        "objects",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("sha512", sa.String(length=128), nullable=False),
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("uses", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("sha256", "sha512", "size", name=op.f("pk_objects")),
    )
    op.create_table(
        "copies",
        sa.Column("delivery", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=512), nullable=False),
        sa.Column("origin", sa.String(length=512), nullable=True),
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("root", sa.String(length=64), nullable=True),
        sa.Column("standing", sa.String(length=512), nullable=True),
        sa.ForeignKeyConstraint(["delivery"], ["deliveries.id"], name=op.f("fk_copies_delivery")),
        sa.PrimaryKeyConstraint("delivery", "name", name=op.f("pk_copies")),
    )
    with op.batch_alter_table("copies", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_copies_origin"), ["origin"], unique=False)

    op.create_table(
        "holds",
        sa.Column("delivery", sa.String(length=64), nullable=False),
        sa.Column("case", sa.String(length=512), nullable=False),
        sa.Column("since_n", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("released_n", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.ForeignKeyConstraint(["delivery"], ["deliveries.id"], name=op.f("fk_holds_delivery")),
        sa.PrimaryKeyConstraint("delivery", "case", name=op.f("pk_holds")),
    )
    op.create_table(
        "logs",
        sa.Column("origin", sa.String(length=512), nullable=False),
        sa.Column("vkey", sa.String(length=512), nullable=False),
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("root", sa.String(length=64), nullable=False),
        sa.Column("delivery", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=512), nullable=False),
        sa.Column("standing_n", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["delivery"], ["deliveries.id"], name=op.f("fk_logs_delivery")),
        sa.PrimaryKeyConstraint("origin", "vkey", name=op.f("pk_logs")),
    )
    op.create_table(
        "parties",
        sa.Column("delivery", sa.String(length=64), nullable=False),
        sa.Column("party", sa.String(length=512), nullable=False),
        sa.Column("outcome", sa.String(length=512), nullable=False),
        sa.ForeignKeyConstraint(["delivery"], ["deliveries.id"], name=op.f("fk_parties_delivery")),
        sa.PrimaryKeyConstraint("delivery", "party", name=op.f("pk_parties")),
    )

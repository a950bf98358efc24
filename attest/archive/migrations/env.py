"""What alembic runs: migrations over the connection that the index hands it (attest.archive.index)."""

from alembic import context

from attest.archive.tables import METADATA

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=METADATA, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
connection.commit()

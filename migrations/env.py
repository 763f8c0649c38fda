"""How Alembic reaches the database: over the connection that `rekindle.migrating` hands it."""

from alembic import context

from rekindle.migrating import belongs_to
from store.tables import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    include_object=belongs_to(connection.dialect.name),
    transactional_ddl=True,  # also on SQLite: a migration happens whole or not at all
)
with context.begin_transaction():
    context.run_migrations()

"""How Alembic reaches the database: over the connection that `rekindle.migrating` hands it."""

from alembic import context

from store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,  # also on SQLite: a migration happens whole or not at all
)
with context.begin_transaction():
    context.run_migrations()

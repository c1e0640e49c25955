"""Alembic's entry: run the migrations on the connection that policy.store.migrating.migrate hands over."""

from alembic import context

from policy.store.schema import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,  # SQLite changes a column by copying its table
)
context.run_migrations()

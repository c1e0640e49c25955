"""Alembic's migrations of the store, run by policy.store.database.migrate; never edited once released."""

"""Alembic's migrations of the store, run by policy.store.migrating.migrate; never edited once released."""

"""All tables of the database, wherever they are described: whoever imports this has all modules of models."""

from sqlalchemy import MetaData

from policy.store import incident_models, models, operation_models

METADATA: MetaData = models.Base.metadata
__all__ = ["METADATA", "incident_models", "operation_models"]

"""When the newest submissions were: how far back a look at so many of them goes."""

from sqlalchemy import Engine, select

from policy.store.models import Submissions


def newest_moments(engine: Engine, most: int) -> list[float]:
    """Of the newest `most`, the oldest of these first."""
    wanted = select(Submissions.at).order_by(Submissions.at.desc()).limit(most)
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        return list(connection.scalars(wanted))[::-1]


def has_records(engine: Engine) -> bool:
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        return connection.scalar(select(Submissions.id).limit(1)) is not None

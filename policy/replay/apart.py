"""Two policies side by side over the recorded decisions, in a process of its own: `python -m policy.replay.apart`.

A job comes on standard input, and a line of JSON goes out for each step of the way: Progress, at the end Result. The
process has little memory, little time and a low priority: whoever tries a policy must not keep anybody from sending.
"""

import os
import resource
import sys
from collections.abc import Callable, Iterator
from typing import Any, Final

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Engine

from policy.engine.rulebook import Rulebook
from policy.engine.sources import Origin
from policy.geo.opened import atlas_at
from policy.location import open_existing
from policy.opening import digest_key, open_store
from policy.replay.happenings import HandedIn
from policy.replay.people import People
from policy.replay.recorded import INTERNAL, Origins, RecordedMarks, happening_of, recorded_of
from policy.replay.running import Plan, Replay
from policy.replay.stored import stored_people
from policy.replay.what_if import SideBySide, WhatIf, judged_from
from policy.rulebook import parse
from policy.settings import Settings
from policy.store.newest_records import newest_moments
from policy.store.records import records_since

MEMORY_BYTES = 320 * 1024 * 1024
CPU_S = 240
_POLITENESS = 5  # of nice(2)
_GRAIN = 250  # messages between two lines
# What the console knows and this process needs; the rest of the settings is none of its business.
_NEEDED: Final = frozenset(
    {"state_dir", "database_url", "database_password_file", "domains", "geo_country_db", "geo_asn_db"}
)


class Job(BaseModel):
    """`before` and `after` are policy files. Of the newest `most_read` decisions at most `most_judged` are judged."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    settings: dict[str, Any]
    before: str
    after: str
    most_read: int
    most_judged: int


class Progress(BaseModel):
    """One line on the way; `result` is in the last one alone."""

    taken: int
    of: int
    result: WhatIf | None = None


def settings_for(settings: Settings) -> dict[str, Any]:
    """For a Job."""
    return settings.model_dump(mode="json", include=set(_NEEDED))


def run(job: Job, tell: Callable[[Progress], None]) -> None:
    """All of it, here."""
    settings = Settings(**job.settings)
    engine = open_existing(settings)
    moments = newest_moments(engine, job.most_read)
    of = len(moments)
    side_by_side, origins = _side_by_side(job, settings, engine, judged_from(moments, job.most_judged))
    taken = 0
    for one in _happenings(engine, moments):
        origins.note(one)
        side_by_side.take(one)
        taken += 1
        if taken % _GRAIN == 0:
            tell(Progress(taken=taken, of=max(of, taken)))
    tell(Progress(taken=taken, of=taken, result=side_by_side.result()))


def _happenings(engine: Engine, moments: list[float]) -> Iterator[HandedIn]:
    """What was nobody's was never judged by a limit; what has no marks is older than they are."""
    if not moments:
        return
    for record in records_since(engine, moments[0]):
        if record.identity and record.recipients and record.marks is not None:
            yield happening_of(recorded_of(record))


def _side_by_side(job: Job, settings: Settings, engine: Engine, since: float | None) -> tuple[SideBySide, Origins]:
    before, after = parse(job.before, "before"), parse(job.after, "after")
    people = People(stored_people(open_store(settings, engine)))
    marks, origins = RecordedMarks(digest_key(settings)), Origins()
    places = _origins_of(settings, before, origins)
    other_places = places if after.sources == before.sources else _origins_of(settings, after, origins)

    def running(rulebook: Rulebook, origin_of: Callable[[str], Origin]) -> Replay:
        domains, plan = (*settings.domains, INTERNAL), Plan(learn_until=since)
        return Replay(rulebook, plan, people, domains=domains, origin_of=origin_of, marks=marks)

    return SideBySide(running(before, places), running(after, other_places)), origins


def _origins_of(settings: Settings, rulebook: Rulebook, origins: Origins) -> Callable[[str], Origin]:
    """By the databases of addresses; without any, by what was recorded."""
    atlas = atlas_at(settings.geo_country_db, settings.geo_asn_db)
    atlas.extend(rulebook.sources)
    return atlas.origin if atlas.editions else origins.origin_of


def _bound() -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    os.nice(_POLITENESS)


def main() -> None:
    _bound()
    job = Job.model_validate_json(sys.stdin.buffer.read())
    run(job, lambda progress: print(progress.model_dump_json(), flush=True))


if __name__ == "__main__":
    main()

"""An incident as one HTML page: no script, nothing fetched, readable on paper; what a stranger chose is only ever text.

The template escapes everything, and the page forbids scripts by itself, too, should that ever fail.
"""

from datetime import UTC, datetime
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from policy.store.areas import beside_network
from policy.store.incident_end import end_of, parts_of
from policy.store.incident_story import Story
from policy.visible import visible


def render(story: Story) -> str:
    """The page."""
    return _template().render(
        story=story, incident=story.incident, end=end_of(story.incident), parts=parts_of(story.incident)
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("policy.containment", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: visible(value) if isinstance(value, str) and not hasattr(value, "__html__") else value,
    )
    environment.filters["when"] = _moment
    environment.filters["beside_network"] = beside_network
    environment.filters["number"] = lambda number: f"{number:,}"
    return environment.get_template("incident.html")


def _moment(seconds: float | None) -> str:
    return "never" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")

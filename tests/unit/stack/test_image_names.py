"""Images carry the name of the Compose project, as volumes do: two checkouts overwrite nothing of each other's."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent.parent
FILES = sorted(ROOT.glob("compose*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=[one.name for one in FILES])
def test_an_image_is_the_projects_own(path: Path) -> None:
    for image in re.findall(r"^\s+image: (\S+)", path.read_text(), re.MULTILINE):
        assert image.startswith("${COMPOSE_PROJECT_NAME:-sallyport}-"), image

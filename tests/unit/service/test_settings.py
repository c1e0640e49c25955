"""Settings of a service that exists only here: what is read, and the sentence for each way in which one is wrong."""

from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field, PositiveInt, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from service.settings import SettingError, load, read_secret, stop


class Settings(BaseSettings):
    """One setting of each kind that the services have."""

    model_config = SettingsConfigDict(env_prefix="KETTLE_", frozen=True, extra="forbid")

    water: PositiveInt
    port: Annotated[int, Field(gt=0, le=65535)] = 80
    lid: bool = True
    hostname: str = Field(default="kettle.test", pattern=r"^[a-z.]+$")
    teas: Annotated[tuple[str, ...], NoDecode] = ("mint",)

    @field_validator("teas", mode="before")
    @classmethod
    def _split(cls, given: object) -> object:
        if not given:
            raise ValueError("it should be teas, separated by commas")
        return tuple(str(given).split(","))


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment of the process, which a test may change."""
    return monkeypatch


def test_settings_are_read(environment: pytest.MonkeyPatch) -> None:
    """What is set is taken, what is not has its default, and what belongs to somebody else is left alone."""
    for name, value in {"KETTLE_WATER": "3", "KETTLE_TEAS": "mint,sage", "TEAPOT_PORT": "x"}.items():
        environment.setenv(name, value)
    settings = load(Settings)
    assert (settings.water, settings.teas, settings.port, settings.lid) == (3, ("mint", "sage"), 80, True)


def test_settings_are_frozen(environment: pytest.MonkeyPatch) -> None:
    """What was read at the start is what holds until the end."""
    environment.setenv("KETTLE_WATER", "3")
    settings = load(Settings)
    with pytest.raises(ValidationError):
        settings.water = 4


WRONG = [
    # what it shows, environment besides KETTLE_WATER, the sentence
    ("no number", {"KETTLE_PORT": "tea"},
     "KETTLE_PORT: 'tea' will not do; it should be a valid integer, unable to parse string as an integer"),
    ("a number with a point", {"KETTLE_PORT": "1.5"},
     "KETTLE_PORT: '1.5' will not do; it should be a valid integer, unable to parse string as an integer"),
    ("empty", {"KETTLE_PORT": ""},
     "KETTLE_PORT: '' will not do; it should be a valid integer, unable to parse string as an integer"),
    ("too small", {"KETTLE_PORT": "0"}, "KETTLE_PORT: '0' will not do; it should be greater than 0"),
    ("too big", {"KETTLE_PORT": "65536"},
     "KETTLE_PORT: '65536' will not do; it should be less than or equal to 65535"),
    ("a sentence of the service's own", {"KETTLE_TEAS": ""},
     "KETTLE_TEAS: '' will not do; it should be teas, separated by commas"),
    ("misspelt", {"KETTLE_WATTER": "1"}, "KETTLE_WATTER: there is no such setting; did you mean KETTLE_WATER?"),
    ("like none", {"KETTLE_XYZZY_1": "1"}, "KETTLE_XYZZY_1: there is no such setting; remove it"),
    ("an unknown name comes before a wrong value", {"KETTLE_PORT": "tea", "KETTLE_WATTER": "1"},
     "KETTLE_WATTER: there is no such setting; did you mean KETTLE_WATER?"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "sentence"), [c[1:] for c in WRONG], ids=[c[0] for c in WRONG])
def test_a_wrong_setting(environment: pytest.MonkeyPatch, given: dict[str, str], sentence: str) -> None:
    """The setting, what is wrong with it, and what to do: one sentence."""
    environment.setenv("KETTLE_WATER", "3")
    for name, value in given.items():
        environment.setenv(name, value)
    with pytest.raises(SettingError) as caught:
        load(Settings)
    assert str(caught.value) == sentence


def test_a_missing_setting() -> None:
    """What has no default must be set."""
    with pytest.raises(SettingError) as caught:
        load(Settings)
    assert str(caught.value) == "KETTLE_WATER: is not set; set it in the environment"


def test_a_pattern_that_does_not_match_is_a_sentence(environment: pytest.MonkeyPatch) -> None:
    """The library's "String should match" must not end in "it String should match"."""
    environment.setenv("KETTLE_WATER", "3")
    environment.setenv("KETTLE_HOSTNAME", "KETTLE!")
    with pytest.raises(SettingError, match=r"^KETTLE_HOSTNAME: 'KETTLE!' will not do; it should match ") as caught:
        load(Settings)
    assert "\n" not in str(caught.value)


def test_a_misspelt_setting_in_lower_case_is_refused(environment: pytest.MonkeyPatch) -> None:
    """A name in lower case is a setting when it is spelt right, so it must not be ignored when it is not."""
    environment.setenv("kettle_water", "3")
    assert load(Settings).water == 3
    environment.setenv("kettle_prot", "81")
    with pytest.raises(SettingError, match="KETTLE_PORT"):
        load(Settings)


def test_a_secret_is_one_line(tmp_path: Path) -> None:
    """The line end of an editor does not belong to it."""
    (tmp_path / "token").write_text("s3cret\n")
    assert read_secret("KETTLE_TOKEN_FILE", tmp_path / "token") == "s3cret"


BAD_SECRETS = [
    # what it shows, content of the file (None: no file, "folder": a folder), a part of the sentence
    ("not there", None, r"token cannot be read \(No such file or directory\); check the path and its owner"),
    ("a folder", "folder", r"token cannot be read \(Is a directory\); check the path and its owner"),
    ("empty", b"", "token is empty; remove it and let `sallyport init` make it anew"),
    ("only a line end", b"\n", "token is empty; "),
    ("no text", b"\xff\xfe\x00\x01", "token "),
]


@pytest.mark.parametrize(("content", "part"), [c[1:] for c in BAD_SECRETS], ids=[c[0] for c in BAD_SECRETS])
def test_a_bad_secret_file(tmp_path: Path, content: bytes | str | None, part: str) -> None:
    """The sentence names the setting and the file, never what is in it."""
    if isinstance(content, bytes):
        (tmp_path / "token").write_bytes(content)
    elif content == "folder":
        (tmp_path / "token").mkdir()
    with pytest.raises(SettingError, match=rf"^KETTLE_TOKEN_FILE: .*{part}"):
        read_secret("KETTLE_TOKEN_FILE", tmp_path / "token")


def test_a_secret_where_its_files_path_belongs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake that many make; what was given is not repeated."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingError) as caught:
        read_secret("KETTLE_TOKEN_FILE", Path("s3cret"))
    said = "KETTLE_TOKEN_FILE: it cannot be read (No such file or directory); give the path of a file from / on"
    assert str(caught.value) == said


def test_a_password_in_a_url_is_not_repeated(environment: pytest.MonkeyPatch) -> None:
    """Where the URL will not do."""
    environment.setenv("KETTLE_WATER", "3")
    environment.setenv("KETTLE_HOSTNAME", "https://tea:s3cret/@kettle.example")
    with pytest.raises(SettingError, match=r"^KETTLE_HOSTNAME: 'https://\.\.\.@kettle\.example' will not do; "):
        load(Settings)


def test_stop_prints_the_sentence_and_exits_2(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing else is printed, so that the sentence is what is seen."""
    with pytest.raises(SystemExit) as stopped:
        stop(SettingError("KETTLE_WATER", "is not set", "set it"), "kettle")
    assert stopped.value.code == 2
    assert capsys.readouterr() == ("", "kettle: KETTLE_WATER: is not set; set it\n")

"""The file of a backup: one format for both databases, so that it also moves a store from one to the other.

A gzipped tar. `tables/NAME.jsonl` has a JSON object for each row, octets as {"base64": "..."}; `keys/PATH` is a key
file of POLICY_STATE_DIR; `manifest.json` comes last and names all of them with their SHA-256, so that a file which was
cut off is known to be one. Everything in it can be read with tar and any JSON reader.
"""

import base64
import contextlib
import gzip
import hashlib
import io
import json
import tarfile
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from policy.store.errors import StoreError

FORMAT = 1

_MANIFEST = "manifest.json"
_CHUNK_BYTES = 2**20
_DAMAGED = "the backup is damaged or was cut off: {}"

Row = Mapping[str, Any]  # a column holds what the schema of that day says


class Part(BaseModel):
    """One file of the archive."""

    model_config = ConfigDict(frozen=True)

    sha256: str
    rows: int = 0


class Manifest(BaseModel):
    """What is in the archive, and what made it."""

    model_config = ConfigDict(frozen=True)

    format: int
    version: str  # of Sallyport
    revision: str  # of the schema
    made_at: float
    database: str  # sqlite or postgresql
    tables: dict[str, Part]  # a row comes after those that it refers to
    last_ids: dict[str, int]  # the last number that was given in a table: none comes again
    keys: dict[str, Part]


class ArchiveWriter:
    """Writes one archive. Tables are collected in a file in `folder` first: tar wants to know how long they are."""

    def __init__(self, tar: tarfile.TarFile, made_at: float, folder: Path) -> None:
        self._tar, self._made_at, self._folder = tar, made_at, folder

    def add_table(self, name: str, rows: Iterable[Row]) -> Part:
        count, digest = 0, hashlib.sha256()
        with tempfile.TemporaryFile(dir=self._folder) as collected:
            for row in rows:
                line = line_of(row)
                digest.update(line)
                collected.write(line)
                count += 1
            self._add(_table(name), collected)
        return Part(sha256=digest.hexdigest(), rows=count)

    def add_key(self, name: str, content: bytes) -> Part:
        self._add(_key(name), io.BytesIO(content))
        return Part(sha256=hashlib.sha256(content).hexdigest())

    def add_manifest(self, manifest: Manifest) -> None:
        self._add(_MANIFEST, io.BytesIO(manifest.model_dump_json(indent=2).encode() + b"\n"))

    def _add(self, name: str, content: IO[bytes]) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.mode, member.mtime = content.seek(0, io.SEEK_END), 0o600, int(self._made_at)
        content.seek(0)
        self._tar.addfile(member, content)


class ArchiveReader:
    """Reads one, and believes nothing that its manifest does not vouch for."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self.manifest = _manifest(self._file(_MANIFEST).read())

    def rows(self, table: str) -> Iterator[dict[str, Any]]:
        """Those of one table. What is wrong with them is only known, and said, after the last one."""
        digest = hashlib.sha256()
        for line in self._file(_table(table)):
            digest.update(line)
            yield json.loads(line, object_hook=_value)
        _check(table, digest.hexdigest(), self.manifest.tables[table])

    def key(self, name: str) -> bytes:
        content = self._file(_key(name)).read()
        _check(name, hashlib.sha256(content).hexdigest(), self.manifest.keys[name])
        return content

    def _file(self, name: str) -> IO[bytes]:
        try:
            found = self._tar.extractfile(name)
        except KeyError:
            found = None
        if found is None:
            raise StoreError(_DAMAGED.format(f"{name} is missing"))
        return found


def line_of(row: Row) -> bytes:
    """One row, as it is in an archive."""
    return json.dumps(row, default=_octets, ensure_ascii=False).encode() + b"\n"


@contextlib.contextmanager
def writing(file: IO[bytes], made_at: float, folder: Path) -> Iterator[ArchiveWriter]:
    """A new archive."""
    with tarfile.open(fileobj=file, mode="w|gz") as tar:
        yield ArchiveWriter(tar, made_at, folder)


@contextlib.contextmanager
def reading(file: IO[bytes]) -> Iterator[ArchiveReader]:
    """An archive that there is. While it is read, whatever is wrong with it ends with a sentence."""
    try:
        with gzip.GzipFile(fileobj=file) as whole, tarfile.open(fileobj=whole, mode="r:") as tar:
            archive = ArchiveReader(tar)
            while whole.read(_CHUNK_BYTES):  # only at its end does gzip know that nothing is missing
                pass
            yield archive
    except RecursionError:
        raise StoreError(_DAMAGED.format("its JSON is nested too deeply")) from None
    except (OSError, EOFError, ValueError, zlib.error, tarfile.TarError) as error:
        raise StoreError(_DAMAGED.format(error)) from None


def _manifest(content: bytes) -> Manifest:
    """An archive of a format to come may have another manifest, so the number is looked at first."""
    try:
        number = json.loads(content)["format"]
        if number == FORMAT:
            return Manifest.model_validate_json(content)
    except (ValueError, TypeError, KeyError, ValidationError):
        raise StoreError(_DAMAGED.format(f"{_MANIFEST} is none")) from None
    raise StoreError(
        f"the backup is of format {number}, and this version reads {FORMAT}: restore it with a newer version"
    )


def _check(name: str, digest: str, part: Part) -> None:
    if digest != part.sha256:
        raise StoreError(_DAMAGED.format(f"{name} is not what was written"))


def _table(name: str) -> str:
    return f"tables/{name}.jsonl"


def _key(name: str) -> str:
    return f"keys/{name}"


def _octets(value: object) -> dict[str, str]:
    if not isinstance(value, bytes):
        raise TypeError(value)
    return {"base64": base64.b64encode(value).decode()}


def _value(found: dict[str, Any]) -> dict[str, Any] | bytes:
    return base64.b64decode(found["base64"]) if found.keys() == {"base64"} else found

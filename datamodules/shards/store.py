"""Shards in a folder, or behind a URL with a local cache: fetched once, verified, the least recently used removed."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from datamodules.corpus import CorpusError
from datamodules.shards.layout import ShardFile, Span
from datamodules.shards.locks import locked

FIRST_PAUSE_S = 0.5  # before the second attempt; doubled before each further one
MAX_REMOVALS = 5  # of a shard between its download and its first use, before the cache is called too small


class ShardError(RuntimeError):
    """A shard that cannot be had. No CorpusError: a store that does not answer makes no recording a bad one."""


class TornDownloadError(OSError):
    """A download whose size or digest is not the recorded one."""


def connect(url: str) -> tuple[Any, str]:
    """Return the file system of a URL and the path in it; a process that was forked gets one of its own from fsspec.

    Raises:
        CorpusError: if the protocol is unknown or its package is not installed.
    """
    import fsspec

    try:
        filesystem, path = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise CorpusError(f"data.root: '{url}' cannot be opened ({error})") from error
    return filesystem, path.rstrip("/")


def retried(action: Callable[[], None], what: str, attempts: int) -> None:
    """Do something over the network, again after a growing pause if it fails.

    Raises:
        ShardError: naming ``what``, when the attempts are used up or there is no such file.
    """
    for attempt in range(attempts):
        try:
            return action()
        except FileNotFoundError as error:
            raise ShardError(f"{what}: no such file") from error
        except Exception as error:  # every store has exceptions of its own, and all mean the same here
            if attempt + 1 == attempts:
                raise ShardError(f"{what}: cannot be fetched, {attempts} attempts ({error!r:.300})") from error
            time.sleep(FIRST_PAUSE_S * 2**attempt)


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class FolderStore:
    """Shards in a local folder.

    Args:
        folder: that holds them.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def check(self, shards: list[ShardFile]) -> None:
        """Check that shards are there with the recorded size.

        Raises:
            CorpusError: naming the first that is not.
        """
        for shard in shards:
            path = self.folder / shard.name
            found = path.stat().st_size if path.is_file() else None
            if found != shard.num_bytes:
                state = "no such shard" if found is None else f"{found} bytes"
                raise CorpusError(f"{path}: {state}; expected {shard.num_bytes} bytes")

    def read(self, shard: ShardFile, span: Span) -> bytes:
        """Return a span of bytes of a shard.

        Raises:
            ShardError: if it cannot be read.
        """
        try:
            with (self.folder / shard.name).open("rb") as file:
                file.seek(span.offset)
                content = file.read(span.num_bytes)
        except OSError as error:
            raise ShardError(f"{self.folder / shard.name}: cannot be read ({error})") from error
        if len(content) != span.num_bytes:
            raise ShardError(f"{self.folder / shard.name}: ends before byte {span.offset + span.num_bytes}")
        return content


class CachedStore:
    """Shards behind a URL, with a local cache that processes share.

    A download goes to a temporary name and is renamed when size and digest agree with the recorded ones, one process
    at a time for each shard; a shard of the wrong size in the cache is fetched again.

    Args:
        url: of the folder with the shards.
        folder: local copies of this URL's shards.
        bound_bytes: of all shards in the folders beside ``folder``.
        attempts: downloads before giving up.
    """

    def __init__(self, url: str, folder: Path, bound_bytes: int, attempts: int) -> None:
        self.url = url.rstrip("/")
        self.folder = folder
        self.bound_bytes = bound_bytes
        self.attempts = attempts

    def check(self, shards: list[ShardFile]) -> None:
        """Check that the cache holds at least the shards that a mixture is drawn from, one of each kind.

        Raises:
            CorpusError: if its bound is too small.
        """
        largest: dict[str, int] = {}
        for shard in shards:
            kind = shard.name.split("-")[0]
            largest[kind] = max(largest.get(kind, 0), shard.num_bytes)
        needed = sum(largest.values())
        if needed > self.bound_bytes:
            raise CorpusError(
                f"data.shards.cache_gb: the largest shards of {', '.join(largest)} take {needed / 2**30:.3g} GiB, "
                f"got {self.bound_bytes / 2**30:.3g}"
            )

    def read(self, shard: ShardFile, span: Span) -> bytes:
        """Return a span of bytes of a shard, fetching the shard if needed.

        Raises:
            ShardError: if the shard cannot be fetched.
        """
        path = self.folder / shard.cached_name
        for _ in range(MAX_REMOVALS):
            try:
                with path.open("rb") as file:  # once open, it can be read even if another process removes it
                    if os.fstat(file.fileno()).st_size == shard.num_bytes:
                        os.utime(file.fileno())  # just used: removed last
                        file.seek(span.offset)
                        return file.read(span.num_bytes)
            except FileNotFoundError:
                pass
            self._fetch(shard)
        raise ShardError(
            f"{path}: removed {MAX_REMOVALS} times before it was read; raise data.shards.cache_gb "
            f"({self.bound_bytes / 2**30:.3g} GiB) to hold a shard of each kind for every process"
        )

    def _fetch(self, shard: ShardFile) -> None:
        """Bring a shard into the cache, unless another process has just done so."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / shard.cached_name
        with locked(self.folder / f".{shard.name}.lock"):
            if path.is_file() and path.stat().st_size == shard.num_bytes:
                return
            part = path.with_name(f".{path.name}.part")  # what is there was left by a process that was killed
            self._make_room(shard.num_bytes)
            try:
                retried(lambda: self._download(shard, part), f"{self.url}/{shard.name}", self.attempts)
                os.replace(part, path)
            finally:
                part.unlink(missing_ok=True)

    def _download(self, shard: ShardFile, part: Path) -> None:
        filesystem, base = connect(self.url)
        filesystem.get_file(f"{base}/{shard.name}", str(part))
        found = part.stat().st_size
        if found != shard.num_bytes:
            raise TornDownloadError(f"{found} of {shard.num_bytes} bytes")
        if shard.sha256 and file_digest(part) != shard.sha256:
            raise TornDownloadError(f"the SHA-256 is not {shard.sha256}, which {self.url}/shards.csv gives")

    def _make_room(self, num_bytes: int) -> None:
        """Remove the shards used least recently, of any corpus, until a new one fits the bound."""
        cache = self.folder.parent
        with locked(cache / ".lock"):
            held: list[tuple[float, int, Path]] = []
            for path in [*cache.glob("*/*.tar"), *cache.glob("*/.*.tar.part")]:
                try:
                    status = path.stat()
                except FileNotFoundError:  # renamed or removed since it was listed
                    continue
                held.append((status.st_mtime, status.st_size, path))
            total = num_bytes + sum(size for _, size, _ in held)
            for _, size, path in sorted(held):
                if total <= self.bound_bytes:
                    return
                if path.suffix == ".tar":  # downloads of other processes stay
                    path.unlink(missing_ok=True)
                    total -= size

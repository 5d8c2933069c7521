"""Where a corpus is: a folder of recordings, a folder of shards, or a URL with shards behind it."""

from __future__ import annotations

import hashlib
import os
import tempfile
from functools import partial
from pathlib import Path

from datamodules.corpus import CorpusError
from datamodules.shards.layout import (
    SHARD_LIST,
    Member,
    ShardFile,
    is_sharded,
    listed_manifests,
    read_members,
    read_shard_list,
)
from datamodules.shards.settings import ShardSettings
from datamodules.shards.store import CachedStore, FolderStore, ShardError, connect, retried


class ShardArchive:
    """Recordings in shards, under the paths of their corpus records; reads by offset, without scanning a tar.

    Args:
        folder: that holds the manifests.
        store: that holds the shards.

    Raises:
        CorpusError: if manifests and list of shards do not fit.
    """

    def __init__(self, folder: Path, store: FolderStore | CachedStore) -> None:
        self.folder = folder
        self.store = store
        self.shards: dict[str, ShardFile] = read_shard_list(folder)
        self._members: dict[Path, Member] = read_members(folder, self.shards)

    def check(self, sample_rate: int, resample: bool) -> None:
        """Check what the lists say; no audio is read, since the writer decoded every recording.

        Args:
            sample_rate: wanted rate in Hz.
            resample: accept other rates.

        Raises:
            CorpusError: if a shard has another rate, is missing or does not fit the cache.
        """
        for shard in self.shards.values():
            if shard.sample_rate != sample_rate and not resample:
                raise CorpusError(
                    f"{self.folder / SHARD_LIST}: {shard.name}: expected {sample_rate} Hz, got {shard.sample_rate} Hz; "
                    "set data.resample: true to resample"
                )
        self.store.check(list(self.shards.values()))

    def shard_of(self, path: Path) -> str:
        """Return the name of the shard that holds a recording."""
        return self._members[path].shard

    def read(self, path: Path) -> bytes:
        """Return the bytes of a recording's audio file."""
        member = self._members[path]
        return self.store.read(self.shards[member.shard], member.audio)

    def has_track(self, path: Path, settings: str) -> bool:
        """Tell whether a pitch track with these settings is stored, without reading it."""
        member = self._members[path]
        return member.pitch is not None and self.shards[member.shard].pitch == settings

    def read_track(self, path: Path, settings: str) -> bytes | None:
        """Return the stored pitch track of a recording, or None if there is none with these settings."""
        member = self._members[path]
        if member.pitch is None or not self.has_track(path, settings):
            return None
        return self.store.read(self.shards[member.shard], member.pitch)


class CorpusLocation:
    """What ``data.root`` names.

    Args:
        root: a folder, or a URL that fsspec knows.
        settings: of shards.

    Attributes:
        folder: local folder of the manifests: the corpus itself, or this URL's part of the cache.
        url: None for a folder.
    """

    def __init__(self, root: str, settings: ShardSettings) -> None:
        self.settings = settings
        self.url = root.rstrip("/") if "://" in root else None
        if self.url is None:
            self.folder = Path(root)
        else:
            self.folder = Path(settings.cache_dir) / hashlib.sha256(self.url.encode()).hexdigest()[:16]

    def fetch_manifests(self) -> None:
        """Bring the manifests of a URL into the cache, always anew: they may have changed.

        Raises:
            CorpusError: if they cannot be had.
        """
        if self.url is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            self._fetch(SHARD_LIST)
            for name in listed_manifests(read_shard_list(self.folder)):
                self._fetch(name)
        except ShardError as error:
            raise CorpusError(f"data.root: {error}; expected a corpus in shards") from error

    def _fetch(self, name: str) -> None:
        retried(partial(self._copy, name), f"{self.url}/{name}", self.settings.attempts)

    def _copy(self, name: str) -> None:
        filesystem, base = connect(self.url or "")
        content = filesystem.cat_file(f"{base}/{name}")
        handle, part = tempfile.mkstemp(dir=self.folder, prefix=f".{name}.", suffix=".part")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(part, self.folder / name)

    def archive(self) -> ShardArchive | None:
        """Return the shards, or None if the corpus is a folder of loose recordings.

        Raises:
            CorpusError: if a URL holds no shards, or lists and manifests do not fit.
        """
        if not is_sharded(self.folder):
            if self.url is not None:
                raise CorpusError(f"data.root: {self.url} holds no shards; loose recordings are read from folders only")
            return None
        if self.url is None:
            return ShardArchive(self.folder, FolderStore(self.folder))
        store = CachedStore(self.url, self.folder, self.settings.cache_bytes, self.settings.attempts)
        return ShardArchive(self.folder, store)

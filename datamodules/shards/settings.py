"""Settings of sharded corpora."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ShardSettings:
    """How shards are fetched and how mixtures are spread over them.

    Args:
        cache_dir: folder for shards of a corpus whose ``data.root`` is a URL; processes and runs share it.
        cache_gb: bound of the whole folder in GiB; shards used least recently go first.
        block_mixtures: consecutive mixtures that are drawn from one speech and one noise shard.
        fixed_shards: speech shards, and noise shards, that a fixed set (validation, test, probes) is spread over at
            most.
        attempts: downloads of a shard before giving up.

    Raises:
        ValueError: if a value is not positive.
    """

    cache_dir: str = ".cache/shards"
    cache_gb: float = 50.0
    block_mixtures: int = 1024
    fixed_shards: int = 8
    attempts: int = 4

    def __post_init__(self) -> None:
        for name in ("cache_gb", "block_mixtures", "fixed_shards", "attempts"):
            if getattr(self, name) <= 0:
                raise ValueError(f"data.shards.{name} must be positive, got {getattr(self, name)}")

    @property
    def cache_bytes(self) -> int:
        """Bound of the cache folder in bytes."""
        return int(self.cache_gb * 2**30)

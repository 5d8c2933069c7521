"""Which recording goes into which shard, decided from sizes alone so that a restart decides the same."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from datamodules.shards.layout import shard_name

SLUG_LENGTH = 60  # of a member name: a tar header takes 100 characters


@dataclass(frozen=True)
class Source:
    """A recording to be written.

    Attributes:
        path: the audio file.
        row: of its manifest.
        member: name in the shard without suffix, unique in the corpus.
        num_bytes: of the audio file.
        modified_ns: time of its last change.
    """

    path: Path
    row: dict[str, str]
    member: str
    num_bytes: int
    modified_ns: int


@dataclass
class PlannedShard:
    """A shard and its recordings, in the order in which they are written."""

    name: str
    sources: list[Source] = field(default_factory=list)

    @property
    def num_bytes(self) -> int:
        """Bytes of the audio files."""
        return sum(source.num_bytes for source in self.sources)


def member_name(number: int, path: Path) -> str:
    """Return a name that is unique by its number and has no dot, at which WebDataset ends a key.

    Example:
        >>> member_name(7, Path("noise/street/café 1.2.flac"))
        '00000007-caf__1_2'
    """
    slug = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "-_") else "_" for letter in path.stem)
    return f"{number:08d}-{slug[:SLUG_LENGTH]}"


def _lightest(shards: list[PlannedShard], loads: list[int]) -> int:
    return min(range(len(shards)), key=lambda position: (loads[position], position))


def _pieces(sources: list[Source], limit: int) -> Iterable[list[Source]]:
    """Cut the recordings of one speaker into as few runs of about equal size as fit into the limit."""
    total = max(sum(source.num_bytes for source in sources), 1)
    num_pieces = min(max(1, math.ceil(total / limit)), len(sources))
    pieces: list[list[Source]] = [[] for _ in range(num_pieces)]
    done = 0
    for source in sources:
        pieces[min(done * num_pieces // total, num_pieces - 1)].append(source)
        done += source.num_bytes
    return [piece for piece in pieces if piece]


def plan_speech(sources: list[Source], split: str, limit: int) -> list[PlannedShard]:
    """Keep every speaker in one shard, except those larger than a shard, and make shards about equally large.

    Args:
        sources: recordings of one split, not empty.
        split: its name.
        limit: wanted size of a shard in bytes.
    """
    speakers: dict[str, list[Source]] = defaultdict(list)
    for source in sources:
        speakers[source.row["speaker"]].append(source)
    pieces = [piece for speaker in sorted(speakers) for piece in _pieces(speakers[speaker], limit)]
    sizes = [sum(source.num_bytes for source in piece) for piece in pieces]
    count = min(max(1, math.ceil(sum(sizes) / limit)), len(pieces))
    shards = [PlannedShard(shard_name("speech", split, number)) for number in range(count)]
    loads = [0] * count
    for position in sorted(range(len(pieces)), key=lambda position: -sizes[position]):  # the largest first; stable
        target = _lightest(shards, loads)
        shards[target].sources += pieces[position]
        loads[target] += sizes[position]
    return shards


def plan_noise(sources: list[Source], split: str, limit: int) -> list[PlannedShard]:
    """Give every shard recordings of every category, about equally many.

    The recordings of a category that has fewer than there are shards are copied, so that a mixture of any category can
    be drawn from any shard; they are still drawn about as often as the others of their category.

    Args:
        sources: recordings of one split, not empty.
        split: its name.
        limit: wanted size of a shard in bytes; copies come on top.
    """
    count = max(1, math.ceil(sum(source.num_bytes for source in sources) / limit))
    count = min(count, len(sources))
    shards = [PlannedShard(shard_name("noise", split, number)) for number in range(count)]
    categories: dict[str, list[Source]] = defaultdict(list)
    for source in sources:
        categories[source.row["category"]].append(source)
    loads = [0] * count
    for category in sorted(categories):
        recordings = sorted(categories[category], key=lambda source: -source.num_bytes)
        copies = [recordings[number % len(recordings)] for number in range(max(count, len(recordings)))]
        for start in range(0, len(copies), count):  # in rounds: counts differ by one at most
            free = set(range(count))
            for source in copies[start : start + count]:
                target = min(free, key=lambda position: (loads[position], position))
                free.remove(target)
                shards[target].sources.append(source)
                loads[target] += source.num_bytes
    return shards


def plan_responses(sources: list[Source], split: str, limit: int) -> list[PlannedShard]:
    """Cut room responses into shards of about equal size, neighbours apart, since they are of the same room.

    Args:
        sources: responses of one split, or of none, not empty.
        split: its name.
        limit: wanted size of a shard in bytes.
    """
    # two in every shard where possible: reverberant noise needs one beside that of the speech
    most = max(1, len(sources) // 2)
    count = min(max(1, math.ceil(sum(source.num_bytes for source in sources) / limit)), most)
    return [PlannedShard(shard_name("rir", split, number), sources[number::count]) for number in range(count)]

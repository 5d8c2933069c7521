"""What the documents are, and what their code blocks and links are."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

REPOSITORY = Path(__file__).resolve().parents[2]
DOCUMENTS = [
    *(REPOSITORY / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")),
    *sorted((REPOSITORY / "docs").glob("*.md")),
]
PROGRAMS = {"make", "lightning", "dyncp", "python", "pip", "source", "wandb", "git", "apt", "ffmpeg", "arecord"}
COMMENT = re.compile(r"(?:^|\s)#.*$")
ASSIGNMENT = re.compile(r"^[A-Z_]+=\S*$")


@dataclass(frozen=True)
class Block:
    """A code block: the file that it is in, its language, empty if none is named, and its text."""

    document: str
    language: str
    text: str

    @property
    def first_line(self) -> str:
        return self.text.strip().splitlines()[0] if self.text.strip() else ""


@dataclass(frozen=True)
class Command:
    """A command of a document, as words, and the line that it is written in."""

    document: str
    line: str
    words: tuple[str, ...]


@cache
def tokens(path: Path) -> list[Token]:
    """Return the parsed Markdown of a document."""
    return MarkdownIt("commonmark").enable("table").parse(path.read_text(encoding="utf-8"))


def blocks(paths: list[Path]) -> list[Block]:
    """Return all code blocks of documents."""
    return [
        Block(path.name, token.info.strip(), token.content)
        for path in paths
        for token in tokens(path)
        if token.type in ("fence", "code_block")
    ]


def is_session(block: Block) -> bool:
    """Tell whether a block shows commands after ``$ ``, and what they print."""
    return any(line.startswith("$ ") for line in block.text.splitlines())


def is_shell(block: Block) -> bool:
    """Tell whether a block holds commands."""
    if block.language:
        return block.language in ("sh", "bash", "shell", "console")
    words = block.first_line.removeprefix("$ ").split()
    while words and ASSIGNMENT.match(words[0]):
        words.pop(0)
    return bool(words) and words[0] in PROGRAMS


def command_lines(block: Block) -> Iterator[str]:
    """Yield the commands of a shell block, continued lines joined, without comments, prompts and output."""
    joined = block.text.replace("\\\n", " ")
    session = is_session(block)
    for line in joined.splitlines():
        if session and not line.startswith("$ "):
            continue  # what a command printed
        text = COMMENT.sub("", line.removeprefix("$ ")).strip()
        if text:
            yield re.sub(r"\s+", " ", text)


def pipeline(line: str) -> list[tuple[str, ...]]:
    """Take the commands of a pipe apart, without redirections and environment variables.

    Example:
        >>> pipeline("A=1 make x | dyncp enhance - - > out")
        [('make', 'x'), ('dyncp', 'enhance', '-', '-')]
    """
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|><&;")
    lexer.whitespace_split = True
    parts: list[list[str]] = [[]]
    skipping = False
    for word in lexer:
        if skipping:
            skipping = False
        elif word in ("|", "&&", ";"):
            parts.append([])
        elif word in (">", ">>", "<"):
            skipping = True
        elif parts[-1] or not ASSIGNMENT.match(word):
            parts[-1].append(word)
    return [tuple(part) for part in parts]


def commands(paths: list[Path]) -> list[Command]:
    """Return every command of the documents, those of a pipe one by one."""
    return [
        Command(block.document, line, words)
        for block in blocks(paths)
        if is_shell(block)
        for line in command_lines(block)
        for words in pipeline(line)
    ]

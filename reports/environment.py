"""What a run was made with: the commit of the code, versions of packages, the machine."""

from __future__ import annotations

import platform
import re
import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

GIT_TIMEOUT_S = 5.0


def git_state(folder: Path) -> dict[str, str | bool] | None:
    """Tell which commit a folder of code is at.

    Args:
        folder: top of the checkout; a folder further down, such as that of an installed package in somebody's
            repository, says nothing about this code.

    Returns:
        ``commit``, and ``changed``: whether tracked files differ from it; None if the folder is no checkout or there is
        no git.
    """
    top, commit = _git(folder, "rev-parse", "--show-toplevel"), _git(folder, "rev-parse", "HEAD")
    if top is None or commit is None or Path(top).resolve() != folder.resolve():
        return None
    status = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit} if status is None else {"commit": commit, "changed": bool(status)}


def code_state() -> dict[str, str | bool] | None:
    """Tell which commit this code is at, as :func:`git_state` does."""
    return git_state(Path(__file__).resolve().parent.parent)


def software() -> dict[str, str]:
    """Return the version of this package and, of a checkout, the commit, for what is kept in files that it writes."""
    return software_at(code_state())


def software_at(state: Mapping[str, str | bool] | None) -> dict[str, str]:
    """Return :func:`software` of code whose state is known already.

    Args:
        state: of :func:`code_state`.

    Example:
        >>> software_at({"commit": "0123abc", "changed": True})["commit"]
        '0123abc and changes'
    """
    try:
        release = metadata.version("dyncp")
    except metadata.PackageNotFoundError:  # run from a checkout that is not installed
        release = "unknown"
    if state is None:
        return {"dyncp": release}
    return {"dyncp": release, "commit": f"{state['commit']}{' and changes' if state.get('changed') else ''}"}


def software_text() -> str:
    """Return :func:`software` as one line."""
    return ", ".join(f"{name} {value}" for name, value in software().items())


def last_parts(path: str | Path, count: int = 2) -> str:
    """Return the end of a path, for files that are given to others.

    Example:
        >>> last_parts("/home/me/runs/quickstart/version_0"), last_parts("best.ckpt")
        ('quickstart/version_0', 'best.ckpt')
    """
    return "/".join([part for part in Path(path).parts if part != Path(path).anchor][-count:])


def without_place(argument: str) -> str:
    """Return an argument of a command line with the end only of an absolute path in it.

    Example:
        >>> without_place("--data.root=/home/me/corpus"), without_place("/home/me/corpus"), without_place("--x=1")
        ('--data.root=me/corpus', 'me/corpus', '--x=1')
    """
    option, equals, value = argument.rpartition("=")
    return f"{option}{equals}{last_parts(value)}" if Path(value).is_absolute() else argument


def _git(folder: Path, *arguments: str) -> str | None:
    """Return what git prints; None if it fails."""
    try:
        result = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True, timeout=GIT_TIMEOUT_S
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout.strip()


def installed_versions(distribution: str) -> dict[str, str]:
    """Return the versions of a distribution and of those that it requires, with all extras, as far as installed.

    Args:
        distribution: name; one that is not installed itself gives the versions of all that are.

    Example:
        >>> "numpy" in installed_versions("scipy")
        True
    """
    try:
        required = metadata.requires(distribution) or []
    except metadata.PackageNotFoundError:
        return {one.name: one.version for one in sorted(metadata.distributions(), key=lambda one: one.name.lower())}
    names = {match.group() for line in required if (match := re.match(r"[\w.-]+", line))}
    versions = {}
    for name in [distribution, *sorted(names)]:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def platform_facts() -> dict[str, str]:
    """Return Python's version and the operating system."""
    return {"python": platform.python_version(), "system": platform.platform()}

"""Lists the licences of all locked packages, as they state them: `python docs/generators/licences.py`.

Writes docs/licences.md; with ``--check`` it writes nothing and exits with 1 if a direct dependency is not listed as it
is, or has a licence of which nothing is said. A test does the same.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from importlib import metadata
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
DOCUMENT = REPOSITORY / "docs" / "licences.md"
LOCK = REPOSITORY / "requirements.lock"
PIN = re.compile(r"^([\w.-]+)==(\S+)", re.MULTILINE)
# The strictest first: a package under several has the kind of the first that is found, unless one may be chosen.
KINDS: Mapping[str, str] = {
    "copyleft": r"\b(A?GPL|GNU (Affero )?General Public|EUPL|CC[ -]BY[ -]SA)",
    "weak copyleft": r"\b(LGPL|Lesser General Public|Library General Public|MPL|Mozilla Public|EPL|CDDL)",
    "proprietary": r"(NVIDIA|Proprietary|Other/Proprietary|EULA|CC[ -]BY[ -]NC)",
    "permissive": r"(MIT|BSD|Apache|ISC|PSF|Python Software Foundation|Unlicense|Zlib|zlib|0BSD|HPND|CNRI|CC0"
    r"|Public Domain|Boost|BSL-1\.0|WTFPL|NCSA|BlueOak|MIT-0|MIT-CMU|Historical Permission)",
}
UNKNOWN = "not stated"
# What a package says in the text of its licence only, and in no field; by name.
STATED_ELSEWHERE: Mapping[str, str] = {"pyrnnoise": "Apache-2.0", "pyworld-prebuilt": "MIT"}
# What has to be known of packages that are not permissive; a name that ends in * stands for all that begin like it.
REMARKS: Mapping[str, str] = {
    "certifi": "used as it is; changed files of it would have to be published",
    "cuda-toolkit": "a package without files of its own, which names those of NVIDIA's that PyTorch takes",
    "hypothesis": "runs tests only",
    "nvidia-*": "PyTorch's CUDA libraries, installed on Linux only; may be used and, inside a program, passed on under "
    "NVIDIA's terms; not needed on a CPU",
    "pathspec": "used as it is, by tools of development only",
    "soxr": "a compiled library that is loaded and can be exchanged, as the LGPL asks for; whoever passes it on adds "
    "its licence and says where its source is",
    "tqdm": "used as it is; changed files of it would have to be published",
}

HEADER = """\
# Licences of dependencies

Every package of `requirements.lock` with the licence that it states in its metadata, written by

    python docs/generators/licences.py

None of them is part of this project's source or wheel, which is under the MIT licence: installing fetches them from the
index, and their terms are between their makers and whoever installs them. Whoever passes on an image or a program with
them inside passes them on, and has to keep the notices and terms below.
"""


@dataclass(frozen=True)
class Licensed:
    """A locked package; ``licence`` is empty if it is not installed here."""

    name: str
    version: str
    licence: str
    direct: bool

    @property
    def kind(self) -> str:
        """Permissive, or what else."""
        return kind_of(self.licence)


def canonical(name: str) -> str:
    """Return the name by which packages are compared.

    Example:
        >>> canonical("Ruamel.YAML_clib")
        'ruamel-yaml-clib'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def kind_of(licence: str) -> str:
    """Return what a licence is like; of alternatives, that of the mildest.

    Example:
        >>> kind_of("BSD-3-Clause"), kind_of("MIT OR GPL-2.0"), kind_of("MPL-2.0 AND MIT"), kind_of("LGPL-2.1-or-later")
        ('permissive', 'permissive', 'weak copyleft', 'weak copyleft')
    """
    order = list(KINDS)
    kinds = [
        next((kind for kind in order if re.search(KINDS[kind], choice)), UNKNOWN) for choice in licence.split(" OR ")
    ]
    known = [kind for kind in kinds if kind != UNKNOWN]
    return max(known, key=order.index) if known else UNKNOWN


def stated_licence(given: metadata.PackageMetadata) -> str:
    """Return the licence that a package states: as an expression, as classifiers, or as text."""
    fields = given.json
    expression = str(fields.get("license_expression") or "")
    if expression:
        return expression
    classifiers = [str(one) for one in fields.get("classifier", []) if str(one).startswith("License ::")]
    named = [one.rsplit(" :: ", 1)[1] for one in classifiers if one != "License :: OSI Approved"]
    text = str(fields.get("license") or "").strip()
    first = text.splitlines()[0].strip() if text else ""
    if named:
        return ", ".join(dict.fromkeys(named))
    return first if len(first) <= 60 else first[:57] + "..."


def direct_names(repository: Path = REPOSITORY) -> set[str]:
    """Return the names of the packages that pyproject.toml asks for, in all its extras that are locked together."""
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [lines for name, lines in project["optional-dependencies"].items() if name != "pesq"]
    lines = [*project["dependencies"], *(line for extra in extras for line in extra)]
    return {canonical(match.group()) for line in lines if (match := re.match(r"[\w.-]+", line))}


def locked_packages(lock: str, direct: Iterable[str]) -> list[Licensed]:
    """Return all packages of a lock by name, each once, with what the installed ones state."""
    wanted = set(direct)
    found = {}
    for name, version in PIN.findall(lock):
        try:
            licence = stated_licence(metadata.metadata(name)) or STATED_ELSEWHERE.get(canonical(name), UNKNOWN)
        except metadata.PackageNotFoundError:
            licence = STATED_ELSEWHERE.get(canonical(name), "")
        found[canonical(name)] = Licensed(canonical(name), version, licence, canonical(name) in wanted)
    return [found[name] for name in sorted(found)]


def remark(name: str) -> str:
    """Return what has to be known of a package, empty if nothing is said."""
    return next((text for key, text in REMARKS.items() if fnmatch(name, key)), "")


def document(packages: Sequence[Licensed]) -> str:
    """Return the document."""
    parts = [HEADER]
    special = [one for one in packages if one.licence and one.kind != "permissive"]
    parts.append(f"## With conditions\n\n{_special_table(special)}")
    for title, direct in (("Direct dependencies", True), ("Dependencies of these", False)):
        chosen = [one for one in packages if one.direct == direct and one.licence]
        parts.append(f"## {title}\n\n{_table(chosen)}")
    absent = [one.name for one in packages if not one.licence]
    if absent:
        parts.append(
            "## Of other platforms\n\nLocked for platforms other than the one that this list was written on, and not "
            f"installed there: {', '.join(absent)}."
        )
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _table(packages: Sequence[Licensed]) -> str:
    rows = [f"| {one.name} | {one.version} | {_cell(one.licence)} | {one.kind} |" for one in packages]
    return "\n".join(["| package | version | licence | kind |", "|---|---|---|---|", *rows])


def _special_table(packages: Sequence[Licensed]) -> str:
    rows = [f"| {one.name} | {_cell(one.licence)} | {one.kind} | {remark(one.name)} |" for one in packages]
    return "\n".join(["| package | licence | kind | what follows |", "|---|---|---|---|", *rows])


def _cell(text: str) -> str:
    return text.replace("|", "/")


def outdated(written: str, packages: Sequence[Licensed]) -> list[str]:
    """Return what the document lacks of the direct dependencies that are installed, and those of no known kind."""
    rows = {line.split(" | ")[0].strip("| "): line for line in written.splitlines() if line.startswith("| ")}
    problems = []
    for one in packages:
        if not (one.direct and one.licence):
            continue
        if f"| {one.name} | {one.version} | {_cell(one.licence)} |" not in written:
            problems.append(f"{one.name}: expected {one.version}, {one.licence}; found {rows.get(one.name, 'nothing')}")
        if one.kind != "permissive" and not remark(one.name):
            problems.append(f"{one.name}: {one.licence} is {one.kind}; say in REMARKS what follows")
    return problems


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args(arguments)
    packages = locked_packages(LOCK.read_text(encoding="utf-8"), direct_names())
    if not options.check:
        DOCUMENT.write_text(document(packages), encoding="utf-8")
    problems = outdated(DOCUMENT.read_text(encoding="utf-8"), packages)
    print("\n".join(problems) or f"{len(packages)} packages, nothing to say", file=sys.stderr)
    sys.exit(int(bool(problems)))


if __name__ == "__main__":
    main()

"""The list of licences holds the direct dependencies as they are, and says what follows where one has conditions."""

from __future__ import annotations

import pytest

from docs.generators.licences import (
    DOCUMENT,
    LOCK,
    Licensed,
    direct_names,
    document,
    kind_of,
    locked_packages,
    outdated,
    remark,
)


def test_direct_dependencies_are_listed_as_they_are() -> None:
    packages = locked_packages(LOCK.read_text(encoding="utf-8"), direct_names())
    assert sum(one.direct for one in packages) > 30
    assert outdated(DOCUMENT.read_text(encoding="utf-8"), packages) == [], "run python docs/generators/licences.py"


def test_what_has_changed_is_found() -> None:
    kept = Licensed("tool", "1.0", "MIT", True)
    strict = Licensed("other", "2.0", "GPL-3.0-only", True)
    text = document([kept, strict])
    assert outdated(text, [kept]) == []
    assert outdated(text, [Licensed("tool", "1.1", "MIT", True)])
    assert outdated(text, [Licensed("tool", "1.0", "AGPL-3.0-only", True)])
    assert outdated(text, [strict]) == ["other: GPL-3.0-only is copyleft; say in REMARKS what follows"]
    assert outdated("", [Licensed("deep", "1.0", "MIT", False)]) == []


@pytest.mark.parametrize(
    ("licence", "kind"),
    [
        ("GPL-3.0-or-later", "copyleft"),
        ("GNU General Public License v3 (GPLv3)", "copyleft"),
        ("GNU Lesser General Public License v2 (LGPLv2)", "weak copyleft"),
        ("LGPL-2.1-or-later", "weak copyleft"),
        ("MIT AND AGPL-3.0-only", "copyleft"),
        ("GPL-2.0-only OR MIT", "permissive"),
        ("LicenseRef-NVIDIA-Proprietary", "proprietary"),
        ("Apache Software License, BSD License", "permissive"),
        ("", "not stated"),
        ("as you like", "not stated"),
    ],
)
def test_kinds_of_licences(licence: str, kind: str) -> None:
    assert kind_of(licence) == kind


def test_no_locked_package_is_under_a_licence_that_would_bind_this_project() -> None:
    packages = locked_packages(LOCK.read_text(encoding="utf-8"), direct_names())
    assert [one.name for one in packages if one.kind == "copyleft"] == []
    assert remark("nvidia-nccl-cu13") and not remark("numpy")

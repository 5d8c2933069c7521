"""What the tests of the module share."""

from __future__ import annotations

import pytest

from lightning_modules.enhancement import EnhancementModule


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """What the modules of a test log, the last value of each key; no trainer is needed."""
    values: dict[str, float] = {}
    monkeypatch.setattr(EnhancementModule, "log", lambda _self, name, value, **_: values.update({name: float(value)}))
    monkeypatch.setattr(
        EnhancementModule,
        "log_dict",
        lambda _self, named, **_: values.update({name: float(value) for name, value in named.items()}),
    )
    return values

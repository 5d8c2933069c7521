"""What all tests share: an isolated environment, reproducible examples, and the recorded corpus where there is one."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings

REPOSITORY = Path(__file__).resolve().parent.parent

# The same few examples every time; HYPOTHESIS_PROFILE=thorough searches for new ones.
settings.register_profile(
    "quick", max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("thorough", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take long, so that at the end no worker waits for another."""
    long = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in long)


@pytest.fixture(scope="session", autouse=True)
def isolated_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep loggers offline and out of the checkout and the home folder, here and in subprocesses."""
    scratch = tmp_path_factory.mktemp("environment")
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WANDB_MODE", "offline")
        patch.setenv("WANDB_SILENT", "true")
        for variable in ("WANDB_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR", "MPLCONFIGDIR"):
            patch.setenv(variable, str(scratch))
        patch.setenv("MPLBACKEND", "Agg")
        # Small tensors: one thread is faster than several, and results do not depend on the machine's cores.
        patch.setenv("OMP_NUM_THREADS", "1")
        torch.set_num_threads(1)
        yield
        torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def shared_corpus() -> Path:
    """Return the folder of the recorded corpus; skips the test where there is none.

    It is looked for in ``shared/data`` beside the checkout, or where ``DYNCP_CORPUS`` points.
    """
    named = os.environ.get("DYNCP_CORPUS")
    root = Path(named) if named else REPOSITORY.parent / "shared" / "data"
    if (root / "speech.csv").is_file():
        return root
    if named:
        pytest.fail(f"DYNCP_CORPUS={named}: expected a folder with speech.csv")
    pytest.skip("no recorded corpus beside the checkout; set DYNCP_CORPUS to the folder of one")


@contextmanager
def full_disk(largest_file: int = 4096) -> Iterator[None]:
    """Let no file grow beyond some bytes: writing then fails as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

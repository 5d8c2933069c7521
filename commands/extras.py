"""Packages that only some subcommands need, and what installs them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

EXTRA_OF_PACKAGE = {
    "numba": "stream",
    "llvmlite": "stream",
    "soxr": "stream",
    "onnx": "onnx",
    "onnxruntime": "onnx",
    "plotly": "report",
}


@contextmanager
def told_extras() -> Iterator[None]:
    """Turn the absence of a package into an error that says how to install it.

    Raises:
        ValueError: if a package of an extra is not installed.

    Example:
        >>> with told_extras():
        ...     raise ModuleNotFoundError("No module named 'soxr'", name="soxr")
        Traceback (most recent call last):
        ...
        ValueError: the package soxr is not installed: pip install 'dyncp[stream]'
    """
    try:
        yield
    except ModuleNotFoundError as error:
        extra = EXTRA_OF_PACKAGE.get((error.name or "").split(".")[0])
        if extra is None:
            raise
        raise ValueError(f"the package {error.name} is not installed: pip install 'dyncp[{extra}]'") from error

"""Extension of griffe: what the docstrings write for a reader of the code, in the words that the reference knows."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object

EXAMPLE = re.compile(r"^(\s*)Example:$", re.MULTILINE)
ROLE = re.compile(r":(?:func|class|meth|mod|data|attr):`([^`]+)`")


def rewritten(docstring: str) -> str:
    """Return a docstring with ``Examples:`` for ``Example:``, and names in code style for Sphinx's roles.

    Example:
        >>> rewritten("See :func:`mix`.")
        'See `mix`.'
    """
    return ROLE.sub(r"`\1`", EXAMPLE.sub(r"\1Examples:", docstring))


class DocstringSections(Extension):
    """Rewrites every docstring before it is parsed."""

    def on_object(self, *, obj: Object, **kwargs: Any) -> None:
        """Rewrite the docstring of a module, class, function or attribute."""
        if obj.docstring is not None:
            obj.docstring.value = rewritten(obj.docstring.value)

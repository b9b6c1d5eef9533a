"""Who may come in: the token that a hub compares."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable


def accepting(token: str | None) -> Callable[[str | None], bool]:
    """
    Return what decides whether a connection that shows a token (or None) may come in: everyone may without ``token``.

    The comparison takes as long for a good guess as for a bad one. It compares digests, since ``compare_digest``
    alone tells the length.
    """
    if token is None:
        return lambda shown: True
    wanted = _digest(token)
    return lambda shown: shown is not None and hmac.compare_digest(_digest(shown), wanted)


def _digest(token: str) -> bytes:
    # Bytes of a header that are no ASCII come as surrogates, and leave as the bytes that they were.
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()

"""
The token that a hub compares.
"""

from __future__ import annotations

import pytest

from swergio.hub.access import accepting


@pytest.mark.parametrize("shown", [None, "", "anything"])
def test_without_a_token_everyone_may_come_in(shown: str | None) -> None:
    assert accepting(None)(shown)


@pytest.mark.parametrize("token", ["secret", "Schlüssel"])
def test_who_shows_the_token_may_come_in(token: str) -> None:
    as_it_comes = token.encode().decode("ascii", "surrogateescape")  # a header is read as ASCII

    assert accepting(token)(token)
    assert accepting(token)(as_it_comes)


@pytest.mark.parametrize("shown", [None, "", "secre", "secret ", "Secret", "secrets"])
def test_who_does_not_show_it_may_not(shown: str | None) -> None:
    assert not accepting("secret")(shown)

"""
The conformance suite: whether a transport keeps the contract that components rely on.

One class with one method to write, in a file that pytest collects::

    from swergio.testing.conformance import ConformanceSuite

    class TestMine(ConformanceSuite):
        def deploy(self, limits):
            with my_server(port=0) as server:
                yield f"mine://127.0.0.1:{server.port}"

It needs pytest (``pip install 'swergio[testing]'``), and no plugin of it.
"""

import pkgutil

import pytest

# A failed assert shows its values, as in a test of one's own.
pytest.register_assert_rewrite(*(f"{__name__}.{module.name}" for module in pkgutil.iter_modules(__path__)))

from swergio.testing.conformance.deployment import Deployment, Limits  # noqa: E402
from swergio.testing.conformance.suite import ConformanceSuite  # noqa: E402

__all__ = ["ConformanceSuite", "Deployment", "Limits"]

"""The whole suite as one class."""

from __future__ import annotations

from swergio.testing.conformance.bodies import Bodies
from swergio.testing.conformance.closing import Closing
from swergio.testing.conformance.direct import Direct
from swergio.testing.conformance.errors import Errors
from swergio.testing.conformance.groups import Groups
from swergio.testing.conformance.handlers import Handlers
from swergio.testing.conformance.history import Past
from swergio.testing.conformance.load import Load
from swergio.testing.conformance.membership import Membership
from swergio.testing.conformance.order import Order
from swergio.testing.conformance.recovery import Recovery
from swergio.testing.conformance.requests import Requests
from swergio.testing.conformance.rooms import Rooms
from swergio.testing.conformance.wills import Wills


class ConformanceSuite(
    Rooms, Order, Direct, Requests, Bodies, Handlers, Load, Recovery, Membership, Groups, Past, Wills, Errors, Closing
):
    """
    Every point of the contract that a transport is held to, as tests for pytest, over both faces of a component.

    Example::

        class TestMine(ConformanceSuite):
            def deploy(self, limits):
                with my_server(port=0) as server:
                    yield f"mine://127.0.0.1:{server.port}"

    What the transport does not claim in its `Guarantees` is skipped, and what remains of the point is tested instead.
    A `Deployment`, yielded instead of a URL, says how to disturb the transport: without that, those tests are skipped.
    """

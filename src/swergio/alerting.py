"""Alerts: a component judges the KPIs of others, and its own, and tells when one leaves its band."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from swergio.alerts import Band, Gauge
from swergio.errors import CorruptBody, MissingExtra
from swergio.messages import Instance, Kind, Message, MessageType

if TYPE_CHECKING:
    from swergio.core import Core
    from swergio.received import Received

log = logging.getLogger("swergio.alerts")

MAX_GAUGES = 1024


class Alert:
    """
    A watch over one KPI; made by ``component.alert(kpi, ...)``. To its component, a tap of the logging room.

    Each instance that publishes the KPI is judged for itself. The 1,024 that published it last are remembered.

    Attributes:
        kpi: The name of the KPI.
        band: Its `Band`.
        component: Whose KPI; None: that of anyone.
        room: Where alerts are sent.
        values: How many values were judged.
        fired: How often the KPI left its band.
        returned: How often it came back.
    """

    def __init__(self, core: Core, kpi: str, band: Band, component: str | None, room: str) -> None:
        self.kpi = kpi
        self.band = band
        self.component = component
        self.room = room
        self.values = 0
        self.fired = 0
        self.returned = 0
        self._core = core
        self._gauges: dict[Instance, Gauge] = {}
        self._lock = threading.Lock()  # own KPIs come from any thread, all others on the loop

    def __repr__(self) -> str:
        return f"<Alert on {self.kpi!r}: {self.fired} in {self.values} values>"

    @property
    def out(self) -> list[Instance]:
        """
        The instances whose KPI is out of its band now.
        """
        with self._lock:
            return [instance for instance, gauge in self._gauges.items() if gauge.out]

    # -- Tap, on the loop -----------------------------------------------------------------------------------------

    def take(self, received: Received) -> bool:
        """
        Judge what others publish.
        """
        if received.type == MessageType.KPI and received.kind is Kind.MESSAGE and not received.past:
            for index in range(received.count):
                message = Message(received, index)
                try:
                    data = message.data
                except (CorruptBody, MissingExtra):
                    continue
                self._judge(message.sender, data, message.time)
        return False

    def end(self) -> None:
        """
        Do nothing: nothing waits here.
        """

    # -- from any thread ------------------------------------------------------------------------------------------

    def take_own(self, data: Mapping[str, Any]) -> None:
        """
        Judge what this component publishes, which does not come back to it.
        """
        self._judge(self._core.instance, data, time.time())

    def _judge(self, sender: Instance, data: object, at: float) -> None:
        if not isinstance(data, Mapping) or data.get("kpi") != self.kpi or self.component not in (None, sender.name):
            return
        value, step = data.get("value"), data.get("step")
        if isinstance(value, bool) or not isinstance(value, int | float):
            log.warning("%s: the KPI %r of %s is %.60r, and no number", self._core.instance, self.kpi, sender, value)
            return
        step = int(step) if step is not None and hasattr(step, "__index__") else None  # NumPy has integers too
        with self._lock:
            self.values += 1
            change = self._gauge(sender).judge(value, step, at)
            if change is None:
                return
            self.fired += change.state == "out"
            self.returned += change.state == "in"
            body = {
                "kpi": self.kpi,
                "component": sender.name,
                "instance": str(sender),
                "low": self.band.low,
                "high": self.band.high,
            }
            self._send(body | change._asdict())  # within the lock: changes are sent in their order

    def _gauge(self, sender: Instance) -> Gauge:
        gauge = self._gauges.pop(sender) if sender in self._gauges else Gauge(self.band)
        self._gauges[sender] = gauge  # the last in the order: the first is the one that was silent for the longest
        if len(self._gauges) > MAX_GAUGES:
            del self._gauges[next(iter(self._gauges))]
        return gauge

    def _send(self, body: Mapping[str, Any]) -> None:
        core = self._core
        log.info("%s: %s of %s is %s its band", core.instance, self.kpi, body["instance"], body["state"])
        if core.refusal is None:
            _, number = core.outbox.append(self.room, None, MessageType.ALERT, *core.pack(body))
            if not number:  # nobody may wait here: this may be the loop
                log.error("%s could not send an alert to %r: its outbox is full", core.instance, self.room)

"""Links inside one process: ``memory://name``.

Listeners and dialling sides may run on the loops of different threads. Packets are handed over without copying them;
a sender is paused while 4 MiB wait for the other end. Everything ends with the process, and a fork has none of it.
"""

from swergio_transports.memory.listener import dial, listen
from swergio_transports.memory.transport import MemoryTransport

__all__ = ["MemoryTransport", "dial", "listen"]

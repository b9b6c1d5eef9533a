"""Links over ZeroMQ: ``zmq+tcp://host:port`` (also ``zmq://``) and ``zmq+ipc:///path``.

The dialling side has a DEALER for each link, the listening side one ROUTER for all of them. A packet is one message,
in one part or several: where it is cut means nothing, but a large payload that is a part of its own is never copied
on its way through a hub. A message whose first part is empty, with one more behind it, is for the links themselves:

| first byte | from | what follows |
|------------|------|--------------|
| 1 HELLO | dialling side, first of all | ``swergio``, the version (one byte), then 1 and the token, if there is one |
| 2 WELCOME | listening side, first of all | ``swergio``, the version |
| 3 REFUSE | listening side, instead | 1 if trying again is useless, else 0; then the reason |
| 4 BYE | both | the reason; answered by BYE, after which the dialling side closes its socket |

What libzmq tells of connections (its monitor events, and ``EHOSTUNREACH``) is how either side learns at once that the
other one is gone. Liveness is not judged here, and ZMTP's own heartbeats are off: a peer that is alive says so in the
hub's protocol, and one whose connection is only busy with a large packet is seen to be by the kernel's clock.
"""

from swergio_transports.zeromq.client import dial
from swergio_transports.zeromq.listener import listen
from swergio_transports.zeromq.transport import ZeroMQTransport

__all__ = ["ZeroMQTransport", "dial", "listen"]

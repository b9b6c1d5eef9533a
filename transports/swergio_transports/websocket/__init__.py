"""Links over WebSocket: ``ws://host:port`` and ``wss://host:port``.

The connection asks for and requires the subprotocol ``swergio``; a packet is one binary message; nothing is
compressed. The dialling side shows its token as ``Authorization: Bearer``. How a handshake is refused:

| HTTP | meaning | worth another try |
|------|---------|-------------------|
| 400, 405, 426 | this is not a WebSocket client that speaks swergio | no |
| 401 | the token is missing or wrong | no |
| 403 | the browser page's origin is not listed in ``origins`` | no |
| 404 | links are at another path | yes |
| 503 | all connections are taken | yes |

And how a connection ends:

| code | meaning |
|------|---------|
| 1000 | closed by its owner; the reason says why |
| 1002, 1007 | malformed frames |
| 1003 | a text message |
| 1008 | a flood of control frames or fragments |
| 1009 | a packet above the limit |
| 4401 | refused for good: the dialling side does not try again |

Frames are the work of websockets, or of picows where the setting ``websocket`` allows it and it is there; the
handshake is always that of websockets. Both ends may differ.

Liveness is not judged here, and no pings are sent; pings are answered.
"""

from swergio_transports.websocket.client import dial
from swergio_transports.websocket.listener import listen
from swergio_transports.websocket.transport import WebSocketTransport

__all__ = ["WebSocketTransport", "dial", "listen"]

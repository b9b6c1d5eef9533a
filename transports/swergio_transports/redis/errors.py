"""What can become of a command, for the rooms above: the connection was lost, or the server refused it.

No exception of a client library leaves this package's connections; they are translated here.
"""

from __future__ import annotations

import os
import re
import ssl
from dataclasses import dataclass
from typing import Final

from hiredis import ReplyError

NOT_NOW: Final = frozenset(
    {
        "BUSY",  # it runs a script of somebody else that does not end
        "CLUSTERDOWN",
        "LOADING",  # it reads its files, just started
        "MASTERDOWN",
        "READONLY",  # it is a replica now
        "TRYAGAIN",  # the slot is being moved
        "UNBLOCKED",
    }
)
"""Codes of a server that cannot serve now: for the rooms the same as one that is away."""

_INSIDE = re.compile(r"(?:@user_script: ?\d+: -?|script: .*?error: '?)([A-Z]{3,})\b")


class BrokerLost(ConnectionError):
    """
    The connection broke, or the server cannot serve now. The command may have taken effect, or not.
    """


@dataclass(eq=False)
class BrokerRefused(Exception):
    """
    The server answered a command with an error.

    Attributes:
        code: The first word of the answer, such as ``OOM`` or ``NOPERM``; of a script that failed inside, the code
            of the command that failed there.
        text: The rest.
    """

    code: str
    text: str

    def __str__(self) -> str:
        return f"{self.code} {self.text}"


def reason_of(error: Exception) -> str:
    """
    Say why a connection broke, or was not made.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message}); name its authority in tls_ca"
    if isinstance(error, ssl.SSLError):
        wanted = "; show one with tls_cert" if "CERTIFICATE_REQUIRED" in (error.reason or "") else ""
        return f"TLS failed ({error.reason or error}){wanted}"
    number = error.errno if isinstance(error, OSError) else None
    return os.strerror(number) if number else str(error) or type(error).__name__


def translated(error: ReplyError) -> BrokerLost | BrokerRefused:
    """
    Return the server's error as one of ours.
    """
    code, _, text = str(error).partition(" ")
    if code == "ERR" and (inside := _INSIDE.search(text)):  # servers before 7.0 wrap what failed in a script
        code = inside[1]
    return BrokerLost(f"{code} {text}") if code in NOT_NOW else BrokerRefused(code, text)

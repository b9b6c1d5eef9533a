"""What a component counts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Stats:
    """
    What a component has counted since it began.

    Attributes:
        sent, received: Messages.
        sent_bytes, received_bytes: What they took, as batches of which several may share what they have in common;
            counted when a batch is closed, and when it comes.
        handled, failed: Messages that handlers were given, and those among them whose handler raised.
        unhandled: Messages of joined rooms that no handler or iterator was there for.
        lost: Messages that a reliable membership should have had and that are gone.
        dropped: Messages that a lossy membership skipped.
        duplicates: Messages that came twice and were dropped.
        resent: Messages that were sent again after a reconnect.
        reconnects: How often a broken connection came back.
        late_replies: Replies that no request was waiting for.
        undeliverable: Direct messages whose receiver was not there.
        unmatched_feedback, stale_feedback: Feedback on unknown, closed or expired passes, and on old weights.
        expired_passes: Messages that were sent on and given up, because feedback on them did not come.
    """

    sent: int = 0
    received: int = 0
    sent_bytes: int = 0
    received_bytes: int = 0
    handled: int = 0
    failed: int = 0
    unhandled: int = 0
    lost: int = 0
    dropped: int = 0
    duplicates: int = 0
    resent: int = 0
    reconnects: int = 0
    late_replies: int = 0
    undeliverable: int = 0
    unmatched_feedback: int = 0
    stale_feedback: int = 0
    expired_passes: int = 0

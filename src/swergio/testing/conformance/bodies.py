"""Bodies: what travels, what arrives, and what is refused at the sender."""

from __future__ import annotations

import math
from typing import Any

import pytest

from swergio.errors import MessageTooLarge, UnsupportedBody
from swergio.messages import Phase
from swergio.testing.conformance.foundation import Foundation, Make
from swergio.testing.faces import PlainFace
from swergio.testing.waiting import Inbox

MIB = 1024 * 1024

VALUES: dict[str, Any] = {
    "nothing": None,
    "truth": [True, False],
    "integers": [0, -1, 2**63, -(2**63), 2**64 - 1],
    "floats": [0.1, -0.0, 1e308, 5e-324, math.inf, -math.inf],
    "text": ["", "Größe", "価格", "\0\n", "😀"],
    "bytes": [b"", bytes(range(256))],
    "nested": {"a": [{"b": [[], {}]}, None], "": {"": 0}},
    "long": ["x" * 70_000, b"y" * 70_000],
}

DTYPES = (
    "bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64",
    "complex64", "complex128", "datetime64[s]", "timedelta64[ms]", "S5", "U5",
)  # fmt: skip


class Bodies(Foundation):
    """
    DESIGN section 3, point 8.
    """

    @pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
    def test_a_value_arrives_as_it_was_sent(self, make: Make, room: str, value: Any) -> None:
        assert echoed(make, room, value) == value

    def test_not_a_number_arrives_as_it_is(self, make: Make, room: str) -> None:
        assert math.isnan(echoed(make, room, math.nan))

    def test_arrays_of_every_kind_arrive_as_they_were_sent(self, make: Make, room: str) -> None:
        numpy = pytest.importorskip("numpy")
        sent = {name: numpy.arange(6).astype(name).reshape(2, 3) for name in DTYPES}
        sent |= {
            "none": numpy.empty((0, 4)),
            "one": numpy.array(7.5),
            "slice": numpy.arange(40).reshape(5, 8)[::2, 1::3],
        }
        came = echoed(make, room, sent)
        for name, array in sent.items():
            assert came[name].dtype == array.dtype, name
            assert came[name].shape == array.shape, name
            assert came[name].tobytes() == array.tobytes(), name

    def test_an_array_that_came_is_read_only(self, make: Make, room: str) -> None:
        numpy, inbox = pytest.importorskip("numpy"), Inbox()
        member, sender = make("member"), make("sender").start()
        member.on(room)(inbox.take_data)
        member.start()
        sender.send(room, {"deep": [numpy.ones(1000)]})
        (body,) = inbox.wait(1)
        with pytest.raises(ValueError, match="read-only"):
            body["deep"][0][0] = 2

    def test_what_arrives_is_the_value_at_the_moment_of_sending(self, make: Make, room: str) -> None:
        numpy, inbox = pytest.importorskip("numpy"), Inbox()
        member, sender = make("member"), make("sender").start()
        member.on(room)(lambda message: inbox.put((float(message.data[1].min()), float(message.data[1].max()))))
        member.start()
        array = numpy.zeros(50_000)
        for number in range(20):
            array[:] = number
            sender.send(room, [number, array])
            array[:] = -1
            let_it_catch_up(sender, inbox, number + 1)
        inbox.expect([(float(number), float(number)) for number in range(20)])

    def test_arrays_of_several_mebibytes_arrive_whole_and_in_order(self, make: Make, room: str) -> None:
        numpy, inbox = pytest.importorskip("numpy"), Inbox()
        member, sender = make("member"), make("sender").start()
        member.on(room)(lambda message: inbox.put((len(message.data), int(message.data[0]), int(message.data[-1]))))
        member.start()
        sizes = [3 * MIB, 1, MIB, 0x10001, 5 * MIB]
        for number, size in enumerate(sizes):
            sender.send(room, numpy.full(size, number, "uint8"))
            let_it_catch_up(sender, inbox, number + 1)
        inbox.expect([(size, number, number) for number, size in enumerate(sizes)])

    def test_what_is_said_beside_a_body_arrives_too(self, make: Make, room: str) -> None:
        seen, member, sender = Inbox(), make("member"), make("sender").start()
        member.on(room)(
            lambda message: seen.put((message.type, message.phase, dict(message.meta), message.sender, message.attempt))
        )
        member.start()
        sender.send(room, 1, type="my type", phase=Phase.VALIDATE, meta={"step": 7, "tags": ["a"]})
        seen.expect([("my type", Phase.VALIDATE, {"step": 7, "tags": ["a"]}, sender.instance, 0)])

    def test_a_value_that_cannot_travel_is_named_by_its_path(self, make: Make, room: str) -> None:
        sender = make("sender").start()
        with pytest.raises(UnsupportedBody, match=r"data\['batch'\]\[3\]: .*set"):
            sender.send(room, {"batch": [0, 1, 2, {3}]})

    def test_the_sender_of_an_oversized_message_is_told_the_sizes(self, make: Make, room: str) -> None:
        sender = make("sender", max_message="1 KiB").start()
        with pytest.raises(MessageTooLarge, match=r"1,\d\d\d bytes and the limit is 1,024: raise 'max_message'"):
            sender.send(room, "x" * 1024)
        sender.send(room, "x" * 512)
        sender.flush(20)


def let_it_catch_up(sender: PlainFace, inbox: Inbox, count: int) -> None:
    """
    Wait for what was sent where a busy member cannot hold its senders back: it may miss what comes meanwhile.
    """
    if not sender.guarantees.back_pressure:
        inbox.wait(count)


def echoed(make: Make, room: str, value: Any) -> Any:
    """
    Return what a body is after its way to another component and back.
    """
    other, asker = make("other"), make("asker").start()
    other.on(room)(lambda message: message.data)
    other.start()
    return asker.request(room, value, timeout=20)

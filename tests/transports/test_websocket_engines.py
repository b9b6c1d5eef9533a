"""
Which library makes WebSocket frames, and what is special about picows.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Sequence

import pytest

from swergio.errors import ConfigurationError
from swergio.hub.link import Buffer, LinkOptions
from swergio_transports.websocket import dial, listen, picows_framing, picows_parser, picows_trial
from swergio_transports.websocket.engines import _picows, choose
from swergio_transports.websocket.link import WebSocketLink
from tests.transports.conftest import Run
from tests.transports.recorder import Echo, Owners, Recorder, link_of

LOOPBACK = "ws://127.0.0.1:0"
FAST = LinkOptions(websocket="picows")
BASE = LinkOptions(websocket="websockets")


@pytest.fixture
def unknown() -> Iterator[None]:
    """
    Have nobody know yet whether picows can be used.
    """
    _picows.cache_clear()
    yield
    _picows.cache_clear()


@pytest.mark.parametrize("options", [(FAST, BASE), (BASE, FAST)], ids=["picows dials", "picows listens"])
def test_both_libraries_understand_each_other(run: Run, options: tuple[LinkOptions, LinkOptions]) -> None:
    async def scenario() -> None:
        owners = Owners(Echo)
        listener = await listen(LOOPBACK, owners, options[1])
        here = Recorder()
        link = await dial(listener.url, here, options[0])
        sizes = (0, 1, 125, 126, 65_535, 65_536, 3_000_000)
        for size in sizes:
            link.send((b"x" * size, b"end"))
        assert await here.until_packets(len(sizes)) == [b"x" * size + b"end" for size in sizes]
        link.close("enough")
        assert await here.until_lost() == "closed here: enough"
        assert await owners.all[0].until_lost() == "closed by the peer: 1000 (OK) enough"
        await listener.close()

    run(scenario())


@pytest.mark.parametrize("dialling", [True, False])
def test_memory_for_large_packets_is_given_back(run: Run, dialling: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picows_framing, "PATIENCE", 0.0)

    async def scenario() -> None:
        owners = Owners()
        listener = await listen(LOOPBACK, owners, FAST)
        here = Recorder()
        here.link = await dial(listener.url, here, FAST)
        ends = [here, await owners.number(0)]
        sender, receiver = ends if dialling else ends[::-1]
        link_of(sender).send((bytes(8 * 2**20),))
        await receiver.until_packets(1)
        assert memory(receiver) > 8 * 2**20
        for number in range(3):  # the first one may have come in the same breath as the large one
            link_of(sender).send((b"small",))
            await receiver.until_packets(number + 2)
        await receiver.until("less memory", lambda: memory(receiver) < 2**18)
        link_of(receiver).send((b"still there",))
        assert await sender.until_packets(1) == [b"still there"]
        link_of(here).close()
        await here.until_lost()
        await ends[1].until_lost()
        await listener.close()

    run(scenario())


def memory(owner: Recorder) -> int:
    """
    Return what the parser of a link holds, as long as there is nothing in it.
    """
    link = link_of(owner)
    assert isinstance(link, WebSocketLink)
    assert isinstance(link._framing, picows_framing.PicowsFraming)
    return len(link._framing._parser.get_buffer(-1))


def test_nothing_gets_between_the_fragments_of_a_packet(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    class Eager(Recorder):
        def writable_again(self) -> None:
            super().writable_again()
            link_of(self).send((b"eager",))

    def write_and_resume(self: picows_parser.Underneath, parts: Sequence[Buffer]) -> None:
        writelines(self, parts)
        framing = link_of(owners.all[0])._framing  # type: ignore[attr-defined]
        framing.resume_writing()

    owners = Owners(Eager)
    writelines = picows_parser.Underneath.writelines
    monkeypatch.setattr(picows_parser.Underneath, "writelines", write_and_resume)

    async def scenario() -> None:
        listener = await listen(LOOPBACK, owners, FAST)
        here = Recorder()
        link = await dial(listener.url, here, FAST)
        packet = (b"x" * 10_000, b"y" * 100_000)
        link_of(await owners.number(0)).send(packet)
        assert await here.until_packets(2) == [b"".join(packet), b"eager"]
        link.close()
        await here.until_lost()
        await owners.all[0].until_lost()
        await listener.close()

    run(scenario())


def test_a_listener_says_what_does_the_work(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "swergio.websocket")

    async def scenario() -> None:
        for options in (FAST, BASE):
            await (await listen(LOOPBACK, Owners(), options)).close()

    run(scenario())
    fast, base = caplog.messages
    assert "picows, on " in fast
    assert "websockets, on " in base


@pytest.mark.usefixtures("unknown")
def test_the_base_library_does_where_picows_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("picows_framing", "picows_trial"):
        monkeypatch.setitem(sys.modules, f"swergio_transports.websocket.{module}", None)
    assert choose("auto").name == choose("websockets").name == "websockets"
    with pytest.raises(ConfigurationError, match=r"it is not installed.*swergio\[speed\]"):
        choose("picows")


@pytest.mark.usefixtures("unknown")
def test_a_picows_of_another_kind_is_noticed_before_it_is_used(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(picows_trial, "PicowsFraming", object)

    async def scenario() -> None:
        assert choose("auto").name == "websockets"
        with pytest.raises(ConfigurationError, match=r"cannot be used .*takes no arguments"):
            choose("picows")

    asyncio.run(scenario())
    assert "using websockets" in caplog.text

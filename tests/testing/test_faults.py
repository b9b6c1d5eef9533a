"""Each fault of the proxy over real sockets: that it acts, and that it heals."""

from __future__ import annotations

import pytest

from swergio.testing import Faults
from swergio.testing.lines import Toward
from tests.testing.rig import Peer, advance, rig, run, turns, until

DIRECTIONS: list[Toward] = ["target", "client"]
HOUR = 3600.0


@pytest.mark.parametrize("toward", DIRECTIONS)
def test_delay_holds_bytes_until_they_are_due(toward: Toward) -> None:
    async def scenario() -> None:
        async with rig() as it:
            client = await it.connect()
            setattr(it.proxy, f"to_{toward}", Faults(delay=HOUR))
            client.send(b"slow")
            await turns()
            assert it.served[0].got == (b"" if toward == "target" else b"slow")
            await advance(HOUR - 60)
            assert client.got == b""
            await advance(61)
            await client.gets(b"slow")

            client.send(b" fast")
            await turns()
            it.proxy.heal()
            await client.gets(b"slow fast")

    run(scenario())


def arrivals_under_jitter(seed: int) -> list[bytes]:
    seen: list[bytes] = []

    async def scenario() -> None:
        async with rig(seed=seed) as it:
            client = await it.connect()
            it.proxy.to_target = Faults(jitter=HOUR)
            for number in range(8):
                client.send(b"%d" % number)
                await turns()
            for _ in range(13):
                await advance(HOUR / 12)
                seen.append(it.served[0].got)

    run(scenario())
    return seen


def test_jitter_is_random_by_the_seed_and_keeps_the_order() -> None:
    seen = arrivals_under_jitter(3)

    assert seen[-1] == b"01234567"
    assert all(b"01234567".startswith(got) for got in seen)
    assert len(set(seen)) > 2
    assert seen == arrivals_under_jitter(3)
    assert seen != arrivals_under_jitter(4)


def test_bandwidth_lets_so_many_bytes_through() -> None:
    async def scenario() -> None:
        async with rig() as it:
            client = await it.connect()
            it.proxy.to_target = Faults(bandwidth=10 / HOUR)
            client.send(b"x" * 5000)
            for tenth in range(1, 12):
                await turns()
                assert len(it.served[0].got) == tenth
                await advance(HOUR / 10)
            it.proxy.heal()
            await client.gets(b"x" * 5000)

    run(scenario())


def reads_of_slices(seed: int) -> list[int]:
    sizes: list[int] = []

    async def scenario() -> None:
        async with rig(seed=seed) as it:
            client = await it.connect()
            it.proxy.to_target = Faults(slices=20)
            client.send(bytes(1000))
            await client.gets(bytes(1000))
            sizes.extend(map(len, it.served[0].reads))
            it.proxy.heal()
            client.send(bytes(1000))
            await client.gets(bytes(2000))
            assert len(it.served[0].reads) == len(sizes) + 1

    run(scenario())
    return sizes


def test_slices_are_small_and_random_by_the_seed() -> None:
    sizes = reads_of_slices(3)

    assert max(sizes) <= 20
    assert len(set(sizes)) > 5
    assert sizes == reads_of_slices(3)
    assert sizes != reads_of_slices(4)


@pytest.mark.parametrize("toward", DIRECTIONS)
@pytest.mark.parametrize("slices", [None, 3])
def test_a_cut_is_made_at_every_byte_exactly(toward: Toward, slices: int | None) -> None:
    async def scenario(*, before: int | None = None, after: int | None = None) -> None:
        async with rig() as it:
            it.proxy.to_target = it.proxy.to_client = Faults(slices=slices)
            it.proxy.cut(toward, before=before, after=after)
            client = await it.connect()
            client.send(b"0123456789")
            await until(lambda: client.ended, "the end of the client's side")
            await it.proxy.until(lambda counters: counters.cuts == 1)
            await until(lambda: it.served[0].ended, "the end of the server's side")
            assert (it.served[0] if toward == "target" else client).got == b"0123456789"[:passes]

    for passes in range(10):
        run(scenario(after=passes))
        run(scenario(before=passes + 1))


def test_a_cut_after_a_byte_comes_at_once_and_one_before_waits_for_it() -> None:
    async def scenario() -> None:
        async with rig() as it:
            it.proxy.cut("target", after=3)
            client = await it.connect()
            client.send(b"abc")
            await until(lambda: client.ended, "the cut")

            it.proxy.cut("target", before=4)
            client = await it.connect()
            client.send(b"abc")
            await client.gets(b"abc")
            await turns()
            assert client.ended is None
            client.send(b"d")
            await until(lambda: client.ended, "the cut")
            assert it.served[1].got == b"abc"

    run(scenario())


def test_cuts_are_for_the_next_connection_every_one_or_those_that_live() -> None:
    async def scenario() -> None:
        async with rig() as it:

            async def survives(client: Peer) -> bool:
                before = client.got
                client.send(b"abcdef")
                await until(lambda: client.ended or len(client.got) == len(before) + 6, "an echo or the end")
                return client.ended is None

            old = await it.connect()
            it.proxy.cut("client", before=3)
            assert not await survives(await it.connect())
            assert await survives(await it.connect())
            assert await survives(old)

            it.proxy.cut("client", after=1, of="every")
            assert not await survives(await it.connect())
            assert not await survives(await it.connect())
            assert await survives(old)

            it.proxy.heal()
            assert await survives(await it.connect())
            it.proxy.cut("client", after=8, of="live")
            assert await survives(old)
            assert await survives(await it.connect())
            assert not await survives(old)
            assert len(old.got) == 12 + 8

            late = await it.connect()
            it.proxy.cut("target", before=1, of="live")
            it.proxy.heal()
            assert await survives(late)
            it.proxy.cut("target", after=0, of="live")
            await it.proxy.until(lambda counters: counters.open == 0)

    run(scenario())


def test_a_cut_can_be_a_reset() -> None:
    async def scenario() -> None:
        async with rig() as it:
            it.proxy.cut("target", after=2, reset=True)
            client = await it.connect()
            client.send(b"abc")
            await client.ends("reset")
            await it.served[0].ends("reset")

    run(scenario())


def test_half_open_swallows_silently_and_a_healed_hole_is_a_reset() -> None:
    async def scenario() -> None:
        async with rig() as it:
            talker, silent = await it.connect(), await it.connect()
            it.proxy.half_open()
            talker.send(b"hello")
            it.served[0].send(b"anyone?")
            await it.proxy.until(lambda counters: counters.swallowed == 12)
            await turns()
            assert talker.ended is None
            assert it.served[0].ended is None
            assert talker.got == it.served[0].got == b""

            it.proxy.heal()
            await talker.ends("reset")
            await it.served[0].ends("reset")
            silent.send(b"still here")
            await silent.gets(b"still here")

    run(scenario())


def test_half_open_hides_the_end_of_a_peer() -> None:
    async def scenario() -> None:
        async with rig() as it:
            client = await it.connect()
            it.proxy.half_open("target")
            client.transport.close()
            await client.ends("closed")
            await turns()
            assert it.served[0].ended is None
            assert it.proxy.counters.open == 1
            it.proxy.to_target = Faults()
            await it.served[0].ends("reset")

    run(scenario())


@pytest.mark.parametrize("toward", DIRECTIONS)
def test_a_one_way_black_hole_holds_one_way_and_loses_nothing(toward: Toward) -> None:
    async def scenario() -> None:
        async with rig() as it:
            client = await it.connect()
            it.served[0].echo = False
            it.proxy.black_hole(toward)
            client.send(b"there")
            it.served[0].send(b"back")
            await turns()
            assert it.served[0].got == (b"" if toward == "target" else b"there")
            assert client.got == (b"" if toward == "client" else b"back")
            it.proxy.heal()
            await it.served[0].gets(b"there")
            await client.gets(b"back")

    run(scenario())


def test_a_black_hole_keeps_new_connections_waiting() -> None:
    async def scenario() -> None:
        async with rig() as it:
            it.proxy.black_hole()
            client = await it.connect(reaches=False)
            client.send(b"hello?")
            await it.proxy.until(lambda counters: counters.connections == 1)
            await turns()
            assert it.served == []
            assert client.ended is None
            it.proxy.heal()
            await client.gets(b"hello?")

    run(scenario())


def test_refused_connections_are_refused_and_open_ones_stay() -> None:
    async def scenario() -> None:
        async with rig() as it:
            client = await it.connect()
            port = it.proxy.port
            for _ in range(2):
                it.proxy.refuse()
                with pytest.raises(ConnectionRefusedError):
                    await it.connect()
            client.send(b"still here")
            await client.gets(b"still here")
            it.proxy.heal()
            assert it.proxy.port == port
            late = await it.connect()
            late.send(b"back")
            await late.gets(b"back")

    run(scenario())


def test_abort_resets_every_connection() -> None:
    async def scenario() -> None:
        async with rig() as it:
            for _ in range(3):
                await it.connect()
            assert it.proxy.abort() == 3
            for peer in it.clients + it.served:
                await peer.ends("reset")
            assert it.proxy.abort() == it.proxy.abort_one() == 0
            assert it.proxy.counters.resets == 3
            client = await it.connect()
            client.send(b"new")
            await client.gets(b"new")

    run(scenario())


def victims(seed: int) -> list[int]:
    chosen: list[int] = []

    async def scenario() -> None:
        async with rig(seed=seed) as it:
            for _ in range(10):
                await it.connect()
            for resets in range(1, 7):
                assert it.proxy.abort_one() == 1
                await it.proxy.until(lambda counters, resets=resets: counters.resets == resets)  # type: ignore[misc]
                await until(lambda: sum(bool(client.ended) for client in it.clients) == len(chosen) + 1, "a reset")
                chosen.extend(i for i, client in enumerate(it.clients) if client.ended and i not in chosen)

    run(scenario())
    return chosen


def test_abort_one_chooses_by_the_seed() -> None:
    assert len(set(victims(5))) == 6
    assert victims(5) == victims(5)
    assert victims(5) != victims(6)


def test_nothing_passes_after_abort_has_returned() -> None:
    async def scenario() -> None:
        async with rig() as it:
            client = await it.connect()
            it.proxy.black_hole()
            client.send(b"x")
            await turns()
            it.proxy.heal()  # wakes what holds the byte back
            it.proxy.abort()
            await it.served[0].ends("reset")
            assert it.served[0].got == b""

    run(scenario())

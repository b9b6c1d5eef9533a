"""The hot paths, each to be run again and again by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from benchmarks.costs.still import SOON, Deployment, handle

BODY = bytes(128)
ROOM = "room"
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Path:
    """
    A hot path in a deployment of its own.

    Attributes:
        unit: What the figures are for each of, such as "message".
        units: How many of them one repetition has.
        before: Not counted: brings about what ``step`` needs.
        step: What is counted.
        after: Not counted: brings everything to rest again.
    """

    deployment: Deployment
    unit: str
    units: int
    before: Callable[[], Any]
    step: Callable[[], Any]
    after: Callable[[], Any]


def read(message: Any) -> None:
    """
    Handle a message as most handlers do: read its body.
    """
    message.data  # noqa: B018  reading it decodes it


def nothing() -> None:
    """
    Do nothing.
    """


def pair(members: int = 1, **manner: Any) -> tuple[Deployment, Any]:
    """
    Return a deployment with a plain sender and so many plain members of the room, and the sender.
    """
    deployment = Deployment()
    sender = deployment.plain("sender")
    receivers = [deployment.plain(f"receiver-{number}") for number in range(members)]
    for receiver in receivers:
        receiver.on(ROOM, **manner)(read)
    deployment.open(sender, *receivers)
    return deployment, sender


def send_many(sender: Any, body: Any, count: int) -> None:
    """
    Send messages one after another.
    """
    send = sender.send
    for _ in range(count):
        send(ROOM, body)


# -- on the way out -----------------------------------------------------------------------------------------------


def sending(count: int, body: Any = BODY) -> Path:
    """
    ``send``, up to the open batch and waking the loop.
    """
    deployment, sender = pair()
    return Path(
        deployment, "message", count, nothing, partial(send_many, sender, body, count), deployment.pass_time
    )  # fmt: skip


def collecting(count: int) -> Path:
    """
    From the open batch to the buffers of a packet: ``Outbox.take`` and ``HubClient.collect``.
    """
    deployment, sender = pair()
    client = sender._core.transport._client
    link = deployment.links["sender"]
    packets: list[Any] = []

    def step() -> None:
        packets.append(client.collect())

    def after() -> None:
        link.send(packets.pop())
        deployment.pass_time()

    return Path(deployment, "batch", 1, partial(send_many, sender, BODY, count), step, after)


# -- in the hub ---------------------------------------------------------------------------------------------------


def routing(count: int, members: int, **manner: Any) -> Path:
    """
    A batch through the hub: PUBLISH in, DELIVER out to each member.
    """
    deployment, sender = pair(members, **manner)
    there = deployment.links["sender"].other
    packets: list[bytes] = []

    def before() -> None:
        send_many(sender, BODY, count)
        deployment.loop.turn()
        packets.append(there.take())

    def step() -> None:
        there.owner.packet_received(packets.pop())

    return Path(deployment, "delivery", members, before, step, deployment.pass_time)


def sharing() -> Path:
    """
    A batch of 64 messages through the hub, split among the eight members of a group.
    """
    path = routing(64, 8, group="workers")

    def after() -> None:
        for _ in range(4):  # until nobody has anything left to do
            path.deployment.pass_time()

    return replace(path, unit="message", units=64, after=after)


# -- on the way in ------------------------------------------------------------------------------------------------


def receiving(count: int, body: Any = BODY) -> Path:
    """
    From a packet to the end of the plain handler that reads each body.
    """
    deployment, sender = pair()
    core = deployment.cores[1]
    link = deployment.links["receiver-0"]
    packets: list[bytes] = []

    def before() -> None:
        send_many(sender, body, count)
        deployment.loop.turn()
        deployment.links["sender"].other.deliver()
        packets.append(link.take())

    def step() -> None:
        link.owner.packet_received(packets.pop())
        handle(core)

    return Path(deployment, "message", count, before, step, deployment.pass_time)


def awaiting(count: int) -> Path:
    """
    As `receiving`, with an ``async def`` handler.
    """
    deployment = Deployment()
    sender, receiver = deployment.plain("sender"), deployment.awaited("receiver-0")

    @receiver.on(ROOM)
    async def read_on_loop(message: Any) -> None:
        message.data  # noqa: B018

    deployment.open(sender, receiver)
    link = deployment.links["receiver-0"]
    packets: list[bytes] = []

    def before() -> None:
        send_many(sender, BODY, count)
        deployment.loop.turn()
        deployment.links["sender"].other.deliver()
        packets.append(link.take())

    def step() -> None:
        link.owner.packet_received(packets.pop())
        deployment.loop.turn()

    return Path(deployment, "message", count, before, step, deployment.pass_time)


def acknowledging() -> Path:
    """
    The sender takes the acknowledgement of a batch.
    """
    deployment, sender = pair()
    link = deployment.links["sender"]
    packets: list[bytes] = []

    def before() -> None:
        send_many(sender, BODY, 64)
        deployment.settle()
        deployment.loop.now += SOON
        deployment.loop.turn()
        packets.append(link.take())

    def step() -> None:
        link.owner.packet_received(packets.pop())

    return Path(deployment, "batch", 1, before, step, deployment.pass_time)


def reporting() -> Path:
    """
    A member says that it has handled a batch, and the hub takes it out of the log.
    """
    deployment, sender = pair()
    core = deployment.cores[1]
    link = deployment.links["receiver-0"]

    def before() -> None:
        send_many(sender, BODY, 64)
        deployment.settle()

    def step() -> None:
        core.dispatcher._collect()
        core.transport._report()  # type: ignore[attr-defined]
        link.other.deliver()

    return Path(deployment, "batch", 1, before, step, deployment.pass_time)


# -- there and back -----------------------------------------------------------------------------------------------


def asking() -> Path:
    """
    A request and its reply, through both components and the hub, with what is acknowledged and reported afterwards.
    """
    deployment = Deployment()
    asker, oracle = deployment.awaited("asker"), deployment.plain("oracle")
    oracle.on(ROOM)(lambda message: message.data)
    deployment.open(asker, oracle)

    def step() -> None:
        deployment.run(asker.request(ROOM, BODY))
        deployment.pass_time()

    return Path(deployment, "round", 1, nothing, step, nothing)


def joining() -> Path:
    """
    Joining a room and leaving it again.
    """
    deployment = Deployment()
    member = deployment.awaited("member")
    deployment.open(member)

    def step() -> None:
        deployment.run(member.join(ROOM))
        deployment.run(member.leave(ROOM))

    return Path(deployment, "round", 1, nothing, step, deployment.pass_time)


def passing() -> Path:
    """
    A feedback pass: forward from a trainer through two nodes, and the gradient back.
    """
    import numpy as np

    x = np.ones(16)
    deployment = Deployment()
    trainer = deployment.awaited("trainer")
    components = [deployment.plain(name) for name in ("first", "second")]
    for component, rooms in zip(components, (("a", "b"), ("b", "c")), strict=True):
        node = component.forward(*rooms)(lambda ctx, data: data)
        node.backward(lambda ctx, gradient: gradient)
    process = trainer.process("a", "c")
    deployment.open(*components, trainer)

    async def through() -> None:
        _, pullback = await process.vjp(x)
        await pullback(x)

    def step() -> None:
        deployment.run(through())
        deployment.pass_time()

    return Path(deployment, "pass", 1, nothing, step, nothing)


def array() -> Any:
    """
    Return an array of 1 MiB.
    """
    import numpy as np

    return np.zeros(MIB, np.uint8)


def array_sending() -> Path:
    """
    An array of 1 MiB: packed and queued.
    """
    return sending(1, array())


def array_receiving() -> Path:
    """
    An array of 1 MiB, from a packet to the handler.
    """
    return receiving(1, array())


PATHS: dict[str, Callable[[], Path]] = {
    "send": partial(sending, 512),
    "send alone": partial(sending, 1),
    "send array": array_sending,
    "collect 1": partial(collecting, 1),
    "collect 64": partial(collecting, 64),
    "collect 512": partial(collecting, 512),
    "hub alone": partial(routing, 1, 1),
    # Batches of 8: the hub does not look into them, and members take long to handle larger ones.
    "hub to 1": partial(routing, 8, 1),
    "hub to 8": partial(routing, 8, 8),
    "hub to 64": partial(routing, 8, 64),
    "hub to group": sharing,
    "receive": partial(receiving, 512),
    "receive alone": partial(receiving, 1),
    "receive async": partial(awaiting, 512),
    "receive array": array_receiving,
    "acknowledge": acknowledging,
    "report": reporting,
    "request": asking,
    "join and leave": joining,
    "pass": passing,
}

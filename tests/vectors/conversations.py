"""
Whole conversations between components and a hub, as the code of both ends holds them; no sockets, no clock, no chance.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from typing import Any

from swergio.codec.frames import Op, encode, join
from swergio.hub.client import HubClient
from swergio.hub.router import Refused
from swergio.messages import Instance, Kind
from tests.hub.simulation import Component, World
from tests.hub.wire import Wire
from tests.vectors import described

EPOCH = "00112233445566ff"


class Noted(deque[bytes]):
    """
    One direction of a wire, whose packets are noted.
    """

    def __init__(self, steps: list[dict[str, Any]], sender: str, receiver: str) -> None:
        super().__init__()
        self._steps = steps
        self._who = {"from": sender, "to": receiver}

    def append(self, packet: bytes) -> None:
        self._steps.append(self._who | {"packet": packet.hex(), "frames": described(packet)})
        super().append(packet)


class Speaker(Component):
    """
    A component whose id, secret and words are the same each time.
    """

    def __init__(self, stage: Stage, name: str, *, number: int = 1, secret: bytes = b"", unique: bool = False) -> None:
        super().__init__(stage.world, name)
        self.stage = stage
        self.instance = Instance(f"{name}#{number}")
        self.client = HubClient(self.instance, unique, self.outbox, self)
        self.client._secret = secret or name.encode()

    def connect(self) -> Component:
        self.wire.cut()
        self.wire = Wire()
        self.wire.up = Noted(self.stage.steps, self.instance, "hub")
        self.wire.down = Noted(self.stage.steps, "hub", self.instance)
        self.client.begin()
        return self.write()


class Stage:
    """
    A hub, who speaks with it, and what was said.
    """

    def __init__(self) -> None:
        self.steps: list[dict[str, Any]] = []
        self.world = World(window=4 * 2**20, max_packet=68 * 2**20)
        self.new_hub(EPOCH)

    def new_hub(self, epoch: str) -> None:
        """
        Give the hub its epoch.
        """
        self.world.router.epoch = self.world.router.placing._epoch = epoch

    def add(self, name: str, **how: Any) -> Speaker:
        """
        Add a component, which says HELLO.
        """
        speaker = Speaker(self, name, **how)
        self.world.components.append(speaker)
        speaker.connect()
        self.world.run()
        return speaker

    def refuse(self, name: str, **how: Any) -> None:
        """
        Add a component that the hub refuses, as its server does.
        """
        speaker = Speaker(self, name, **how)
        speaker.connect()
        try:
            self.world.read(speaker)
        except Refused as refusal:
            speaker.wire.down.append(join(encode(Op.REFUSE, refusal.code, str(refusal))))
            return
        raise AssertionError(f"{name} was not refused")


def join_and_send(stage: Stage) -> None:
    bob = stage.add("bob")
    bob.join("room")
    stage.world.run()
    ann = stage.add("ann")
    ann.send("room", "hello")
    ann.send("room", "world")
    stage.world.run()
    ann.client.bye()
    ann.write()


def ask_and_answer(stage: Stage) -> None:
    bob, ann = stage.add("bob"), stage.add("ann")
    bob.join("oracle")
    stage.world.run()
    stage.steps.clear()
    number = ann.send("oracle", "6 * 7", type="DATA/TEXT", kind=Kind.REQUEST)
    stage.world.run(consume=False)
    asked = f"{ann.instance}/{ann.channel('oracle').number}/{number}"
    bob.send("oracle", 42, to=ann.instance, type="DATA/CUSTOM", kind=Kind.REPLY, root=asked, parent=asked)
    stage.world.run()


def ask_nobody(stage: Stage) -> None:
    ann = stage.add("ann")
    stage.steps.clear()
    ann.send("nowhere", "anybody?", kind=Kind.REQUEST, now=True)
    stage.world.run()


def heard(stage: Stage) -> tuple[Speaker, Speaker]:
    # bob is in "room", and has had a message of ann's there.
    bob, ann = stage.add("bob"), stage.add("ann")
    bob.join("room")
    stage.world.run()
    ann.send("room", 1)
    stage.world.run()
    stage.steps.clear()
    return bob, ann


def broken_link(stage: Stage) -> None:
    bob, ann = heard(stage)
    ann.send("room", 2)
    stage.world.read(ann)  # it arrives, and its acknowledgement is lost
    ann.cut()
    ann.send("room", 3)
    bob.cut()
    bob.connect()
    ann.connect()
    stage.world.run()


def dead_hub(stage: Stage) -> None:
    _, ann = heard(stage)
    stage.world.die()
    stage.new_hub("ffeeddccbbaa9988")
    ann.send("room", 2)
    stage.world.run()


def refusals(stage: Stage) -> None:
    stage.add("ann", unique=True)
    stage.steps.clear()
    stage.refuse("ann", secret=b"another")
    stage.refuse("ann", number=2)


SCENES: dict[str, Callable[[Stage], None]] = {
    "joining, sending, delivering, acknowledging, and a goodbye": join_and_send,
    "a request and its reply": ask_and_answer,
    "a request that finds nobody": ask_nobody,
    "broken links: both sides say where they are, and go on there": broken_link,
    "another hub, which knows nothing": dead_hub,
    "another's instance, and a name that is to be unique": refusals,
}


def played() -> list[dict[str, Any]]:
    """
    Return all conversations.
    """
    conversations = []
    for name, scene in SCENES.items():
        stage = Stage()
        scene(stage)
        conversations.append({"name": name, "steps": stage.steps})
    return conversations


def transcript(conversation: dict[str, Any]) -> str:
    """
    Return a conversation as the documentation shows it: a line for each frame.
    """
    lines = []
    for step in conversation["steps"]:
        for frame in step["frames"]:
            content = frame.get("payload", {})
            said = content.get("msgpack", content.get("batch", {}).get("bodies"))
            words = [f"{step['from']:>5} > {step['to']:<5}  {frame['op']:<11}", *map(_said, frame["header"])]
            lines.append(" ".join(words) + ("" if said is None else f" | {_said(said)}"))
    return "\n".join(lines)


def _said(value: Any) -> str:
    match value:
        case list():
            return "[" + ", ".join(map(_said, value)) + "]"
        case {"bin": text}:
            return f"b'{bytes.fromhex(text).decode()}'"
        case {"float": number}:
            return str(number)
        case {"map": pairs}:
            return "{" + ", ".join(f"{_said(key)}: {_said(item)}" for key, item in pairs) + "}"
        case None:
            return "nil"
    return json.dumps(value)

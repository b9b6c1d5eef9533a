"""The desk in the terminal, run as a program, with a pipe or a terminal before it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest

import swergio
from swergio.cli.desk import drawing
from swergio.hub import HubThread
from swergio.people import Choice, Item, Media, Number, Rating, Text
from swergio.settings import load
from swergio.testing import eventually

DEADLINE = 60.0
COMMAND = [sys.executable, "-c", "from swergio.cli import main; main()", "desk", "lab"]


Desk: TypeAlias = "subprocess.Popen[str]"
Seat: TypeAlias = "Callable[..., Desk]"


@pytest.fixture
def url() -> Iterator[str]:
    with HubThread(["ws://127.0.0.1:0"], load("memory://", hub={"session_grace": 0.5})) as hub:
        yield hub.urls[0]


@pytest.fixture
def asker(url: str) -> Iterator[swergio.Component]:
    with swergio.Component("asker", url) as asker:
        yield asker


@pytest.fixture
def seat(url: str, asker: swergio.Component) -> Iterator[Seat]:
    """
    A function that starts a desk at which somebody types something, and then nothing; it is there when that returns.
    """
    desks: list[Desk] = []

    def start(typed: str, *more: str) -> Desk:
        pipe = subprocess.PIPE
        desk = subprocess.Popen([*COMMAND, "--url", url, *more], stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        desks.append(desk)
        assert desk.stdin is not None
        desk.stdin.write(typed)
        desk.stdin.close()
        there = len(asker.members("lab"))
        eventually(lambda: len(asker.members("lab")) > there, "the desk is there", DEADLINE)
        return desk

    yield start
    for desk in desks:
        with desk:
            desk.kill()


def ended(asker: swergio.Component, desk: Desk) -> str:
    """
    Return what a desk has shown, at which nobody types any more: one more item ends it.

    A signal might be overlooked, just between two items: Python looks for one before it waits for the next item.
    """
    asker.send("lab", "the end", to="desk")
    assert desk.stdout is not None
    assert desk.stderr is not None
    shown, errors = desk.stdout.read(), desk.stderr.read()
    assert (desk.wait(DEADLINE), errors) == (0, "")
    return shown


def test_a_person_answers_each_sort_of_item(asker: swergio.Component, seat: Seat, tmp_path: Path) -> None:
    items = [
        Item("One line,\nand \x1b[2J another.", "Good?", Choice(("yes", "no"))),
        Item(3.5, "How much?", Rating()),
        Item([1, {"a": None}], answer=Number(0, 1)),
        Item(Media(b"RIFF....", "audio/x-wav", "../../a tune.wav"), "What is it?"),
        Item(np.zeros((4, 6), np.uint8), answer=Text()),
    ]
    desk = seat("maybe\ny\n7\n4\n0.25\na waltz\nnothing\n", "--folder", str(tmp_path))
    answers = asker.ask_human("lab", items, timeout=DEADLINE)
    shown = ended(asker, desk)

    assert [answer.value for answer in answers] == ["yes", 4, 0.25, "a waltz", "nothing"]
    assert "One line,\nand \\x1b[2J another.\nGood?\n1) yes  2) no: " in shown
    assert "'maybe' is none of yes, no." in shown
    assert "'7' is no whole number from 1 to 5." in shown
    assert '\n[1, {"a": None}]\na number, at least 0, at most 1: ' in shown
    assert f"\n{tmp_path / 'item-4.wav'}\nWhat is it?\ntext: " in shown
    assert (tmp_path / "item-4.wav").read_bytes() == b"RIFF...."
    assert shown.count("▀▀▀▀▀▀") == 2


def test_what_is_skipped_or_left_open_goes_to_another_desk(asker: swergio.Component, seat: Seat) -> None:
    desks = [seat("/skip\n/quit\n"), seat("done\n" * 3)]
    answers = asker.ask_human("lab", range(3), timeout=DEADLINE)

    assert [answer.value for answer in answers] == ["done"] * 3
    assert len({answer.by for answer in answers}) == 1
    for desk in desks:
        ended(asker, desk)


def test_a_desk_ends_with_its_input_and_leaves_its_item_to_others(asker: swergio.Component, seat: Seat) -> None:
    seat("")
    asking = threading.Thread(target=lambda: answers.extend(asker.ask_human("lab", ["item"], timeout=DEADLINE)))
    answers: list[Any] = []
    asking.start()
    eventually(lambda: not asker.members("lab"), "it has ended", DEADLINE)
    seat("done\n")
    asking.join(DEADLINE)

    assert [answer.value for answer in answers] == ["done"]


def test_a_killed_desk_leaves_its_item_to_others(asker: swergio.Component, url: str, seat: Seat) -> None:
    answers: list[Any] = []
    asking = threading.Thread(target=lambda: answers.extend(asker.ask_human("lab", ["item"], timeout=DEADLINE)))
    with subprocess.Popen([*COMMAND, "--url", url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as desk:
        asking.start()
        assert desk.stdout is not None
        assert any("item" in line for line in desk.stdout)  # it is on the screen
        desk.kill()
    eventually(lambda: not asker.members("lab"), "it is given up", DEADLINE)
    seat("done\n")
    asking.join(DEADLINE)

    assert [answer.value for answer in answers] == ["done"]


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals on Windows")
def test_a_person_at_a_terminal(asker: swergio.Component, url: str) -> None:
    import pty

    mine, theirs = pty.openpty()
    with subprocess.Popen([*COMMAND, "--url", url], stdin=theirs, stdout=theirs, stderr=theirs) as desk:
        os.close(theirs)
        os.write(mine, b"2\n")
        (answer,) = asker.ask_human("lab", [Item("tune", "Good?", Choice(("yes", "no")))], timeout=DEADLINE)
        asker.ask_human("lab", ["open"], timeout=1, default=None)
        shown = os.read(mine, 4096).decode()
        desk.send_signal(signal.SIGTERM)  # while an item is open
        assert desk.wait(DEADLINE) == 0
    os.close(mine)

    assert answer.value == "no"
    assert "1) yes  2) no: " in shown


@pytest.mark.parametrize(
    ("image", "lines", "dots"),
    [
        (np.zeros((4, 6), np.uint8), 2, 6),
        (np.zeros((5, 6, 3), np.uint8), 3, 6),
        (np.zeros((480, 640, 3), np.uint8), 24, 64),
        (np.zeros((4, 6)), 0, 0),
        (np.zeros((4, 6, 4), np.uint8), 0, 0),
        (np.zeros(4, np.uint8), 0, 0),
    ],
)
def test_images_are_drawn_and_nothing_else_is(image: Any, lines: int, dots: int) -> None:
    drawn = list(drawing(image))

    assert len(drawn) == lines
    assert all(line.count("▀") == dots for line in drawn)


def test_a_drawing_has_two_rows_in_a_line() -> None:
    (line,) = drawing(np.array([[[255, 0, 0]], [[0, 0, 255]]], np.uint8))

    assert "38;2;255;0;0" in line
    assert "48;2;0;0;255" in line

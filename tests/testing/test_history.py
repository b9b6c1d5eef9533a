"""The history checker: what is planted in a correct history is found, exactly."""

from __future__ import annotations

import pytest

from swergio.errors import ConfigurationError, SwergioError
from swergio.testing import (
    BrokenHistory,
    Diverging,
    Duplicated,
    FromNowhere,
    History,
    Lost,
    Misreported,
    Reordered,
    Unreported,
)
from tests.testing.planted import ALL, MEMBERS, ODD_AND_EVEN, ROOM, findings, history_of


def test_a_correct_history_is_fine() -> None:
    report = history_of(ODD_AND_EVEN, dict.fromkeys(MEMBERS, ALL)).check({ROOM: MEMBERS})

    assert report.ok
    assert findings(report) == []
    assert (report.sent, report.received) == (100, 300)
    report.raise_if_bad()


def test_an_empty_history_proves_nothing() -> None:
    with pytest.raises(BrokenHistory, match="nothing was sent"):
        History().check().raise_if_bad()


def test_a_loss_is_told_by_member_and_sender() -> None:
    kept = [key for key in ALL if key not in {50, 97, 99}]
    report = history_of(ODD_AND_EVEN, {"m1": ALL, "m3": kept}).check()

    even, odd = Lost("m3", ROOM, "even", (50,), 50), Lost("m3", ROOM, "odd", (97, 99), 50)
    assert set(findings(report)) == {even, odd, Unreported("m3", ROOM, 3, 0)}
    assert str(odd) == "48 of 50 messages of 'odd' came to 'm3' in 'room'; missing 97, 99"


def test_a_member_that_got_nothing_is_missed_if_it_is_named() -> None:
    history = history_of(ODD_AND_EVEN, {"m1": ALL})

    assert history.check().ok
    lost = history.check({ROOM: ["m1", "m2"]}).lost
    assert [(loss.receiver, len(loss.missing)) for loss in lost] == [("m2", 50), ("m2", 50)]


def test_reported_losses_excuse_only_lossy_members() -> None:
    history = history_of(ODD_AND_EVEN, {"m1": ALL[2:]})
    history.gap("m1", ROOM, 2)

    assert history.check(lossy=["m1"]).ok
    assert [loss.missing for loss in history.check(lossy=["m1"]).excused] == [(1,), (2,)]
    assert [loss.missing for loss in history.check().lost] == [(1,), (2,)]
    assert history.check().unreported == ()

    history.gap("m1", ROOM, 3)
    assert history.check(lossy=["m1"]).misreported == (Misreported("m1", ROOM, 2, 5),)
    assert not history.check(lossy=["m1"]).ok


def test_losses_that_are_reported_in_part_are_not_excused() -> None:
    history = history_of(ODD_AND_EVEN, {"m1": ALL[3:]})
    history.gap("m1", ROOM, 2)

    report = history.check(lossy=["m1"])
    assert report.unreported == (Unreported("m1", ROOM, 3, 2),)
    assert not report.ok


def test_duplicates_are_counted() -> None:
    report = history_of(ODD_AND_EVEN, {"m1": ALL, "m2": [*ALL, 7, 8, 7]}).check()

    assert findings(report) == [Duplicated("m2", ROOM, 7, 3), Duplicated("m2", ROOM, 8, 2)]


def test_another_attempt_that_says_so_is_no_fault() -> None:
    history = history_of(ODD_AND_EVEN, {"m1": [key for key in ALL if key != 5]})
    history.received("m1", ROOM, 5, attempt=1)
    history.received("m1", ROOM, 9, attempt=2)
    assert history.check().ok

    history.received("m1", ROOM, 5)
    assert findings(history.check()) == [Duplicated("m1", ROOM, 5, 2)]


def test_a_message_behind_a_later_one_of_its_sender_is_reordered() -> None:
    late = [key for key in ALL if key != 11]
    late.insert(late.index(13) + 1, 11)
    report = history_of(ODD_AND_EVEN, {"m1": ALL, "m2": late, "m3": ALL}).check()

    assert findings(report) == [Reordered("m2", ROOM, "odd", 11, 13)]


def test_explicit_numbers_give_the_order_of_a_sender() -> None:
    history = History()
    for key, number in (("late", 2), ("early", 1)):
        history.sent("a", ROOM, key, number)
    assert history.check({ROOM: ["m1"]}).lost == (Lost("m1", ROOM, "a", ("early", "late"), 2),)
    for key in ("early", "late"):
        history.received("m1", ROOM, key)
    assert history.check().ok


def test_strangers_are_found() -> None:
    history = history_of([*ODD_AND_EVEN, ("m1", 101)], {"m1": [*ALL, 101, 999], "m2": [*ALL, 101], "spy": [1]})
    history.sent("odd", "elsewhere", "secret")
    history.received("m2", ROOM, "secret")

    report = history.check({ROOM: ["m1", "m2"]})
    assert findings(report) == list(report.from_nowhere)
    assert [(stranger.receiver, stranger.room, stranger.key) for stranger in report.from_nowhere] == [
        ("m1", ROOM, 101), ("m1", ROOM, 999), ("m2", ROOM, "secret"), ("spy", ROOM, 1),
    ]  # fmt: skip
    assert [stranger.why.split()[:3] for stranger in report.from_nowhere] == [
        ["it", "is", "its"], ["nobody", "sent", "it"], ["nobody", "sent", "it"], ["it", "is", "no"],
    ]  # fmt: skip


def test_a_body_that_is_no_key_is_a_stranger() -> None:
    history = history_of(ODD_AND_EVEN, {"m1": ALL})
    history.received("m1", ROOM, {"unhashable": []})

    assert history.check().from_nowhere == (FromNowhere("m1", ROOM, "{'unhashable': []}", "nobody sent it there"),)


def test_own_messages_are_owed_to_those_who_ask_for_them() -> None:
    history = history_of([("m1", 1), ("m2", 2)], {"m1": [1, 2], "m2": [1]})

    assert history.check(echo=["m1"]).ok
    assert history.check(echo=["m1", "m2"]).lost == (Lost("m2", ROOM, "m2", (2,), 1),)
    assert history.check().from_nowhere == (FromNowhere("m1", ROOM, 1, "it is its own, and it asked for no echo"),)


def test_two_orders_of_a_room_are_a_divergence() -> None:
    other = [*ALL[:49], 51, 50, *ALL[51:]]
    report = history_of(ODD_AND_EVEN, {"m1": ALL, "m2": other, "m3": ALL}).check()

    (found,) = findings(report)
    assert isinstance(found, Diverging)
    assert (found.room, set(found.members), set(found.keys)) == (ROOM, {"m1", "m2"}, {50, 51})
    first = {"m1": 50, "m2": 51}
    assert [first[member] for member in found.members] == list(found.keys)
    assert "'m1' got 50 before 51" in str(found)
    assert "'m2' got 51 before 50" in str(found)


def test_three_members_can_contradict_each_other_though_no_two_do() -> None:
    sent = [("a", 1), ("b", 2), ("c", 3)]
    came = {"m1": [1, 2], "m2": [2, 3], "m3": [3, 1]}
    history = history_of(sent, came)

    (found,) = history.check(lossy=MEMBERS).diverging
    assert sorted(zip(found.members, found.keys, strict=True)) == [("m1", 1), ("m2", 2), ("m3", 3)]


def test_a_group_that_shares_work_needs_no_order() -> None:
    history = history_of(ODD_AND_EVEN, {"m1": ALL, "workers": ALL[::-1]})

    assert history.check(unordered=["workers"]).ok
    assert not history.check().ok


def test_only_what_is_sent_while_a_member_is_there_is_owed_to_it() -> None:
    history = History()
    history.sent("a", ROOM, 1)
    history.joined("m1", ROOM)
    history.sent("a", ROOM, 2)
    assert history.check().lost == (Lost("m1", ROOM, "a", (2,), 1),)

    history.received("m1", ROOM, 1)  # it may come
    history.received("m1", ROOM, 2)
    assert history.check().ok

    history.sent("a", ROOM, 3)
    history.sent("a", ROOM, 4)
    history.sent("a", ROOM, 5)
    history.left("m1", ROOM)
    history.sent("a", ROOM, 6)
    assert history.check().ok  # 3 to 5 were under way when it left
    history.received("m1", ROOM, 4)
    assert history.check().lost == (Lost("m1", ROOM, "a", (3,), 3),)

    history.joined("m1", ROOM)
    history.sent("a", ROOM, 7)
    assert history.check().lost == (Lost("m1", ROOM, "a", (3, 7), 4),)
    history.received("m1", ROOM, 7)
    assert history.check().lost == (Lost("m1", ROOM, "a", (3,), 4),)


def test_who_left_may_have_reported_what_was_under_way() -> None:
    history = History()
    history.sent("a", ROOM, 1)
    history.sent("a", ROOM, 2)
    history.left("m1", ROOM)
    history.gap("m1", ROOM, 2)
    assert history.check().ok

    history.gap("m1", ROOM, 1)
    assert history.check().misreported == (Misreported("m1", ROOM, 0, 3),)


def test_keys_are_made_when_none_is_given_and_must_not_repeat() -> None:
    history = History()
    assert [history.sent("a", ROOM), history.sent("a", ROOM), history.sent("b", ROOM)] == ["a-1", "a-2", "b-1"]

    history.sent("b", ROOM, "a-2")
    with pytest.raises(ConfigurationError, match=r"'a-2' was sent twice in 'room' \(by 'a' and 'b'\)"):
        history.check()


def test_the_error_is_readable_short_and_tells_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWERGIO_SEED", "11")
    history = history_of(ODD_AND_EVEN, {"m1": [1], "m2": ALL[::-1]})

    with pytest.raises(BrokenHistory) as raised:
        history.check().raise_if_bad()

    text = str(raised.value)
    assert isinstance(raised.value, AssertionError)
    assert isinstance(raised.value, SwergioError)
    assert text.startswith("100 messages sent, 101 received\n")
    assert "1 of 50 messages of 'odd' came to 'm1' in 'room'; missing 3, 5, 7, 9, 11, 13, 15, 17, and 41 more" in text
    assert "and 86 more" in text  # of 98 reordered ones
    assert "SWERGIO_SEED=11" in text
    assert len(text.splitlines()) < 25
    assert history.check().seed == 11
    assert History(seed=12).check().seed == 12

"""How ``swergio top`` and ``swergio passes`` look. What comes from others is printed without control characters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from swergio.cli.overview import TROUBLES, ComponentRow, IndicatorRow, NodeRow, RoomRow, State, sparkline
from swergio.cli.show import printable
from swergio.cli.waiting import OpenPass, Orphan, Passes, Whereabouts

Row = TypeVar("Row")

STYLES = {"here": "", "silent": "red", "closed": "dim"}
STEP_WORDS = {"feedback": "feedback", "product": "its product", "pullback": "the call of its pullback"}


def top(state: State, height: int | None = None) -> RenderableType:
    """
    Draw the state; ``height`` is how many lines there are, None if there is no bound.
    """
    if not state.components:
        return Group(Text("No component reports yet.", style="dim"), _rooms(state.rooms, height))
    parts: list[RenderableType] = [_summary(state), _components(state.components, _share(height, 0.4))]
    if state.nodes:
        parts += ["", _nodes(state.nodes, _share(height, 0.2))]
    parts += ["", _rooms(state.rooms, _share(height, 0.2))]
    if state.indicators:
        parts += ["", _indicators(state.indicators, _share(height, 0.2))]
    return Group(*parts)


def _share(height: int | None, part: float) -> int | None:
    return None if height is None else max(2, int((height - 8) * part))


def _cut(rows: Sequence[Row], most: int | None) -> tuple[Sequence[Row], int]:
    """
    Return as many rows as there is space for, and how many are left out.
    """
    shown = rows if most is None or len(rows) <= most else rows[: max(1, most - 1)]
    return shown, len(rows) - len(shown)


def _table(*columns: str, numbers: Sequence[str] = ()) -> Table:
    table = Table(*columns, box=None, pad_edge=False)
    for number in numbers:
        table.add_column(number, justify="right")
    return table


def _more(table: Table, left_out: int) -> Table:
    if left_out:
        table.add_row(Text(f"… {left_out} more", style="dim"))
    return table


def short(instance: str) -> str:
    """
    Return the id of an instance with as much of its random part as tells a few of them apart.
    """
    name, mark, random = instance.partition("#")
    return printable(name + mark + random[:4])


def short_id(id: str) -> str:
    """
    Return the id of a message likewise.
    """
    instance, slash, number = id.partition("/")
    return short(instance) + printable(slash + number)


# -- the parts of top ---------------------------------------------------------------------------------------------


def _summary(state: State) -> Text:
    here = sum(row.state == "here" for row in state.components)
    text = f"{here} of {len(state.components)} components report, {len(state.rooms)} rooms"
    if state.unreadable:
        text += f", {state.unreadable} unreadable messages"
    return Text(text, style="dim")


def _components(rows: Sequence[ComponentRow], most: int | None) -> Table:
    numbers = ("out/s", "in/s", "bytes/s", "busy", "waiting", "outbox", "passes")
    table = _table("component", "", numbers=numbers)
    table.add_column("trouble")
    busiest = sorted(rows, key=lambda row: (-(row.handler_share or 0.0), row.instance))
    shown, left_out = _cut(busiest if most is not None else rows, most)
    for row in shown:
        table.add_row(
            Text(short(row.instance), style=STYLES.get(row.state, "")),
            Text("" if row.state == "here" else row.state),
            _number(row.sent),
            _number(row.received),
            _number(None if row.sent_bytes is None else row.sent_bytes + (row.received_bytes or 0.0)),
            _busy(row),
            f"{row.waiting:,}",
            f"{row.outbox:,}",
            f"{row.open_passes:,}",
            Text(_trouble(row), style="red"),
        )
    return _more(table, left_out)


def _busy(row: ComponentRow) -> str:
    if row.handler_share is None:
        return ""
    long = f" {row.handling:.0f} s" if row.handling >= 10 else ""
    return f"{row.handler_share:.0%}{long}"


def _trouble(row: ComponentRow) -> str:
    return ", ".join(f"{count:,} {name}" for name in TROUBLES if (count := getattr(row.totals, name)))


def _nodes(rows: Sequence[NodeRow], most: int | None) -> Table:
    table = _table("node", "of", "rooms", numbers=("open", "closed", "orphaned", "p50", "p99"))
    shown, left_out = _cut(rows, most)
    for row in shown:
        node = row.report
        table.add_row(
            Text(printable(node.name) if node.kind == "node" else "process"),
            Text(short(row.instance)),
            Text(printable(f"{', '.join(node.sources)} → {node.sink}")),
            f"{node.open:,}",
            f"{node.closed:,}",
            Text(f"{node.orphaned:,}", style="red" if node.orphaned else ""),
            _seconds(node.p50),
            _seconds(node.p99),
        )
    return _more(table, left_out)


def _rooms(rows: Sequence[RoomRow], most: int | None) -> Table:
    table = _table("room", "members", numbers=("bytes held",))
    shown, left_out = _cut(sorted(rows, key=lambda row: (-row.held, row.room)) if most is not None else rows, most)
    for row in shown:
        names = [short(instance) for instance, _, _ in row.members[:4]]
        names += [f"… {len(row.members)} in all"] if len(row.members) > 4 else []
        table.add_row(Text(printable(row.room)), Text(", ".join(names)), f"{row.held:,}")
    return _more(table, left_out)


def _indicators(rows: Sequence[IndicatorRow], most: int | None) -> Table:
    table = _table("kpi", "of", numbers=("step", "value"))
    table.add_column("")
    shown, left_out = _cut(rows, most)
    for row in shown:
        step = "" if row.step is None else f"{row.step:,}"
        kpi, of = Text(printable(row.kpi)), Text(short(row.instance))
        table.add_row(kpi, of, step, f"{row.values[-1]:.6g}", sparkline(row.values))
    return _more(table, left_out)


def _number(value: float | None) -> str:
    if value is None:
        return ""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= 10 * size:
            return f"{value / size:,.0f}{unit}"
    return f"{value:,.0f}" if value >= 10 or value == 0 else f"{value:.1f}"


def _seconds(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.1f} s" if value >= 1 else f"{value * 1000:,.1f} ms"


# -- passes -------------------------------------------------------------------------------------------------------


def passes(found: Passes, nodes: Sequence[NodeRow]) -> RenderableType:
    """
    Draw the passes: the nodes with their counts, what is open, and what was given up.
    """
    if not nodes:
        return Text("No component that reports takes part in passes.", style="dim")
    parts: list[RenderableType] = [_nodes(nodes, None), ""]
    parts.append(_opened(found.open) if found.open else Text("No pass is open.", style="dim"))
    if found.untold:
        parts.append(Text(f"… {found.untold} more open messages, younger than these", style="dim"))
    if found.orphans:
        parts += ["", _orphaned(found.orphans)]
    return Group(*parts)


def _opened(rows: Sequence[OpenPass]) -> Table:
    table = _table("open pass", numbers=("age", "left"))
    table.add_column("waits")
    for row in rows:
        where = "\n".join(map(_where, row.waits))
        left = "" if row.left is None else f"{row.left:.1f} s"
        table.add_row(Text(short_id(row.root)), f"{row.age:.1f} s", left, Text(where))
    return table


def _where(place: Whereabouts) -> str:
    step = place.step
    silent = " (silent)" if place.standing == "silent" else ""
    said = f"{short(place.at)}{silent} for {STEP_WORDS[step.waits_for]}"
    if step.waits_for == "pullback":
        return said
    owing = ", ".join(f"{short(who)} ({how})" for who, how in place.owing)
    return f"{said} from {printable(step.room)!r}" + (f", of {owing}" if owing else "")


def _orphaned(rows: Sequence[Orphan]) -> Table:
    table = _table("orphaned pass", "given up by", numbers=("ago",))
    table.add_column("why")
    for row in rows:
        orphan = row.report
        missing = f" (missing {', '.join(map(short, orphan.missing))})" if orphan.missing else ""
        given_up_by = Text(f"{short(row.instance)}, {printable(orphan.node)}")
        why = Text(printable(orphan.reason) + missing)
        table.add_row(Text(short_id(orphan.root)), given_up_by, f"{orphan.ago:.0f} s", why)
    return table

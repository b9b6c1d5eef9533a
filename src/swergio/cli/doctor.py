"""``swergio doctor``."""

from __future__ import annotations

import asyncio
import json

import typer
from rich.console import Console
from rich.text import Text

from swergio.doctor import Finding, Outcome, examine

MARKS = {Outcome.GOOD: ("✓", "green"), Outcome.NOTE: ("!", "yellow"), Outcome.BAD: ("✗", "red")}


def run(url: str | None, *, as_json: bool) -> None:
    """
    Tell what is configured, and whether it can be reached; end with exit code 1 if something is wrong.
    """
    findings = asyncio.run(_examined(url, quiet=as_json))
    if as_json:
        typer.echo(json.dumps([finding._asdict() for finding in findings], ensure_ascii=False, indent=2))
    if any(finding.outcome is Outcome.BAD for finding in findings):
        raise typer.Exit(1)


async def _examined(url: str | None, *, quiet: bool) -> list[Finding]:
    console = Console(highlight=False, soft_wrap=True)
    findings = []
    async for finding in examine(url):
        findings.append(finding)
        if not quiet:
            _show(console, finding)
    return findings


def _show(console: Console, finding: Finding) -> None:
    mark, colour = MARKS[finding.outcome]
    console.print(Text.assemble((mark, colour), f" {finding.what:14} {finding.said}"))
    if finding.remedy:
        console.print(Text(f"{'':17}{finding.remedy}", style="" if finding.outcome is Outcome.BAD else "dim"))

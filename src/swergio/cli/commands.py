"""The commands: what they are called, what they take, and their help.

What a command does stands in a module beside this one, imported when the command runs: ``swergio --help`` answers
within 250 ms. For the same reason the help is typer's plain one; drawing it with rich takes 80 ms more.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="swergio",
    help="Direct feedback between the components of a machine-learning process.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Url = Annotated[
    str | None,
    typer.Option("--url", help="The deployment; by default SWERGIO_URL, swergio.toml, or your own hub.", metavar="URL"),
]
Room = Annotated[str, typer.Argument(help="The room.")]
Data = Annotated[str, typer.Argument(help="JSON, or text if it is no JSON; - reads it from the standard input.")]
AsText = Annotated[bool, typer.Option("--text", help="DATA is text even if it is JSON too.")]
Type = Annotated[str | None, typer.Option("--type", help="The message type, such as DATA/REWARD.")]
To = Annotated[str | None, typer.Option("--to", help="A component or instance: only it gets the message.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


@app.callback(invoke_without_command=True)
def swergio(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    """
    Direct feedback between the components of a machine-learning process.
    """
    if version:
        from importlib import metadata

        typer.echo(f"swergio {metadata.version('swergio')}")
        raise typer.Exit


@app.command()
def demo(
    url: Url = None,
    seeds: Annotated[int, typer.Option(min=1, help="How many times to train; the result is the average.")] = 1,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the result; .png, .svg or .pdf.")] = None,
    as_json: AsJson = False,
) -> None:
    """
    Train a solar forecast for what its errors cost.
    """
    from swergio.cli.demo import run

    run(url, seeds=seeds, plot=plot, as_json=as_json)


@app.command()
def hub(
    listen: Annotated[
        list[str] | None, typer.Option(metavar="URL", help="May be given again. Default: ws://127.0.0.1:7300")
    ] = None,
    token_file: Annotated[Path | None, typer.Option(help="The file that holds the components' token.")] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Listen beyond this host without token and TLS (or CURVE).")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Tell what it uses, and whom it refuses.")] = False,
) -> None:
    """
    Run a hub until Ctrl-C or SIGTERM.
    """
    from swergio.cli.hub import run

    run(listen or (), token_file=token_file, insecure=insecure, verbose=verbose)


@app.command()
def up(
    file: Annotated[Path, typer.Argument(metavar="[FILE]", help="What to start.")] = Path("swarm.yaml"),
    only: Annotated[
        list[str] | None, typer.Option(metavar="COMPONENT", help="Start this one alone. May be given again.")
    ] = None,
) -> None:
    """
    Start the components of a file, and stop them with Ctrl-C.

    Ends with exit code 1 if one of them failed.
    """
    from swergio.cli.up import run

    run(file, only or [])


@app.command()
def send(room: Room, data: Data, type: Type = None, to: To = None, text: AsText = False, url: Url = None) -> None:
    """
    Send a message.

    It is in the log of its room when this ends.
    """
    from swergio.cli import talk

    talk.send(room, talk.parse(data, text=text), type=type, to=to, url=url)


@app.command()
def ask(
    room: Room,
    data: Data,
    timeout: Annotated[float | None, typer.Option(help="Seconds to wait for the reply. Default: 60")] = None,
    type: Type = None,
    to: To = None,
    text: AsText = False,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """
    Send a request and print the first reply.
    """
    from swergio.cli import talk

    talk.ask(room, talk.parse(data, text=text), timeout=timeout, type=type, to=to, as_json=as_json, url=url)


@app.command()
def watch(
    rooms: Annotated[list[str], typer.Argument(metavar="ROOM...", help="The rooms.")],
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """
    Print the messages of rooms until Ctrl-C.

    Feedback and replies are shown too. Nobody is slowed down: what comes too fast is skipped, and counted.
    """
    from swergio.cli.watch import run

    run(rooms, as_json=as_json, url=url)


@app.command()
def desk(
    room: Room,
    name: Annotated[str, typer.Option(help="What the desk is called.")] = "desk",
    folder: Annotated[
        Path | None, typer.Option(help="Where files that are shown are put; by default a temporary folder.")
    ] = None,
    url: Url = None,
) -> None:
    """
    Answer what is asked in a room, as a person, until /quit or Ctrl-C.

    Several desks share the work; what one leaves open goes to another.
    """
    from swergio.cli.desk import run

    run(room, name=name, folder=folder, url=url)


@app.command()
def rooms(as_json: AsJson = False, url: Url = None) -> None:
    """
    List the rooms and their members.
    """
    from swergio.cli.rooms import run

    run(as_json=as_json, url=url)


@app.command()
def top(
    once: Annotated[bool, typer.Option("--once", help="Show what there is after a second or two, and end.")] = False,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """
    Show what the components do, live: rates, queues, pass times, losses, KPIs.

    With --json it prints a line each second; nobody is slowed down.
    """
    from swergio.cli.top import run

    run(url, once=once, as_json=as_json)


@app.command()
def passes(as_json: AsJson = False, url: Url = None) -> None:
    """
    Show the passes that are open or were given up, and where each waits.
    """
    from swergio.cli.passes import run

    run(url, as_json=as_json)


@app.command()
def doctor(as_json: AsJson = False, url: Url = None) -> None:
    """
    Tell what is configured, whether it can be reached, and what to do.

    Ends with exit code 1 if something is wrong.
    """
    from swergio.cli.doctor import run

    run(url, as_json=as_json)


@app.command()
def keys(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Whose they are, such as: hub forecaster")],
    folder: Annotated[Path, typer.Option(help="Where the files are put.")] = Path(),
) -> None:
    """
    Make key pairs for zmq+tcp:// (CURVE).
    """
    from swergio.cli.keys import run

    run(names, folder=folder)


@app.command()
def bench(
    url: Annotated[
        str | None,
        typer.Argument(metavar="[URL]", help="The deployment; by default SWERGIO_URL, swergio.toml, or your own hub."),
    ] = None,
    repeat: Annotated[int, typer.Option(min=1, help="How often each is run, in alternation.")] = 3,
    scale: Annotated[float, typer.Option(min=0, help="Multiply how many messages are sent.")] = 1.0,
    as_json: AsJson = False,
) -> None:
    """
    Measure a deployment: round trips, throughput, arrays, fan-out.

    Puts it under full load for about a minute, in rooms of its own.
    """
    from swergio.cli.bench import run

    run(url, scale=scale, repeat=repeat, as_json=as_json)

"""
``python -m swergio.hub``: a hub in the foreground, with nothing installed but swergio itself.

With ``--on-demand`` it is what a component starts that has no URL; see `swergio.hub.ondemand`.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path

from swergio.errors import SwergioError
from swergio.hub.ondemand import LOG_LIMIT, LOG_NAME, READY
from swergio.hub.serving import USUAL_URL, configure, serve, serve_on_demand

LOG_FORMAT = "%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"


def main() -> None:
    """
    Serve as the command line says; what is wrong ends in one line.
    """
    arguments = _read_arguments()
    try:
        if arguments.on_demand is not None:
            _serve_on_demand(arguments.on_demand)
        else:
            logging.basicConfig(format=LOG_FORMAT)
            settings = configure(arguments.listen, insecure=arguments.insecure, token_file=arguments.token_file)
            serve(settings, _announce)
    except (SwergioError, OSError) as exc:
        sys.exit(f"swergio hub: {exc}")


def _read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m swergio.hub", description="Run a hub until Ctrl-C or SIGTERM.")
    parser.add_argument("--listen", metavar="URL", action="append", default=[], help=f"default: {USUAL_URL}")
    parser.add_argument("--token-file", metavar="FILE", type=Path, help="the file that holds the components' token")
    parser.add_argument(
        "--insecure", action="store_true", help="listen beyond this host even without a token and TLS, or CURVE"
    )
    parser.add_argument("--on-demand", metavar="FOLDER", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def _announce(urls: list[str]) -> None:
    sys.stdout.write("".join(f"listening on {url}\n" for url in urls))
    sys.stdout.flush()


def _serve_on_demand(folder: Path) -> None:
    if os.fork():
        os._exit(0)  # whoever started this waits for it, and shall not have to wait for the hub
    from swergio.settings import load

    settings = load(**json.load(sys.stdin))
    handler = RotatingFileHandler(folder / LOG_NAME, maxBytes=LOG_LIMIT, backupCount=1)
    logging.basicConfig(format=LOG_FORMAT, level=logging.INFO, handlers=[handler])
    serve_on_demand(settings, folder, _ready)


def _ready() -> None:
    sys.stdout.buffer.write(READY)
    sys.stdout.flush()
    # Nothing that the starter has is held on to: neither its pipes nor its working folder.
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, sys.stdin.fileno())
    os.dup2(nothing, sys.stdout.fileno())
    os.close(nothing)
    os.chdir("/")


if __name__ == "__main__":
    main()

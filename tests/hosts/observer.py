"""A program of the tests: tells who joins and leaves which rooms, and how far the training is."""

import logging
import sys

import swergio

observer = swergio.Component("observer")


def tell(change: swergio.Presence) -> None:
    """
    Print who came or went.
    """
    print(change.room, change.instance, "joined" if change.joined else "left", flush=True)


for room in sys.argv[1:]:
    observer.on_presence(room)(tell)


@observer.on("_logging", swergio.MessageType.KPI, lossy=True)
def show(message: swergio.Message) -> None:
    """
    Print a step of the training.
    """
    print("step", message.data["step"], flush=True)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    observer.run()

"""The example ``examples/hosts`` on the hosts of a network."""

from __future__ import annotations

import itertools
import re
import sys
from collections import Counter
from pathlib import Path

from tests.hosts.brokers import Broker
from tests.hosts.counting import Tally
from tests.hosts.network import HOSTS, Network
from tests.hosts.programs import Program

HERE = Path(__file__).parent
EXAMPLE = HERE.parents[1] / "examples" / "hosts"
ROOMS = {"weather": "year", "forecaster": "features", "site": "forecast"}
STEPS = 60
PLACES = [("north", "weather"), ("east", "forecaster"), ("east", "site"), ("west", "site")]
WHOLE = Counter((ROOMS[name], name) for _, name in PLACES)
CHANGE = re.compile(r"^(\w+) (\S+) (joined|left)$", re.MULTILINE)

_numbers = itertools.count()


class Deployment:
    """
    A broker and the programs of the example.

    ``north`` has the broker, the weather and whoever trains; ``east`` the forecaster and a site; ``west`` another
    site; ``spare`` nothing.
    """

    def __init__(self, network: Network, broker: Broker) -> None:
        self.network = network
        self.broker = broker
        broker.start()
        self.observer = self._run("north", "observer", HERE / "observer.py", *ROOMS.values())
        self._placed = {place: self.start(*place) for place in PLACES}

    def start(self, host: str, name: str, *arguments: str) -> Program:
        """
        Start a program of the example.
        """
        return self._run(host, name, EXAMPLE / f"{name}.py", *arguments)

    def take_over(self, host: str, name: str, said: str) -> Program:
        """
        Start a program again and again, as systemd does, until it has been let in and says something.
        """
        while True:
            program = self._placed[host, name] = self.start(host, name)
            if program.says(said):
                return program
            assert "NameTaken" in program.output, program.output

    def repair(self) -> None:
        """
        Mend every link and have every program where it belongs, and nowhere else.
        """
        for host in HOSTS:
            self.network.mend(host)
        for place in self._placed.keys() - set(PLACES):
            self._placed.pop(place).kill()
        self.observer.wait_until(self._is_whole, f"{WHOLE} are there")

    def _is_whole(self, told: str) -> bool:
        """
        Whether all are there; starts again what has ended, as systemd does.
        """
        for place, program in self._placed.items():
            if not program.running:
                self._placed[place] = self.start(*place)
        return members(told) == WHOLE

    def train(self) -> Program:
        """
        Begin to train; the program ends with 0 if the result is good enough.
        """
        self._done = self.observer.output.count("step ")
        return self.start("north", "trainer", "--steps", str(STEPS))

    def reach_step(self, step: int) -> None:
        """
        Return when the training has done so many steps.
        """
        self.observer.wait_until(lambda told: told.count("step ") >= self._done + step, f"{step} steps are done")

    def count(self, sender: str, *receivers: str) -> Tally:
        """
        Have numbered messages go from one host to others while the training goes on.
        """
        folder = self.network.folder / f"tally-{next(_numbers)}"
        folder.mkdir()
        return Tally(self._tell, folder, sender, receivers)

    def _tell(self, host: str, what: str, file: Path) -> Program:
        return self._run(host, f"{file.parent.name}-{what}", HERE / "tally.py", what, host, str(file))

    def _run(self, host: str, name: str, file: Path, *arguments: str) -> Program:
        command = (sys.executable, "-W", "error", str(file), *arguments)
        return self.network.run(host, name, command, self.broker.environment(host))


def members(told: str) -> Counter[tuple[str, str]]:
    """
    Return how many there are of each name in each of `ROOMS`, by what the observer said.
    """
    there: set[tuple[str, str]] = set()
    for room, instance, what in CHANGE.findall(told):
        (there.add if what == "joined" else there.discard)((room, instance))
    found = Counter((room, instance.partition("#")[0]) for room, instance in there)
    return Counter({(room, name): count for (room, name), count in found.items() if ROOMS.get(name) == room})

"""
The programs of a process, started together: ``swergio up``, and `Swarm` for scripts and notebooks.

Theory of operation. A *description* (a file, or what `Swarm.add` was told) is checked as a whole and becomes
*programs*: commands, folders, variables. The *supervisor* has a *keeper* for each process, which starts it, waits until
it says that it is ready (`swergio.readiness`), and starts it again as its policy says. A *guard* beside them, a program
of its own, ends what is left should the supervisor be killed.

Importing this imports pydantic; PyYAML is imported where a file is read.
"""

from swergio.swarm.description import Description
from swergio.swarm.keeper import State, Status
from swergio.swarm.keys import Common, Entry, File, Restart
from swergio.swarm.output import Printer
from swergio.swarm.plain import Swarm

__all__ = ["Common", "Description", "Entry", "File", "Printer", "Restart", "State", "Status", "Swarm"]

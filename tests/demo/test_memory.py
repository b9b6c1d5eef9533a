"""The component files of the demo, unchanged, as threads of one process."""

from __future__ import annotations

import os
import subprocess
import sys

IN_ONE_PROCESS = """
import threading
from swergio.demo import forecaster, site, trainer, weather

programs = [forecaster.forecaster, site.site, weather.weather]
threads = [threading.Thread(target=program.run) for program in programs]
for thread in threads:
    thread.start()
with trainer.trainer:
    for goal in trainer.GOALS:
        forecast = trainer.train(goal, seed=0, steps=5)
        print(goal, *forecast.shape)
    print(trainer.trainer.stats.lost)
for program in programs:
    program.stop()
for thread in threads:
    thread.join()
"""


def test_the_same_files_train_over_memory_as_threads_of_one_process() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IN_ONE_PROCESS],
        env={**os.environ, "SWERGIO_URL": "memory://demo"},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("accuracy 364 24\nprocess 364 24\n0\n", 0), done.stderr

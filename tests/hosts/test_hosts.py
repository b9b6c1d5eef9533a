"""The purchasing example on several hosts, while their links, hosts and brokers fail.

Beside the training, numbered messages go from host to host: nothing of them may be lost silently.
"""

from __future__ import annotations

import pytest

from tests.hosts.deployment import STEPS, Deployment
from tests.hosts.programs import Program

pytestmark = pytest.mark.long

TRANSPORTS = ["ws", "zmq+tcp", "redis"]


def over(*, namespaces: list[str], proxies: list[str]) -> pytest.MarkDecorator:
    """
    Run a test over these transports, on each kind of network.
    """
    kinds = [("namespaces", transport) for transport in namespaces] + [("proxies", transport) for transport in proxies]
    return pytest.mark.parametrize(("network", "broker"), kinds, indirect=True)


def check_result(trainer: Program) -> None:
    """
    Wait for the end of a training, and check its result.
    """
    assert trainer.wait() == 0, trainer.output
    assert f"{STEPS} steps, 0 messages lost; a day costs 0." in trainer.output


@over(namespaces=TRANSPORTS, proxies=[])
def test_the_example_trains_across_three_hosts(deployment: Deployment) -> None:
    check_result(deployment.train())


@over(namespaces=TRANSPORTS, proxies=TRANSPORTS)
def test_a_link_that_is_cut_and_mended_loses_nothing(deployment: Deployment) -> None:
    tally = deployment.count("west", "north", "east")
    trainer = deployment.train()
    deployment.reach_step(10)
    deployment.network.cut("west")
    tally.sender.wait_for("lost its connection")
    deployment.network.mend("west")
    check_result(trainer)
    tally.check()


@over(namespaces=TRANSPORTS, proxies=["ws"])
def test_a_lost_host_is_replaced_by_another(deployment: Deployment) -> None:
    tally = deployment.count("west", "north", "east")
    trainer = deployment.train()
    deployment.reach_step(20)
    deployment.network.lose("east")
    tally.forget("east")
    deployment.take_over("spare", "forecaster", "goes on after 20 updates")
    tally.add("spare")
    check_result(trainer)
    tally.check()


@over(namespaces=[*TRANSPORTS, "redis+sentinel"], proxies=["ws"])
def test_training_goes_on_when_the_broker_was_killed(deployment: Deployment) -> None:
    tally = deployment.count("west", "north", "east")
    trainer = deployment.train()
    deployment.reach_step(10)
    deployment.broker.kill()
    tally.sender.wait_for("lost its connection")
    deployment.broker.start()
    check_result(trainer)
    tally.check(lossy=not deployment.broker.durable)

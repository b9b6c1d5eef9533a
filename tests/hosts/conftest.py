from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.hosts.brokers import Broker
from tests.hosts.deployment import Deployment
from tests.hosts.hubs import WebSocketHub, ZeroMQHub
from tests.hosts.namespaces import Namespaces, missing
from tests.hosts.network import Network
from tests.hosts.proxied import Proxied
from tests.hosts.redises import Redis, Sentinels

NETWORKS: dict[str, type[Network]] = {"namespaces": Namespaces, "proxies": Proxied}
BROKERS: dict[str, type[Broker]] = {
    "ws": WebSocketHub,
    "zmq+tcp": ZeroMQHub,
    "redis": Redis,
    "redis+sentinel": Sentinels,
}


@pytest.fixture(scope="module")
def network(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """
    The hosts, of the kind that the test names.
    """
    if request.param == "namespaces" and (reason := missing()):
        pytest.skip(reason)
    with NETWORKS[request.param](tmp_path_factory.mktemp("hosts")) as network:
        yield network


@pytest.fixture(scope="module")
def broker(request: pytest.FixtureRequest, network: Network) -> Broker:
    """
    What holds the rooms, of the kind that the test names.
    """
    return BROKERS[request.param](network)


@pytest.fixture(scope="module")
def whole(network: Network, broker: Broker) -> Iterator[Deployment]:
    """
    A deployment for all scenarios: to start six programs takes longer than most of these.
    """
    try:
        yield Deployment(network, broker)
    finally:
        network.clear()


@pytest.fixture
def deployment(whole: Deployment) -> Iterator[Deployment]:
    """
    The deployment with everything in its place. What its programs said is shown when a test fails.
    """
    whole.repair()
    yield whole
    print(whole.network.told())  # noqa: T201

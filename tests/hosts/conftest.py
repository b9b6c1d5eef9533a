from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.hosts.brokers import BROKERS, Broker
from tests.hosts.deployment import Deployment
from tests.hosts.namespaces import Namespaces, missing
from tests.hosts.network import Network
from tests.hosts.proxied import Proxied


@pytest.fixture(scope="module", params=["namespaces", "proxies"])
def network(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """
    The hosts.
    """
    if request.param == "namespaces" and (reason := missing()):
        pytest.skip(reason)
    kind = Namespaces if request.param == "namespaces" else Proxied
    with kind(tmp_path_factory.mktemp("hosts")) as network:
        yield network


@pytest.fixture(scope="module", params=["ws"])
def broker(request: pytest.FixtureRequest, network: Network) -> Broker:
    return BROKERS[request.param](network)


@pytest.fixture(scope="module")
def whole(network: Network, broker: Broker) -> Deployment:
    """
    A deployment for all scenarios: to start six programs takes longer than most of these.
    """
    return Deployment(network, broker)


@pytest.fixture
def deployment(whole: Deployment) -> Iterator[Deployment]:
    """
    The deployment with everything in its place. What its programs said is shown when a test fails.
    """
    whole.repair()
    yield whole
    print(whole.network.told())  # noqa: T201

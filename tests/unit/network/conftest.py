import pytest

from troth_network import Network, build


@pytest.fixture(scope="session")
def network() -> Network:
    """The network of the story, at its default size."""
    return build()


@pytest.fixture(scope="session")
def small() -> Network:
    """A network that is quick to feed to a home."""
    return build(members=300, records=1_500, seed=7)

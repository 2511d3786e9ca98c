import pytest

from dotaliver.phantom.presets import preset
from dotaliver.phantom.study import PhantomStudy, make_phantom


@pytest.fixture(scope="session")
def moderate() -> PhantomStudy:
    return make_phantom(preset("moderate", 3, "small"))


@pytest.fixture(scope="session")
def massive() -> PhantomStudy:
    return make_phantom(preset("massive", 4, "small"))


@pytest.fixture(scope="session")
def cold() -> PhantomStudy:
    return make_phantom(preset("cold", 5, "small"))


@pytest.fixture(scope="session")
def clean() -> PhantomStudy:
    return make_phantom(preset("clean", 6, "small"))

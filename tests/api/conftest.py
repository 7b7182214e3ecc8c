"""What the tests of the vote API share."""

from collections.abc import Iterator

import pytest

from stack import Options, Stack
from tests.api.site import Api, Contest, Site
from tests.stack.watching import provided


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The parts, once; each test has crucibles of its own."""
    folder = tmp_path_factory.mktemp("api")
    with provided():
        stack = Stack(
            folder / "stack", parts=("redis", "postgres", "clickhouse"), options=Options(redis_appendfsync="always")
        )
        stack.start()
    try:
        made = Site(stack, folder)
        yield made
        made.close()
    finally:
        stack.close()


@pytest.fixture(autouse=True)
def nothing_stays(site: Site, api: Api) -> Iterator[None]:
    """A test that fails leaves no process behind."""
    yield
    for one in site.started:
        if one is not api:
            one.kill()
    site.started[:] = [api]


@pytest.fixture(scope="package")
def api(site: Site) -> Iterator[Api]:
    """The API with settings that hold nobody up."""
    running = site.api()
    yield running
    assert running.close() == 0, running.daemon.last_words()


@pytest.fixture(scope="module")
def contest(api: Api, site: Site) -> Contest:
    """A crucible that Redis has."""
    made = site.contest(entries=6)
    api.get(made.path, made.owners[0])
    return made

"""What has a file among the resources is served."""

from pkgutil import iter_modules

from watcher.api import resources
from watcher.api.routes import MODULES


def test_each_resource_is_served() -> None:
    """A file whose line is forgotten would be a route that answers 404, in the document and from outside."""
    assert sorted(MODULES) == [module.name for module in iter_modules(resources.__path__)]

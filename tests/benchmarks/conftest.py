"""The stores that the demo's tests use do for the benchmarks' probes as well."""

from tests.demo.conftest import lived, new_site, places, site, stores

__all__ = ["lived", "new_site", "places", "site", "stores"]

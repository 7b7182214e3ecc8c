"""The stores that the demo's tests use do for the benchmarks' probes as well."""

from tests.demo.conftest import new_site, places, site, stores

__all__ = ["new_site", "places", "site", "stores"]

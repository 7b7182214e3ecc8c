"""A name that is no setting is refused, unless it is somebody else's: of a service, or of another program."""

import pytest

import config
from tests.unit.config.loading import faults


@pytest.mark.parametrize(
    ("variable", "hint"),
    [
        ("CRUCIBLE_KAFKA__GRUOP", "did you mean CRUCIBLE_KAFKA__GROUP?"),
        ("crucible_kafka__gruop", "did you mean CRUCIBLE_KAFKA__GROUP?"),
        ("CRUCIBLE_KAFKA_GROUP", "did you mean CRUCIBLE_KAFKA__GROUP?"),
        ("CRUCIBLE_NONSENSE", "`crucible config schema` lists all"),
    ],
)
def test_an_unknown_variable_is_refused(monkeypatch: pytest.MonkeyPatch, variable: str, hint: str):
    """A typo must not leave a default in force; its value, which may be a secret, is not repeated."""
    monkeypatch.setenv(variable, "hunter2")

    (line,) = faults()
    assert (line.startswith(variable), hint in line, "hunter2" in line) == (True, True, False)


def test_variables_for_others_are_none_of_our_business(monkeypatch: pytest.MonkeyPatch):
    """Connector files refer to CRUCIBLE_DEBEZIUM_*; tools have variables of their own."""
    for name in ("CRUCIBLE_DEBEZIUM_PASSWORD", "CRUCIBLE_FAILPOINT", "CRUCIBLE_CACHE", "HOME_CRUCIBLE_X"):
        monkeypatch.setenv(name, "x")

    assert config.load()


def links(service: str) -> dict[str, str]:
    """What Kubernetes sets in every container for a service with a named and an unnamed port."""
    name = service.upper().replace("-", "_")
    return {
        f"{name}_SERVICE_HOST": "10.96.3.7",
        f"{name}_SERVICE_PORT": "8080",
        f"{name}_SERVICE_PORT_HTTP": "8080",
        f"{name}_SERVICE_PORT_VOTES_2": "9090",
        f"{name}_PORT": "tcp://10.96.3.7:8080",
        f"{name}_PORT_8080_TCP": "tcp://[fd00::7]:8080",
        f"{name}_PORT_8080_TCP_PROTO": "tcp",
        f"{name}_PORT_8080_TCP_PORT": "8080",
        f"{name}_PORT_8080_TCP_ADDR": "10.96.3.7",
        f"{name}_PORT_53_UDP": "udp://10.96.3.7:53",
    }


@pytest.mark.parametrize(
    "service", ["crucible", "crucible-api", "crucible-kafka", "crucible-ops", "crucible-api--canary", "crucible--x"]
)
def test_services_of_the_namespace_are_no_settings(monkeypatch: pytest.MonkeyPatch, service: str):
    """Whatever a service is called, no pod stops for what is told of it, and nothing of it is taken for a setting."""
    for name, value in links(service).items():
        monkeypatch.setenv(name, value)

    assert [one for one in config.show(config.load()) if one.origin != "default"] == []


@pytest.mark.parametrize(
    ("variable", "given"),
    [("CRUCIBLE_API_PORT", "8080"), ("CRUCIBLE_OPS_HOST", "::"), ("CRUCIBLE_KAFKA_SERVICE", "x")],
)
def test_a_setting_is_misspelt_beside_a_service(monkeypatch: pytest.MonkeyPatch, variable: str, given: str):
    """What is a typo is told of, also where services of like names are."""
    for name, value in {**links("crucible-api"), variable: given}.items():
        monkeypatch.setenv(name, value)

    (line,) = faults()
    assert line.startswith(f"{variable}: no setting has this name")


def test_a_setting_is_one_whatever_it_is_given(monkeypatch: pytest.MonkeyPatch):
    """What looks like a service's address is a wrong value there, and not passed over."""
    monkeypatch.setenv("CRUCIBLE_API__PORT", "tcp://10.96.3.7:8080")

    (line,) = faults()
    assert line.startswith("api.port (CRUCIBLE_API__PORT): given 'tcp://10.96.3.7:8080'")

"""When the API is ready: with keys, and with every right that it needs."""

import json
from pathlib import Path

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from tests.api.site import AUDIENCE, ISSUER, Api, Site
from tests.awaiting import await_that


def test_an_api_without_keys_is_not_ready(site: Site, tmp_path: Path) -> None:
    """It could answer nobody. The vote that it does not take is counted, and with the keys it is ready."""
    key = rsa.generate_private_key(65_537, 2_048)
    file = tmp_path / "keys.json"
    environ = {**site.environ, "CRUCIBLE_API__JWKS": str(file), "CRUCIBLE_API__HS256_SECRETS": ""}
    api = Api(environ, site.folder, ready=False)
    site.started.append(api)
    signed = jwt.encode({"sub": str(site.user()), "iss": ISSUER, "aud": AUDIENCE, "exp": 4_000_000_000}, key, "RS256")

    def faults() -> list[str]:
        checks = httpx.get(f"http://127.0.0.1:{api.ops}/readyz", timeout=10).json()["checks"]
        return [check["name"] for check in checks if not check["ok"]]

    await_that(lambda: faults() == ["keys"], "nothing is missing but keys", 30, api.daemon.last_words)
    vote = api.client.post(
        f"{site.contest().path}/votes", json={"winner": 1, "loser": 2}, headers={"Authorization": f"Bearer {signed}"}
    )
    assert not api.ready()
    assert vote.json()["code"] == "keys_away"
    assert api.daemon.metric("crucible_votes_total", outcome="keys_away") == 1

    write = file.with_suffix(".new")
    write.write_text(json.dumps({"keys": [RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)]}))
    write.replace(file)
    await_that(api.ready, "the API is ready", 30, api.daemon.last_words)


def test_an_api_with_secrets_is_ready_without_its_key_set(site: Site, tmp_path: Path) -> None:
    """Tokens of the one kind go on while keys of the other are not to be had; the probe tells all the same."""
    api = site.api(CRUCIBLE_API__JWKS=str(tmp_path / "keys.json"))

    await_that(api.ready, "the API is ready", 30, api.daemon.last_words)
    (keys,) = (one for one in httpx.get(f"http://127.0.0.1:{api.ops}/readyz").json()["checks"] if one["name"] == "keys")
    assert (keys["ok"], keys["critical"]) == (False, False)
    assert api.get(site.contest().path, site.user()).status_code == 200


def test_a_right_that_is_missing_is_told_as_such(site: Site) -> None:
    """The database is there: the answer, readiness, a metric and the log say that it refuses, and what."""
    api, judge, contest = site.api(), site.user(), site.contest()
    await_that(lambda: api.get(f"{contest.path}/pair", judge).status_code == 200, "a pair", 30, api.daemon.last_words)
    site.postgres.execute('REVOKE SELECT ON "Image" FROM crucible_watcher')
    try:
        refused = api.get(f"{contest.path}/pair", judge)
        await_that(lambda: not api.ready(), "not ready", 30, api.daemon.last_words)
        said = api.daemon.ready()["postgres"]
        api.daemon.await_event("neighbour.refuses", neighbour="postgres")
        await_that(lambda: api.daemon.metric("crucible_neighbour_refuses", neighbour="postgres") == 1, "the metric", 30)
    finally:
        site.postgres.execute('GRANT SELECT ON "Image" TO crucible_watcher')
    await_that(api.ready, "ready again", 30, api.daemon.last_words)

    assert (refused.status_code, refused.json()["code"]) == (503, "postgres_refuses")
    assert said["refused"]
    assert "permission denied for table Image" in said["detail"]
    assert api.get(f"{contest.path}/pair", judge).status_code == 200

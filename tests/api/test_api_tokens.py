"""Whose token is taken: ours, until it expires, and no other."""

import base64
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.api.site import AUDIENCE, ISSUER, SECRET, Api, Site, bearer, token
from tests.awaiting import await_that

CLAIMS = {"sub": "1", "iss": ISSUER, "aud": AUDIENCE, "exp": 4_000_000_000}


def part(told: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(told).encode()).decode().rstrip("=")


def unsigned(header: dict[str, Any], claims: dict[str, Any]) -> str:
    return f"{part(header)}.{part(claims)}."


def bad_tokens() -> dict[str, str]:
    """Tokens that are not ours, each for one reason: made when they are used, because they expire within minutes."""
    return {
        "another secret": jwt.encode(CLAIMS, "x" * 40, "HS256"),
        "no algorithm": unsigned({"alg": "none", "typ": "JWT"}, CLAIMS),
        "no algorithm, in capitals": unsigned({"alg": "NONE"}, CLAIMS),
        "another algorithm of the same key": jwt.encode(CLAIMS, SECRET.ljust(64, "x"), "HS512"),
        "a foreign audience": token(1, aud="another"),
        "no audience": token(1, aud=None),
        "a foreign issuer": token(1, iss="https://elsewhere.test"),
        "no issuer": token(1, iss=None),
        "no expiry": token(1, exp=None),
        "not valid yet": token(1, nbf=4_000_000_000),
        "issued in the future": token(1, iat=4_000_000_000),
        "issued at no time": token(1, iat=[1]),
        "an expiry beyond all time": token(1, exp=10**400),
        "headers that have to be understood": jwt.encode(CLAIMS, SECRET, "HS256", {"crit": ["x"]}),
        "a name for a number": token("ada"),
        "user zero": token(0),
        "a negative user": token(-1),
        "a user beyond all ids": token(2**31),
        "a number with a sign": token("+1"),
        "digits of another script": token("\u0661"),
        "no subject": unsigned({"alg": "HS256"}, CLAIMS) + "x",
        "an expiry that is no number": token(1, exp="soon"),
        "half a token": token(1)[:-20],
        "no token at all": "hello",
        "three dots": "...",
        "very long": "x" * 5_000,
        "deep": f"{base64.urlsafe_b64encode(b'[' * 2000).decode()}.e30.x",
    }


@pytest.mark.parametrize("name", bad_tokens())
def test_a_token_that_is_not_ours(api: Api, name: str) -> None:
    """401, with the scheme that is wanted, and not a word of what the token holds."""
    answer = api.client.get("/v1/judges/me", headers={"Authorization": f"Bearer {bad_tokens()[name]}"})

    assert answer.status_code == 401, answer.text
    assert answer.json()["code"] == "bad_token"
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.headers["content-type"] == "application/problem+json"


def test_an_expired_token(api: Api) -> None:
    """A code of its own: the client should fetch a new one."""
    answer = api.client.get("/v1/judges/me", headers=bearer(1, exp=int(time.time()) - 60))

    assert (answer.status_code, answer.json()["code"]) == (401, "token_expired")


def test_a_token_is_good_until_it_expires(site: Site) -> None:
    """One that was verified and remembered is no longer taken when its time is over."""
    api = site.api(CRUCIBLE_API__LEEWAY="0")
    user = site.user()
    headers = bearer(user, exp=int(time.time()) + 3)

    first = api.client.get("/v1/judges/me", headers=headers)
    await_that(lambda: api.client.get("/v1/judges/me", headers=headers).status_code == 401, "it expires", 30)

    assert first.status_code == 200
    assert api.close() == 0


@pytest.mark.parametrize("headers", [{}, {"Authorization": ""}, {"Authorization": "Basic YTpi"}])
def test_without_a_token(api: Api, headers: dict[str, str]) -> None:
    """Every route below /v1 wants one, whatever is asked."""
    for path in ("/v1/judges/me", "/v1/crucibles/1", "/v1/crucibles/x/pair", "/v1/crucibles/1/stream"):
        answer = api.client.get(path, headers=headers)

        assert (answer.status_code, answer.json()["code"]) == (401, "no_token"), path


def test_rsa_keys_and_no_confusion(site: Site) -> None:
    """RS256 by a key set; its public key is no shared secret, and its keys sign nothing else."""
    key, stranger = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    file = site.folder / "keys.json"
    file.write_text(json.dumps({"keys": [{**public, "kid": "one", "use": "sig", "alg": "RS256"}]}))
    pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    api = site.api(CRUCIBLE_API__JWKS=str(file), CRUCIBLE_API__HS256_SECRETS="")
    claims = {**CLAIMS, "sub": str(site.user())}

    def status(encoded: str) -> int:
        return api.client.get("/v1/judges/me", headers={"Authorization": f"Bearer {encoded}"}).status_code

    good = jwt.encode(claims, key, "RS256", {"kid": "one"})
    await_that(lambda: status(good) == 200, "the key set is read", 30)
    confused = part({"alg": "HS256", "typ": "JWT", "kid": "one"}) + "." + part(claims)
    mac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    signature = base64.urlsafe_b64encode(mac.sign(confused.encode(), pem)).decode().rstrip("=")

    assert status(f"{confused}.{signature}") == 401
    assert status(jwt.encode(claims, stranger, "RS256", {"kid": "one"})) == 401
    assert status(jwt.encode(claims, SECRET, "HS256")) == 401
    assert status(jwt.encode(claims, key, "PS256", {"kid": "one"})) == 401
    assert status(jwt.encode(claims, stranger, "RS256", {"kid": "two"})) in {401, 503}
    assert api.close() == 0


@pytest.mark.parametrize("lacking", ["ISSUER", "AUDIENCE", "HS256_SECRETS", "PAIR_SECRETS"])
def test_it_does_not_start_without_auth(site: Site, lacking: str) -> None:
    """Exit code 78, and the keys by name."""
    done = site.crucible("run", "--role", "api", without=f"CRUCIBLE_API__{lacking}")

    assert done.returncode == 78, done.stderr
    assert f"CRUCIBLE_API__{lacking}" in done.stderr
    assert SECRET not in done.stderr

"""Signatures, scopes and API keys, over the same handler that the sockets use."""

import base64

import httpx
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from apps.paper.server.auth import sign_headers
from apps.paper.testing import LINEAR, InProcessPaper, SignedAuth, private_key

BALANCE = "/trade-api/v2/portfolio/balance"


def signed(paper: InProcessPaper, *, method: str = "GET", path: str = BALANCE, offset_ms: int = 0) -> dict[str, str]:
    key, _ = private_key("trader-1")
    at = paper.clock.now_ms() + offset_ms
    return dict(sign_headers(key, key_id=paper.key_id("trader-1"), timestamp_ms=at, method=method, path=path))


def get(paper: InProcessPaper, path: str, headers: dict[str, str]) -> httpx.Response:
    with httpx.Client(transport=paper.transport, base_url=paper.base_url) as client:
        return client.get(path, headers=headers)


def test_a_signature_over_the_path_without_its_query_is_accepted(paper: InProcessPaper) -> None:
    answer = get(paper, f"{BALANCE}?subaccount=1", signed(paper))

    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("change", "details"),
    [
        ({"KALSHI-ACCESS-KEY": "00000000-0000-0000-0000-000000000000"}, "API_KEY_NOT_FOUND"),
        ({"KALSHI-ACCESS-SIGNATURE": ""}, "MISSING_HEADERS"),
        ({"KALSHI-ACCESS-SIGNATURE": "not base64!"}, "INCORRECT_API_KEY_SIGNATURE"),
        ({"KALSHI-ACCESS-SIGNATURE": base64.b64encode(b"x" * 256).decode()}, "INCORRECT_API_KEY_SIGNATURE"),
        ({"KALSHI-ACCESS-TIMESTAMP": "yesterday"}, "INVALID_TIMESTAMP"),
        ({"KALSHI-ACCESS-TIMESTAMP": "-1"}, "INVALID_TIMESTAMP"),
    ],
)
def test_a_changed_header_is_refused_with_its_reason(
    paper: InProcessPaper, change: dict[str, str], details: str
) -> None:
    answer = get(paper, BALANCE, signed(paper) | change)

    assert (answer.status_code, answer.json()["details"]) == (401, details)


def test_a_timestamp_counts_only_inside_the_window(paper: InProcessPaper) -> None:
    paper.server.core.keys.window_ms = 10_000

    inside = get(paper, BALANCE, signed(paper, offset_ms=-10_000))
    outside = get(paper, BALANCE, signed(paper, offset_ms=10_001))

    assert inside.status_code == 200
    assert (outside.status_code, outside.json()["details"]) == (401, "TIMESTAMP_OUT_OF_WINDOW")


def test_the_method_and_the_path_are_part_of_what_is_signed(paper: InProcessPaper) -> None:
    other_method = get(paper, BALANCE, signed(paper, method="POST"))
    other_path = get(paper, BALANCE, signed(paper, path="/trade-api/v2/portfolio/orders"))
    without_prefix = get(paper, BALANCE, signed(paper, path="/portfolio/balance"))

    assert [other_method.status_code, other_path.status_code, without_prefix.status_code] == [401, 401, 401]


def test_pkcs1_padding_and_another_salt_length_are_refused(paper: InProcessPaper) -> None:
    key, _ = private_key("trader-1")
    headers = signed(paper)
    message = f"{headers['KALSHI-ACCESS-TIMESTAMP']}GET{BALANCE}".encode()
    long_salt = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.MAX_LENGTH)

    for wrong in (padding.PKCS1v15(), long_salt):
        signature = base64.b64encode(key.sign(message, wrong, hashes.SHA256())).decode()
        answer = get(paper, BALANCE, headers | {"KALSHI-ACCESS-SIGNATURE": signature})
        assert answer.status_code == 401


def test_public_operations_need_no_signature_but_refuse_a_wrong_one(paper: InProcessPaper) -> None:
    path = "/trade-api/v2/exchange/status"

    unsigned = get(paper, path, {})
    wrong = get(paper, path, signed(paper))

    assert unsigned.status_code == 200
    assert wrong.status_code == 401


def test_every_answer_carries_the_date_of_the_exchanges_clock() -> None:
    paper = InProcessPaper(now_ms=1_795_231_596_999)

    first = get(paper, "/trade-api/v2/exchange/status", {}).headers["Date"]
    paper.clock.step(3_600_000)
    later = get(paper, BALANCE, {}).headers["Date"]

    assert first == "Sat, 21 Nov 2026 03:26:36 GMT"
    assert later == "Sat, 21 Nov 2026 04:26:36 GMT"


def test_a_read_key_reads_and_cannot_write(paper: InProcessPaper) -> None:
    with paper.client("reader") as client:
        read = client.get("/portfolio/balance")
        create = client.post("/portfolio/events/orders", json={})
        batch = client.request("DELETE", "/portfolio/events/orders/batched", json={"orders": []})
        cancel = client.delete("/portfolio/events/orders/00000000-0000-0000-0000-000000000000")
        key = client.post("/api_keys/generate", json={"name": "more"})

    assert read.status_code == 200
    assert [create.status_code, batch.status_code, cancel.status_code, key.status_code] == [403] * 4
    assert create.json()["code"] == "insufficient_scope"
    assert paper.truth()["members"][paper.user_id("trader-1")]["orders"] == []


def test_a_generated_key_works_at_once_and_its_private_half_is_told_once(paper: InProcessPaper) -> None:
    with paper.client("trader-2") as client:
        made = client.post("/api_keys/generate", json={"name": "second", "scopes": ["read"]})
        listed = client.get("/api_keys").json()["api_keys"]
    key = serialization.load_pem_private_key(made.json()["private_key"].encode(), password=None)
    assert isinstance(key, rsa.RSAPrivateKey)
    auth = SignedAuth(key, key_id=made.json()["api_key_id"], clock=paper.clock)

    with httpx.Client(transport=paper.transport, base_url=f"{paper.base_url}/trade-api/v2", auth=auth) as client:
        balance = client.get("/portfolio/balance")
        refused = client.post("/portfolio/events/orders", json={})

    assert made.status_code == 201
    assert {row["name"]: row["scopes"] for row in listed} == {"trader-2": ["read", "write"], "second": ["read"]}
    assert "private_key" not in listed[1]
    assert (balance.status_code, refused.status_code) == (200, 403)


def test_a_deleted_key_stops_at_once_and_foreign_keys_cannot_be_deleted(paper: InProcessPaper) -> None:
    with paper.client("trader-1") as client:
        foreign = client.delete(f"/api_keys/{paper.key_id('trader-2')}")
        own = client.delete(f"/api_keys/{paper.key_id('trader-1')}")
        after = client.get("/portfolio/balance")

    assert (foreign.status_code, own.status_code, own.content, after.status_code) == (404, 204, b"", 401)


def test_a_public_key_that_is_not_rsa_2048_is_refused(paper: InProcessPaper) -> None:
    def pem(key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> str:
        return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()

    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key()
    curve = ec.generate_private_key(ec.SECP256R1()).public_key()
    good = private_key("spare")[0].public_key()
    with paper.client("trader-1") as client:
        answers = [
            client.post("/api_keys", json={"name": "n", "public_key": text})
            for text in (pem(weak), pem(curve), "no PEM", pem(good))
        ]
        without_read = client.post("/api_keys", json={"name": "n", "public_key": pem(good), "scopes": ["write"]})
        unknown = client.post("/api_keys", json={"name": "n", "public_key": pem(good), "scopes": ["read", "admin"]})

    assert [answer.status_code for answer in answers] == [400, 400, 400, 201]
    assert (without_read.status_code, unknown.status_code) == (400, 400)


def test_no_answer_and_no_error_carries_a_private_key(paper: InProcessPaper) -> None:
    truth = paper.control_response("GET", "/truth").body + paper.control_response("GET", "/status").body

    assert b"PRIVATE" not in truth
    assert LINEAR.encode() not in truth  # nobody has traded yet: no book is told

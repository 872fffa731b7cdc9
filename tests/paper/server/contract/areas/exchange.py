"""The exchange itself, the account and its API keys."""

from typing import Any

from cryptography.hazmat.primitives import serialization

from apps.paper.testing import private_key
from tests.paper.server.contract.world import Ask, World


def prepare(world: World) -> None:
    with world.paper.client("trader-1") as client:
        world.names["key"] = client.post("/api_keys/generate", json={"name": "to delete"}).json()["api_key_id"]


def registration(world: World) -> dict[str, Any]:
    public = private_key("spare")[0].public_key()
    encoded = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return {"name": "mine", "public_key": encoded.decode(), "scopes": ["read"]}


REQUESTS = [
    Ask("GET", "/exchange/status", 200),
    Ask("GET", "/exchange/schedule", 200),
    Ask("GET", "/exchange/announcements", 200),
    Ask("GET", "/exchange/user_data_timestamp", 200),
    Ask("GET", "/account/limits", 200),
    Ask("GET", "/account/endpoint_costs", 200),
    Ask("GET", "/api_keys", 200),
    Ask("POST", "/api_keys", 201, body=registration),
    Ask("POST", "/api_keys", 400, body={"name": "mine", "public_key": "no key"}),
    Ask("POST", "/api_keys", 400, body={"name": "mine"}),
    Ask("POST", "/api_keys", 403, body=registration, member="reader"),
    Ask("POST", "/api_keys/generate", 201, body={"name": "more"}),
    Ask("POST", "/api_keys/generate", 400, body={"name": "more", "scopes": ["write"]}),
    Ask("DELETE", "/api_keys/{api_key}", 204, "/api_keys/{key}"),
    Ask("DELETE", "/api_keys/{api_key}", 400, "/api_keys/none"),
    Ask("DELETE", "/api_keys/{api_key}", 404, "/api_keys/00000000-0000-4000-8000-000000000000"),
]

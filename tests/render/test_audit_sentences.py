"""Audit entries as sentences."""

from typing import Any

from gamcli.render.audit_sentences import describe_entry
from tests.cases import for_each

OF_ANA: dict[str, Any] = {"user": "ana", "app": "portal"}


@for_each(
    ("action", "target", "details", "sentence"),
    [
        ("key.generate", "K1", OF_ANA, "issued key K1 of ana for portal"),
        ("key.generate", "K2", {**OF_ANA, "replaces": "K1"}, "issued key K2 of ana for portal, which replaces K1"),
        ("key.generate", "batch 1", {"made": 15000, "renewed": 0}, "issued 15,000 keys in batch 1"),
        ("key.generate", "batch 1", {"made": 0, "renewed": 1}, "issued 0 keys in batch 1, and new secrets for 1 key"),
        ("key.rotate", "K2", {**OF_ANA, "replaces": "K1"}, "rotated key K1 of ana for portal: the new key is K2"),
        ("key.revoke", "K1", {**OF_ANA, "reason": "leaked"}, "revoked key K1 of ana for portal: leaked"),
        ("key.revoke", "K1", {**OF_ANA, "reason": None}, "revoked key K1 of ana for portal"),
        ("key.disable", "K1", {**OF_ANA, "reason": "audit"}, "disabled key K1 of ana for portal: audit"),
        ("key.retire", "K1", {**OF_ANA, "retires_at": [None, "T"]}, "retired key K1 of ana for portal"),
        ("key.reissue", "K1", OF_ANA, "issued a new secret for key K1 of ana for portal"),
        ("user.create", "ana", {}, "created user ana"),
        ("user.update", "ana", {"city": ["", "Salto"], "email": ["", "a@x"]}, "updated user ana: city, email"),
        ("user.rename", "evita", {"name": ["eva", "evita"]}, "renamed user eva to evita"),
        ("app.update", "portal", {"enabled": [True, False]}, "disabled application portal"),
        (
            "app.update",
            "portal",
            {"scopes": [["a"], []], "invalidated": ["K1"]},
            "updated application portal: scopes; invalidated 1 key",
        ),
        ("user.delete", "ana", {"invalidated": []}, "deleted user ana"),
        ("auth_type.adopt", "apikey", {}, "adopted authentication type apikey"),
        ("token.prune", "inactive before T", {"tokens": 2}, "deleted 2 tokens inactive before T"),
        ("endpoint.refuse", "-", {"refused": {"a": 1, "b": 2}}, "refused 3 requests"),
        ("thing.happen", "x", "{ no JSON", "happen thing x"),
    ],
)
def test_an_entry_is_a_sentence(action: str, target: str, details: object, sentence: str) -> None:
    assert describe_entry({"action": action, "target": target, "details": details}) == sentence

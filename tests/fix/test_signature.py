"""The logon's signature, from a key in the vault; and nothing else is signed that way."""

import base64

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

from apps.fix.engine.logon import pre_hash
from apps.fix.models import FixSession
from apps.fix.selectors import KINDS, PURPOSES
from apps.vault.allowed import LOGONS
from apps.vault.signing import KeySigner
from tests.support.people import key_pem

KEY_ID = "a952bcbe-ec3b-4b5b-b8f9-11dae589608c"
TEXT = pre_hash(sending_time="20230809-05:28:18.035", msg_seq_num=1, sender_comp_id=KEY_ID, target_comp_id="KalshiNR")


def signer(scopes=("read",)):
    return KeySigner.from_pem(key_id=KEY_ID, pem=key_pem(0), scopes=scopes)


def test_the_text_is_the_documented_one():
    assert f"20230809-05:28:18.035\x01A\x011\x01{KEY_ID}\x01KalshiNR" == TEXT


def test_a_reading_key_may_log_on():
    signature = base64.b64decode(signer().logon_signature(TEXT))
    private = serialization.load_pem_private_key(key_pem(0).encode(), password=None)
    pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.DIGEST_LENGTH)

    private.public_key().verify(signature, TEXT.encode(), pss, hashes.SHA256())


@pytest.mark.parametrize(
    "text",
    [
        "1723000000000POST/trade-api/v2/portfolio/orders",
        TEXT.replace("\x01A\x01", "\x01D\x01"),
        TEXT.replace(KEY_ID, "another-key"),
        TEXT.replace("\x011\x01", "\x01one\x01"),
        TEXT + "\x01more",
        "",
    ],
)
def test_nothing_but_a_logon_of_this_key_is_signed(text):
    with pytest.raises(ValueError, match="not the text of a FIX logon"):
        signer(("read", "write")).logon_signature(text)


def test_a_key_of_the_vault_logs_on_to_the_session_of_its_purpose():
    assert {PURPOSES[kind.value].value: KINDS[kind.value].value for kind in FixSession.Kind} == LOGONS


def test_a_logon_counts_as_a_use():
    one = signer()
    one.logon_signature(TEXT)

    assert one.uses_take()[0] == 1

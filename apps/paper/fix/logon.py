"""Who may log on, and with which flags (docs: fix/authentication, listener-sessions, session-management)."""

import base64
import binascii
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from apps.paper.fix.codec import BEGIN_STRING, Fields, Message, encode
from apps.paper.fix.dictionary import ENTRY, RETRANSMITS
from apps.paper.fix.session import Session
from apps.paper.fix.validation import Body, SessionReject, check, format_time
from apps.paper.server.auth import AccessKey
from apps.paper.server.buckets import DEFAULT_COST

if TYPE_CHECKING:
    from apps.paper.fix.gateway import Gateway
    from apps.paper.fix.peer import Peer

SOH = "\x01"
DEFAULT_HEARTBEAT = 30  # seconds; only margin sessions may leave it out
MOST_HEARTBEAT = 3600
MOST_RETENTION = 72  # hours
FLAGS = (8013, 20126, 20127, 20200, 21003, 21005, 21006, 21007, 21008, 21011, 21012, 21026)

_PSS = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.DIGEST_LENGTH)
_SHA256 = hashes.SHA256()


class Refused(Exception):
    """A logon that fails. The text goes into the Logout."""


def log_on(gateway: "Gateway", peer: "Peer", message: Message) -> None:
    """Answer the first message of a connection: a session begins, or the connection ends."""
    if message.msg_type != "A":
        peer.abort()
        return
    session: Session | None = None
    try:
        key = _key(gateway, peer, message)
        body = _checked(gateway, peer, message)
        if not verify(message, key):
            raise Refused("signature verification failed")
        session = gateway.session_for(peer.door, key)
        _admit(gateway, session, body, key)
        _begin(gateway, session, peer, body)
    except Refused as refusal:
        _log_out(gateway, peer, message, str(refusal), seq=session.next_out if session and session.retransmits else 1)


def verify(message: Message, key: AccessKey) -> bool:
    """Whether RawData signs this very message: SendingTime, MsgType, MsgSeqNum and both CompIDs as they are in it."""
    parts = (message.first(52), message.msg_type, message.first(34), message.first(49), message.first(56))
    text = SOH.join(part or "" for part in parts)
    try:
        signature = base64.b64decode(message.first(96) or "", validate=True)
        key.public_key.verify(signature, text.encode(), _PSS, _SHA256)
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def _key(gateway: "Gateway", peer: "Peer", message: Message) -> AccessKey:
    if message.fields[0][1] != BEGIN_STRING:
        raise Refused("Incorrect BeginString")
    if message.first(56) != peer.target:
        raise Refused(f"TargetCompID must be {peer.target} on this port")
    key = gateway.core.keys.get(message.first(49) or "")
    if key is None or not gateway.exchange.members[key.user_id].keeps_history:
        raise Refused("unknown SenderCompID")
    return key


def _checked(gateway: "Gateway", peer: "Peer", message: Message) -> Body:
    seq = message.first(34)
    if seq is None or not seq.isdigit() or len(seq) > 15:
        raise Refused("MsgSeqNum is missing")
    try:
        gateway.check_time(message)
        return check(message, peer.door.specs["A"])
    except SessionReject as wrong:
        fields: Fields = [(45, seq), (371, str(wrong.tag)), (372, "A"), (373, str(wrong.reason)), (58, wrong.text)]
        peer.put(_unattached(gateway, message, "3", fields, seq=1), msg_type="3")
        _log_out(gateway, peer, message, wrong.text, seq=2)
        raise Refused("") from wrong


def _unattached(gateway: "Gateway", message: Message, msg_type: str, body: Fields, *, seq: int) -> bytes:
    """A message to somebody who is not logged on; it takes no number of any session."""
    mine = message.first(56) if gateway.rules.sender_comp_id == "session" else "Kalshi"
    header = [(49, mine or ""), (56, message.first(49) or ""), (34, str(seq)), (52, format_time(gateway.now_ms()))]
    return encode(msg_type, header, body)


def _log_out(gateway: "Gateway", peer: "Peer", message: Message, text: str, *, seq: int) -> None:
    if peer.closed or not text:
        return
    peer.put(_unattached(gateway, message, "5", [(58, text)], seq=seq), msg_type="5")
    peer.close()


def _admit(gateway: "Gateway", session: Session, body: Body, key: AccessKey) -> None:
    core, target = gateway.core, session.target
    budget = {"tier": core.tier(key.user_id), "now_ms": core.clock.monotonic_ms()}
    hit = gateway.faults.take(frozenset({"refuse_logon"}), session=session.door.name, user_id=key.user_id, msg_type="A")
    if hit is not None:
        raise Refused(hit.text or "logon refused")
    if not core.budgets.take(key.user_id, "write", DEFAULT_COST, **budget):  # type: ignore[arg-type]
        raise Refused("rate limit exceeded")
    if key.key_id in gateway.active:
        raise Refused("already exists")
    if gateway.exchange.in_maintenance:
        raise Refused("scheduled maintenance")
    _check_flags(session, body, key)
    if not body.flag(141):
        if target not in RETRANSMITS:
            raise Refused(f"ResetSeqNumFlag<141> must be Y on {target}")
        if body.seq < session.next_in:
            raise Refused(f"MsgSeqNum too low, expecting {session.next_in} but received {body.seq}")
    elif body.seq != 1:
        raise Refused("MsgSeqNum must be 1 with ResetSeqNumFlag<141>=Y")


def _check_flags(session: Session, body: Body, key: AccessKey) -> None:
    target, least = session.target, session.door.least_heartbeat
    if not least <= _heartbeat(body) <= MOST_HEARTBEAT:
        raise Refused(f"HeartBtInt<108> must be {least} to {MOST_HEARTBEAT}")
    if body.flag(20126):
        if target not in ENTRY:
            raise Refused("ListenerSession<20126> is for KalshiNR and KalshiRT only")
        if not (body.flag(21011) or body.flag(21003)):
            raise Refused("ListenerSession<20126> requires SkipPendingExecReports<21011>=Y")
        if body.flag(8013):
            raise Refused("CancelOrdersOnDisconnect<8013> must be N with ListenerSession<20126>")
    if body.flag(20127) and target not in RETRANSMITS:
        raise Refused("ReceiveSettlementReports<20127> is for KalshiRT and KalshiPT only")
    retention = body.whole(20200)
    if retention is not None:
        if target not in RETRANSMITS:
            raise Refused("MessageRetentionPeriod<20200> is for KalshiRT and KalshiPT only")
        if not 1 <= retention <= MOST_RETENTION:
            raise Refused(f"MessageRetentionPeriod<20200> must be 1 to {MOST_RETENTION}")
    if body.flag(8013) and "write" not in key.scopes:
        raise Refused("CancelOrdersOnDisconnect<8013> needs a key with write scope")


def _heartbeat(body: Body) -> int:
    given = body.whole(108)
    return DEFAULT_HEARTBEAT if given is None else given


def _begin(gateway: "Gateway", session: Session, peer: "Peer", body: Body) -> None:
    reset = body.flag(141)
    flags = {str(tag): value for tag in FLAGS if (value := body.get(tag)) is not None}
    gateway.active[session.key_id] = session
    gateway.sessions[session.session_id] = session
    session.attach(peer, flags=flags, reset=reset)
    heartbeat = _heartbeat(body)
    peer.begin(session, heartbeat)
    answer: Fields = [(98, "0"), (108, str(heartbeat)), *([(141, "Y")] if reset else []), (1137, "9")]
    if body.seq == session.next_in:
        session.next_in += 1
        session.keep()
        session.send("A", answer)
    else:
        session.send("A", answer)
        session.ask_again()

"""What OKX's answers prove: one table of error codes, and the readers of operation replies.

Rules:
1. A code of the table decides, by the kind of request that it answers.
2. HTTP 5xx and what is not JSON prove nothing (UNKNOWN), whatever they say.
3. A code that is not in the table: inside a well-formed item (sCode) it refuses that item, unless
   a create's item carries an ordId; at the top with no item it proves nothing.
Codes: OKX v5 documents, "Error code", read 2026-11.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from router.enums import RequestKind
from workers.venue import Answer, Cancel, Command, Place, Proof, RestReply, Unreadable, Verdict

Frame = Mapping[str, Any]

OPS: dict[str, RequestKind] = {
    "order": RequestKind.CREATE,
    "batch-orders": RequestKind.CREATE,
    "cancel-order": RequestKind.CANCEL,
    "batch-cancel-orders": RequestKind.CANCEL,
    "amend-order": RequestKind.MODIFY,
    "batch-amend-orders": RequestKind.MODIFY,
}

# The texts of 50004 and 51149 say that the outcome is open. 50001, 50005, 50013, 50026, 51054,
# 60001, 63999 and 64007 promise nothing either way; UNKNOWN is the safe reading. 51412: the
# cancel timed out inside the venue.
_UNKNOWN = "50001 50004 50005 50013 50026 51054 51149 51412 60001 63999 64007"
# Not acted on. 51513: more than 3 amends of one order in flight.
_THROTTLED = "50011 50040 50061 51513 60014 60023"
# 50024 to 50030 stand for account restrictions and missing permission; 50026 is above.
_LOCKED_OUT = """
    50024 50027 50028 50029 50030 50100 60004 60005 60006 60007 60008 60009 60011 60024 60031
    60032
"""
# Refused for good. 51016 and 50071 (duplicate client id) say that *this* request made no order.
_REJECTED = """
    50014 50015 50036 50037 50071 50072 51000 51001 51004 51005 51006 51008 51010 51016 51019
    51020 51021 51022 51023 51024 51071 51101 51102 51103 51104 51105 51106 51112 51116 51121
    51127 51131 51137 51138 51155 51169 51170 51174 51201 51202 51205 51403 51404 51407 51408
    51413 51500 51502 51506 51511 51512 60012 60013 60018 60019 60028 64001 64002 64003
"""
# The order has ended, is ending, or is unknown; 51400 is one code for three situations.
_GONE = "51400 51401 51402 51405 51410 51503 51509 51510 51603"

PROOFS: dict[str, Proof] = {
    **dict.fromkeys(_UNKNOWN.split(), Proof.UNKNOWN),
    **dict.fromkeys(_THROTTLED.split(), Proof.THROTTLED),
    **dict.fromkeys(_LOCKED_OUT.split(), Proof.LOCKED_OUT),
    **dict.fromkeys(_REJECTED.split(), Proof.REJECTED),
    **dict.fromkeys(_GONE.split(), Proof.GONE),
}
#: Whole families: 501xx is credentials and permission, 54xxx are refusals.
_FAMILIES = {"501": Proof.LOCKED_OUT, "54": Proof.REJECTED}
_ABSENT = "51603"


def proof(code: str, kind: RequestKind | None, otherwise: Proof) -> Proof:
    """Return what ``code`` proves about a request of ``kind`` (None: a query).

    ``otherwise`` is for codes that the table does not know. 51008_1000 counts as 51008.
    """
    bare = code.partition("_")[0]
    found = PROOFS.get(bare) or _family(bare) or otherwise
    if found is not Proof.GONE:
        return found
    if kind is None:
        return Proof.ABSENT if bare == _ABSENT else Proof.UNKNOWN
    # A create cannot be answered so; if it is, we do not know what happened.
    return Proof.UNKNOWN if kind is RequestKind.CREATE else Proof.GONE


def _family(code: str) -> Proof | None:
    if len(code) != 5:
        return None
    return next((found for start, found in _FAMILIES.items() if code.startswith(start)), None)


def refusal(code: str, text: str, found: Proof, sub_code: str = "") -> Verdict:
    """Return a verdict whose reason is "code text", and never empty."""
    extra = f" (subCode {sub_code})" if sub_code else ""
    return Verdict(found, code, f"{code or 'no code'} {text or 'no text given'}{extra}")


def read_operation(frame: Frame, text: str) -> list[Answer | Unreadable]:
    """Return one answer for each item of an operation's reply.

    A reply without items (the request was not even looked at) gives one for the whole request.
    """
    request_id, op = frame.get("id"), frame.get("op")
    kind = OPS.get(op) if type(op) is str else None
    if type(request_id) is not str or not request_id or kind is None:
        return [Unreadable("a reply without id or of an unknown op", text)]
    data = frame.get("data")
    if type(data) is list and data:
        return [
            item_answer(frame, item, kind, request_id, index) for index, item in enumerate(data)
        ]
    return [Answer(request_id, top_verdict(frame, kind, Proof.UNKNOWN), whole=True)]


def top_verdict(frame: Frame, kind: RequestKind | None, otherwise: Proof) -> Verdict:
    """Return what a frame or reply without items proves; never DONE."""
    code = _text(frame, "code")
    if code == "0":
        return Verdict(Proof.UNKNOWN, code, "0 no item in the reply")
    return refusal(code, _text(frame, "msg"), proof(code, kind, otherwise))


def item_answer(
    frame: Frame, item: object, kind: RequestKind, request_id: str = "", index: int = 0
) -> Answer:
    """Return what one item of a reply proves."""
    if type(item) is not dict:
        wrong = Verdict(Proof.UNKNOWN, "", f"unreadable item: {item!r:.80}")
        return Answer(request_id, wrong, index=index)
    venue_id = _text(item, "ordId")
    code = _text(item, "sCode") or _text(frame, "code")
    if code == "0":
        verdict = Verdict(Proof.DONE, code)
    else:
        made = kind is RequestKind.CREATE and venue_id
        otherwise = Proof.UNKNOWN if made or not code else Proof.REJECTED
        found = proof(code, kind, otherwise)
        message = _text(item, "sMsg") or _text(frame, "msg")
        verdict = refusal(code, message, found, _text(item, "subCode"))
    when = _when(frame, item, kind)
    return Answer(request_id, verdict, _text(item, "clOrdId"), venue_id, index, ts_ms=when)


def _when(frame: Frame, item: Frame, kind: RequestKind) -> int:
    # "ts" is the order's creation time in cancel and amend acks: "Cancel order (WS)", read
    # 2026-11; outTime is the gateway's, in microseconds.
    ts = _text(item, "ts") if kind is RequestKind.CREATE else ""
    if ts.isdecimal() and len(ts) <= 20:
        return int(ts)
    out = _text(frame, "outTime")
    return int(out) // 1000 if out.isdecimal() and len(out) <= 20 else 0


def read_command(reply: RestReply, command: Command) -> Answer:
    """Return what a REST reply to one command proves."""
    kind = _kind(command)
    envelope = read_json(reply)
    data = envelope.get("data") if envelope else None
    if envelope is None or reply.status >= 500:
        verdict = http_verdict(reply)
    elif type(data) is list and data:
        answer = item_answer(envelope, data[0], kind)
        return Answer(
            "",
            answer.verdict,
            answer.client_id or command.client_id,
            answer.venue_id,
            ts_ms=answer.ts_ms,
        )
    else:
        verdict = top_verdict(envelope, kind, status_proof(reply.status))
    return Answer("", verdict, command.client_id)


def _kind(command: Command) -> RequestKind:
    if isinstance(command, Place):
        return RequestKind.CREATE
    return RequestKind.CANCEL if isinstance(command, Cancel) else RequestKind.MODIFY


def read_json(reply: RestReply) -> dict[str, Any] | None:
    """Return the reply's JSON object; None if it is none (an HTML page of a proxy)."""
    try:
        envelope = orjson.loads(reply.text)
    except orjson.JSONDecodeError:
        return None
    return envelope if type(envelope) is dict else None


def http_verdict(reply: RestReply) -> Verdict:
    """Return what a reply proves by its HTTP status alone; the body is only quoted."""
    envelope = read_json(reply)
    code = _text(envelope, "code") if envelope else ""
    said = _text(envelope, "msg") if envelope else "a body that is not OKX's JSON"
    reason = f"HTTP {reply.status} {code} {said}".replace("  ", " ").strip()
    return Verdict(status_proof(reply.status), code or str(reply.status), reason)


def status_proof(status: int) -> Proof:
    """Return what an HTTP status proves where no known code says more."""
    if status == 429:
        return Proof.THROTTLED
    return Proof.LOCKED_OUT if status in (401, 403) else Proof.UNKNOWN


def _text(item: Frame, key: str) -> str:
    value = item.get(key)
    return value if type(value) is str else ""

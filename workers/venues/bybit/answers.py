"""Read what Bybit answers to commands, by WebSocket and by REST.

Rules, beside those of ``workers/venues/codes.py``:
1. retCode 0 says that the request was taken; what became of it says the order stream.
2. A code that the table does not know proves nothing.
3. A refusal by WebSocket names its request by reqId alone. One shape of the venue's has neither
   that nor a code: it proves nothing, and the request's own deadline passes.
"""

from router.enums import RequestKind
from workers.venue import (
    Answer,
    ClockOff,
    ClosingSoon,
    Command,
    Proof,
    RestReply,
    VenueEvent,
    Verdict,
)
from workers.venues.bybit.words import CLOCK_CODE, CODES, KIND_OF_OP, RESTARTING
from workers.venues.codes import http_verdict, refusal, status_proof
from workers.venues.commands import kind_of
from workers.venues.fields import Item, json_object, said

_DONE = Verdict(Proof.DONE, "0")


def code_of(body: Item) -> str:
    """Return the retCode as text; "" if there is none."""
    code = body.get("retCode")
    return str(code) if type(code) is int else ""


def verdict(body: Item, kind: RequestKind | None, otherwise: Proof) -> Verdict:
    """Return what a refusal proves; never DONE. ``otherwise``: for codes not in the table."""
    code, words = code_of(body), said(body, "retMsg") or said(body, "ret_msg")
    if code in ("", "0"):
        return refusal(code, words, Proof.UNKNOWN)
    return refusal(code, words, CODES.proof(code, kind, otherwise))


def read_operation(frame: Item) -> list[VenueEvent]:
    """Return the answer to an order request, and what else its code says."""
    request_id = said(frame, "reqId")
    if code_of(frame) == "0":
        return [_taken(request_id, frame.get("data"))]
    # A create is told no more than that it is to be asked for, so it is the safest guess.
    kind = KIND_OF_OP.get(said(frame, "op"), RequestKind.CREATE)
    found = verdict(frame, kind, Proof.UNKNOWN)
    answer = Answer(request_id, found)
    if found.code == CLOCK_CODE:
        return [answer, ClockOff(found.reason)]
    if found.code == RESTARTING:
        return [answer, ClosingSoon(found.reason)]
    return [answer]


def _taken(request_id: str, ids: object, client_id: str = "") -> Answer:
    item: Item = ids if type(ids) is dict else {}
    return Answer(request_id, _DONE, client_id or said(item, "orderLinkId"), said(item, "orderId"))


def read_command(reply: RestReply, command: Command) -> Answer:
    """Return what a REST reply to one command proves."""
    body, kind = json_object(reply.text), kind_of(command)
    if body is None or reply.status >= 500 or not code_of(body):
        return Answer("", http_verdict(reply, "retCode", "retMsg", kind), command.client_id)
    if code_of(body) == "0" and reply.status == 200:
        return _taken("", body.get("result"), command.client_id)
    found = verdict(body, kind, status_proof(reply.status, kind))
    return Answer("", found, command.client_id)

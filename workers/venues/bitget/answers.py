"""Read what Bitget answers to commands, by WebSocket and by REST.

Rules, beside those of ``workers/venues/codes.py``:
1. Success says that the request was taken; what became of it says the order channel.
2. A code that the table does not know proves nothing.
3. A refusal by WebSocket is bare: id, code, text. It does not say what it refuses, so a code that
   says that an order is gone is GONE whatever was asked.
4. HTTP 429 proves nothing about a command, whatever its body says: see ``CODES``.
"""

from dataclasses import replace

from router.enums import RequestKind
from workers.venue import (
    Answer,
    ClockOff,
    Command,
    Proof,
    RestReply,
    Unreadable,
    VenueEvent,
    Verdict,
)
from workers.venues.bitget.words import CLOCK_CODES, CODES
from workers.venues.codes import http_verdict, refusal, status_proof
from workers.venues.commands import kind_of
from workers.venues.fields import Item, json_object, said

OK = "00000"  # REST's; frames say "0"


_DONE = Verdict(Proof.DONE, "0")


def code_of(item: Item) -> str:
    """Return the code as text, which is a number in some frames; "" if there is none."""
    code = item.get("code")
    return str(code) if type(code) is int else said(item, "code")


def verdict(item: Item, kind: RequestKind | None, otherwise: Proof) -> Verdict:
    """Return what a refusal proves; never DONE. ``otherwise``: for codes not in the table."""
    code, words = code_of(item), said(item, "msg")
    if code in ("", "0", OK):
        return refusal(code, words, Proof.UNKNOWN)
    return refusal(code, words, CODES.proof(code, kind, otherwise))


def read_operation(frame: Item, text: str) -> list[VenueEvent]:
    """Return the answers to an order request that was looked at."""
    request_id, items = said(frame, "id"), frame.get("args")
    if not request_id:
        return [Unreadable("an answer to nothing that we sent", text)]
    if type(items) is not list or not items or type(items[0]) is not dict:
        return _refused(request_id, {**frame, "code": ""})
    [item, *_] = items  # a frame of ours asks for one thing
    if code_of(item) not in ("", "0") or code_of(frame) != "0":
        return _refused(request_id, item if code_of(item) not in ("", "0") else frame)
    return [_taken(request_id, item)]


def read_refusal(frame: Item) -> list[VenueEvent]:
    """Return the answer in an error that names a request, and what else its code says."""
    return _refused(said(frame, "id"), frame)


def _refused(request_id: str, item: Item) -> list[VenueEvent]:
    found = verdict(item, RequestKind.CANCEL, Proof.UNKNOWN)
    answer = Answer(request_id, found)
    return [answer, ClockOff(found.reason)] if found.code in CLOCK_CODES else [answer]


def _taken(request_id: str, item: Item, client_id: str = "") -> Answer:
    return Answer(request_id, _DONE, client_id or said(item, "clientOid"), said(item, "orderId"))


def read_command(reply: RestReply, command: Command) -> Answer:
    """Return what a REST reply to one command proves."""
    body, kind = json_object(reply.text), kind_of(command)
    ids = body.get("data") if body is not None else None
    if body is not None and code_of(body) == OK and reply.status == 200 and type(ids) is dict:
        return _taken("", ids, command.client_id)
    if body is None or reply.status >= 500 or not code_of(body):
        found = http_verdict(reply, "code", "msg", kind)
    else:
        found = verdict(body, kind, status_proof(reply.status, kind))
    if reply.status == 429:
        found = replace(found, proof=Proof.UNKNOWN)
    return Answer("", found, command.client_id)

"""What Binance's answers prove: its error codes, and the readers of replies to commands.

Rules, beside those of ``workers/venues/codes.py``:
1. 5xx and 408 prove nothing but by their text: of the four faces of 503 two say "not done".
2. A code that is not in the table refuses the request, if a 4xx reply names it.
3. A reply names no method, only our id: -2011 and -2013 are GONE whatever was asked.
"""

from dataclasses import replace

from router.enums import RequestKind
from workers.venue import (
    Answer,
    ClockOff,
    Command,
    Instruments,
    Proof,
    RestReply,
    Unreadable,
    VenueEvent,
    Verdict,
)
from workers.venues.binance.reports import order
from workers.venues.codes import Codes, refusal, status_proof
from workers.venues.commands import kind_of
from workers.venues.fields import Item, Malformed, json_object, said, text
from workers.venues.reading import listed

# "Error codes" and "General Info" of both products, read 2026-11. -1001 and -1016 are said to be
# failures; asking once costs less than a second order. -4116: this copy made no order, but one
# with its client id is open, which may be an earlier copy of it.
CODES = Codes(
    {
        Proof.UNKNOWN: "-1000 -1001 -1006 -1007 -1016 -4116",
        Proof.THROTTLED: "-1003 -1008 -1015",
        Proof.LOCKED_OUT: "-1022 -2014 -2015",
        Proof.REJECTED: """
            -1021 -1102 -1106 -1111 -1121 -1125 -1130 -2010 -2018 -2019 -2021 -2022 -2025 -2027
            -2028 -4001 -4002 -4003 -4004 -4005 -4013 -4014 -4015 -4016 -4023 -4024 -4061 -4062
            -4087 -4088 -4118 -4120 -4131 -4140 -4141 -4164 -4192 -4400 -4401 -4531 -5021 -5022
            -5024 -5025 -5026 -5027 -5028 -5029 -5040 -5047
        """,
        # Never existed, filled, canceled, or not visible yet: one answer for all of them.
        Proof.GONE: "-2011 -2013",
    },
    absent=["-2013"],
)
CLOCK_CODES = frozenset({"-1021", "-5028"})
_UNAVAILABLE = "Service Unavailable."  # the face of 503 that failed for sure and has no code
_DONE = Verdict(Proof.DONE)
_DUPLICATE = "Duplicate order sent."  # spot's -4116; its -2010 stands for other refusals too


def error_verdict(status: int, error: object, kind: RequestKind | None) -> Verdict:
    """Return what an error ``{"code", "msg"}`` proves; ``status`` is HTTP's or of that kind."""
    body: Item = error if type(error) is dict else {}
    number, words = body.get("code"), said(body, "msg")
    code = str(number) if type(number) is int else ""
    return refusal(code or f"HTTP {status}", words, _proof(status, code, words, kind))


def _proof(status: int, code: str, words: str, kind: RequestKind | None) -> Proof:
    if status == 418:
        return Proof.LOCKED_OUT  # banned, and each further request prolongs it
    refused = Proof.REJECTED if code and 400 <= status < 500 else Proof.UNKNOWN
    by_status = status_proof(status, kind)
    found = CODES.proof(code, kind, by_status if by_status is not Proof.UNKNOWN else refused)
    if words == _DUPLICATE or status == 408:
        return Proof.UNKNOWN
    if status >= 500 and found is not Proof.THROTTLED:
        return Proof.THROTTLED if (status, words) == (503, _UNAVAILABLE) else Proof.UNKNOWN
    return found


def read_reply(frame: Item, frame_text: str, instruments: Instruments) -> list[VenueEvent]:
    """Return the answer to an order request by WebSocket; its success carries the order."""
    request_id, status = said(frame, "id"), frame.get("status")
    if not request_id:
        return [Unreadable("a reply to nothing that we sent", frame_text)]
    if status == 200 and "error" not in frame:
        return [_done(request_id, frame.get("result"), instruments)]
    number = status if type(status) is int else 0
    found = error_verdict(number, frame.get("error"), RequestKind.CANCEL)
    answer = Answer(request_id, found)
    return [answer, ClockOff(found.reason)] if found.code in CLOCK_CODES else [answer]


def _done(request_id: str, result: object, instruments: Instruments) -> Answer:
    """Return that the request was taken, with the order as far as the reply shows it."""
    if type(result) is not dict:
        return Answer(request_id, _DONE)
    try:
        report = order(result, listed(instruments, text(result, "symbol")))
    except (Malformed, ArithmeticError):
        venue_id = result.get("orderId")
        return Answer(request_id, _DONE, venue_id=str(venue_id) if type(venue_id) is int else "")
    return Answer(request_id, _DONE, report.client_id, report.venue_id, 0, report)


def read_command(reply: RestReply, command: Command) -> Answer:
    """Return what a REST reply to one command proves."""
    body = json_object(reply.text)
    if body is not None and reply.status == 200 and "orderId" in body:
        answer = _done("", body, Instruments([command.instrument]))
        return replace(answer, client_id=command.client_id)
    return Answer("", error_verdict(reply.status, body, kind_of(command)), command.client_id)

"""Read what OKX answers to commands: operation replies by WebSocket and by REST.

Rules, beside those of ``workers/venues/codes.py``: a code that the table does not know refuses its
item inside a well-formed one (sCode), unless a create's item carries an ordId; at the top, with no
item, it proves nothing.
"""

from router.enums import RequestKind
from workers.venue import Answer, Command, Proof, RestReply, Unreadable, Verdict
from workers.venues.codes import http_verdict, refusal, status_proof
from workers.venues.commands import kind_of
from workers.venues.fields import Item, json_object, said
from workers.venues.okx.words import CODES, KIND_OF_OP

_DONE = Verdict(Proof.DONE, "0")


def read_operation(frame: Item, text: str) -> list[Answer | Unreadable]:
    """Return one answer for each item of an operation's reply.

    A reply without items (the request was not even looked at) gives one for the whole request.
    """
    request_id, op = frame.get("id"), frame.get("op")
    kind = KIND_OF_OP.get(op) if type(op) is str else None
    if type(request_id) is not str or not request_id or kind is None:
        return [Unreadable("a reply without id or of an unknown op", text)]
    data = frame.get("data")
    if type(data) is list and data:
        return [item_answer(frame, item, kind, request_id, at) for at, item in enumerate(data)]
    return [Answer(request_id, top_verdict(frame, kind, Proof.UNKNOWN), whole=True)]


def top_verdict(frame: Item, kind: RequestKind | None, otherwise: Proof) -> Verdict:
    """Return what a frame or reply without items proves; never DONE."""
    code = said(frame, "code")
    if code == "0":
        return Verdict(Proof.UNKNOWN, code, "0 no item in the reply")
    return refusal(code, said(frame, "msg"), CODES.proof(code, kind, otherwise))


def item_answer(
    frame: Item, item: object, kind: RequestKind, request_id: str = "", index: int = 0
) -> Answer:
    """Return what one item of a reply proves."""
    if type(item) is not dict:
        wrong = Verdict(Proof.UNKNOWN, "", f"unreadable item: {item!r:.80}")
        return Answer(request_id, wrong, index=index)
    venue_id = said(item, "ordId")
    code = said(item, "sCode") or said(frame, "code")
    if code == "0":
        verdict = _DONE
    else:
        made = kind is RequestKind.CREATE and venue_id
        found = CODES.proof(code, kind, Proof.UNKNOWN if made or not code else Proof.REJECTED)
        sub_code = said(item, "subCode")
        more = f" (subCode {sub_code})" if sub_code else ""
        verdict = refusal(code, said(item, "sMsg") or said(frame, "msg"), found, more)
    return Answer(request_id, verdict, said(item, "clOrdId"), venue_id, index)


def read_command(reply: RestReply, command: Command) -> Answer:
    """Return what a REST reply to one command proves."""
    kind, client_id = kind_of(command), command.client_id
    envelope = json_object(reply.text)
    if envelope is None or reply.status >= 500:
        return Answer("", http_verdict(reply, "code", "msg", kind), client_id)
    data = envelope.get("data")
    if type(data) is not list or not data:
        return Answer("", top_verdict(envelope, kind, status_proof(reply.status, kind)), client_id)
    found = item_answer(envelope, data[0], kind)
    return Answer("", found.verdict, found.client_id or client_id, found.venue_id)

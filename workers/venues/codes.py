"""What error codes and HTTP statuses prove: one table a venue, read by the same rules for all.

Rules:
1. A code of the table decides, by the kind of request that it answers.
2. A code that says that an order is gone proves nothing about a create, and nothing to a query
   but for the codes that say cleanly "no such order".
3. A code that the table does not know proves what the caller holds to be safe, never DONE.
4. HTTP 5xx and what is not the venue's JSON prove nothing, whatever they say.
5. A query that its status says was one too many is THROTTLED even where its code proves nothing
   about a command: nothing hangs on a query but when to ask again.
"""

from collections.abc import Iterable, Mapping

from router.enums import RequestKind
from workers.venue import Proof, RestReply, Verdict
from workers.venues.fields import json_object, said


class Codes:
    """A venue's error codes, and what each proves.

    ``rows`` holds codes separated by blanks; ``families`` the first characters of whole families
    of codes of ``length``, for codes that have no row; ``absent`` the codes of GONE by which a
    query is answered cleanly that there is no such order.
    """

    def __init__(
        self,
        rows: Mapping[Proof, str],
        *,
        absent: Iterable[str],
        families: Mapping[str, Proof] | None = None,
        length: int = 0,
    ) -> None:
        self.rows = {code: found for found, codes in rows.items() for code in codes.split()}
        self._families = families or {}
        self._length = length
        self._absent = frozenset(absent)

    def __repr__(self) -> str:
        return f"Codes({len(self.rows)})"

    def proof(self, code: str, kind: RequestKind | None, otherwise: Proof) -> Proof:
        """Return what ``code`` proves about a request of ``kind`` (None: a query).

        ``otherwise`` is for codes that the table does not know. 51008_1000 counts as 51008.
        """
        code = code.partition("_")[0]
        found = self.rows.get(code) or self._family(code) or otherwise
        if kind is None and found is Proof.UNKNOWN:
            return otherwise if otherwise is Proof.THROTTLED else found
        if found is not Proof.GONE:
            return found
        if kind is None:
            return Proof.ABSENT if code in self._absent else Proof.UNKNOWN
        # A create cannot be answered so; if it is, we do not know what happened.
        return Proof.UNKNOWN if kind is RequestKind.CREATE else Proof.GONE

    def _family(self, code: str) -> Proof | None:
        if len(code) != self._length:
            return None
        return next((of for start, of in self._families.items() if code.startswith(start)), None)


def refusal(code: str, text: str, found: Proof, more: str = "") -> Verdict:
    """Return a verdict whose reason is "code text", and never empty."""
    return Verdict(found, code, f"{code or 'no code'} {text or 'no text given'}{more}")


def status_proof(status: int, kind: RequestKind | None) -> Proof:
    """Return what an HTTP status proves about a request of ``kind`` (None: a query).

    For where no known code says more.
    """
    # 403 without a code is a gateway's: the address sent too much ("Rate limit rules" of Bybit,
    # read 2026-07: for ten minutes at least; "HTTP return codes" of Binance, read 2026-11), or is
    # not served at all (US). Asking less cures the first. A command is refused by both, and for
    # longer than it is good for; sent again, it would only count against the address.
    if status == 429 or (status == 403 and kind is None):
        return Proof.THROTTLED
    return Proof.LOCKED_OUT if status in (401, 403) else Proof.UNKNOWN


def http_verdict(
    reply: RestReply, code_key: str, text_key: str, kind: RequestKind | None
) -> Verdict:
    """Return what a reply proves by its HTTP status alone; what its body says is only quoted."""
    body = json_object(reply.text) or {}
    code, text = said(body, code_key), said(body, text_key) or "a body that is not the venue's"
    reason = " ".join(part for part in (f"HTTP {reply.status}", code, text) if part)
    return Verdict(status_proof(reply.status, kind), code or str(reply.status), reason)

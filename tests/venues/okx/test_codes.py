"""OKX's table of codes beyond what the conformance suite asks of it: families and single rows."""

import pytest

from router.enums import RequestKind
from router.outcomes import Action, act
from tests.venues.okx.sample import CODES as SHEET
from workers.venue import Proof
from workers.venues.okx.words import CODES

#: What the worker does about an answer with such a code: to a create, and to a cancel or modify.
DONE_ABOUT = {
    Proof.UNKNOWN: (Action.CLIMB, Action.CLIMB),
    Proof.THROTTLED: (Action.PAUSE, Action.PAUSE),
    Proof.LOCKED_OUT: (Action.REFUSE, Action.REFUSE),
    Proof.REJECTED: (Action.REFUSE, Action.ASK),
    Proof.GONE: (Action.CLIMB, Action.ASK),
}
COMMANDS = (RequestKind.CREATE, RequestKind.CANCEL, RequestKind.MODIFY)


@pytest.mark.parametrize("proven", DONE_ABOUT)
def test_the_worker_knows_what_to_do_about_every_code(proven: Proof) -> None:
    create, change = DONE_ABOUT[proven]
    expected = {RequestKind.CREATE: create, RequestKind.CANCEL: change, RequestKind.MODIFY: change}
    for code in SHEET[proven].split():
        proofs = {kind: CODES.proof(code, kind, Proof.DONE) for kind in COMMANDS}
        done = {kind: act(kind, found) for kind, found in proofs.items()}
        assert (code, done) == (code, expected)
        # Nothing but a climb may follow a second copy's refusal: it may speak of the first.
        again = act(RequestKind.CREATE, proofs[RequestKind.CREATE], sent_before=True)
        assert again in (Action.CLIMB, Action.PAUSE)


@pytest.mark.parametrize("code", SHEET[Proof.GONE].split())
def test_gone_answers_no_create_and_a_query_only_by_51603(code: str) -> None:
    assert CODES.proof(code, RequestKind.CREATE, Proof.DONE) is Proof.UNKNOWN
    asked = CODES.proof(code, None, Proof.DONE)
    assert asked is (Proof.ABSENT if code == "51603" else Proof.UNKNOWN)


@pytest.mark.parametrize("code", ["", "1", "2", "59999", "5100", "540000", "99999", "_", "501"])
def test_an_unknown_code_has_no_row(code: str) -> None:
    assert CODES.proof(code, RequestKind.CREATE, Proof.DONE) is Proof.DONE


def test_the_table_has_no_rows_beyond_the_sheet() -> None:
    named = {code for codes in SHEET.values() for code in codes.split()}
    assert set(CODES.rows) - named == set()

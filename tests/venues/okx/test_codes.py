"""OKX's table of codes beyond what the conformance suite asks of it: families and single rows."""

import pytest

from router.enums import RequestKind
from tests.venues.okx.sample import CODES as SHEET
from workers.venue import Proof
from workers.venues.okx.words import CODES


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

"""Every code that the protocol sheet names, and what it proves for each kind of request."""

import pytest

from router.enums import RequestKind
from workers.venue import Proof
from workers.venues.okx.words import CODES

proof = CODES.proof

UNKNOWN = "50001 50004 50005 50013 50026 51054 51149 51412 63999 64007 60001"
THROTTLED = "50011 50040 50061 51513 60014 60023"
LOCKED_OUT = """
    50024 50030 50100 50101 50102 50103 50104 50105 50106 50107 50110 50111 50112 50113 50119 50120
    60004 60005 60006 60007 60008 60009 60011 60024 60031 60032
"""
REJECTED = """
    50014 50015 50036 50037 50071 50072
    51000 51001 51004 51005 51006 51008 51010 51016 51019 51020 51021 51022 51023 51024 51071
    51101 51102 51103 51104 51105 51106 51112 51116 51121 51127 51131 51137 51138 51155 51169
    51170 51174 51201 51202 51205
    51403 51404 51407 51408 51413 51500 51502 51506 51511 51512
    54004 54036 54048 60012 60013 60018 60019 60028 64001 64002 64003
    51004_1000 51008_1000 51502_1001
"""
GONE = "51400 51401 51402 51405 51410 51503 51509 51510 51603"

COMMANDS = (RequestKind.CREATE, RequestKind.CANCEL, RequestKind.MODIFY)


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        (UNKNOWN, Proof.UNKNOWN),
        (THROTTLED, Proof.THROTTLED),
        (LOCKED_OUT, Proof.LOCKED_OUT),
        (REJECTED, Proof.REJECTED),
    ],
    ids=["unknown", "throttled", "locked out", "rejected"],
)
def test_the_code_proves_the_same_for_every_request(codes: str, expected: Proof) -> None:
    other = Proof.DONE  # stands out, if a code should have no row
    found = {
        (code, kind): proof(code, kind, other)
        for code in codes.split()
        for kind in (*COMMANDS, None)
    }
    assert {key: value for key, value in found.items() if value is not expected} == {}


@pytest.mark.parametrize("code", GONE.split())
def test_gone_depends_on_the_request(code: str) -> None:
    assert proof(code, RequestKind.CANCEL, Proof.DONE) is Proof.GONE
    assert proof(code, RequestKind.MODIFY, Proof.DONE) is Proof.GONE
    assert proof(code, RequestKind.CREATE, Proof.DONE) is Proof.UNKNOWN
    asked = proof(code, None, Proof.DONE)
    assert asked is (Proof.ABSENT if code == "51603" else Proof.UNKNOWN)


@pytest.mark.parametrize("code", ["", "1", "2", "59999", "5100", "540000", "99999", "_", "501"])
def test_an_unknown_code_has_no_row(code: str) -> None:
    assert proof(code, RequestKind.CREATE, Proof.DONE) is Proof.DONE


def test_the_table_has_no_rows_beyond_the_sheet() -> None:
    named = f"{UNKNOWN} {THROTTLED} {LOCKED_OUT} {REJECTED} {GONE}".split()
    between = {"50027", "50028", "50029"}  # the sheet's "50024.., 50030"
    assert set(CODES.rows) - set(named) == between

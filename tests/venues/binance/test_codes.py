"""Every code that the protocol sheet names, each of the four faces of 503, and other replies."""

import orjson
import pytest

from tests.venues.binance.samples import BTC, CONTRACTS, ETH, FUTURES, SPOT, error, limit
from workers.venue import Answer, Cancel, ClockOff, Command, Modify, Proof, RestReply, Unreadable
from workers.venues.binance.answers import CODES

PLACE = limit()
CANCEL = Cancel(BTC, "cid-1", "77")
MODIFY = Modify(BTC, "cid-1", "77", None, None, 0)
UNKNOWN = "-1000 -1001 -1006 -1007 -1016 -4116"
THROTTLED = "-1003 -1008 -1015"
LOCKED_OUT = "-1022 -2014 -2015"
REJECTED = """
    -1021 -5028 -1102 -1106 -1111 -1121 -1130 -1125 -2010 -2018 -2019 -2021 -2022 -2025 -2027 -2028
    -4003 -4004 -4005 -4023 -4001 -4002 -4013 -4014 -4015 -4016 -4024 -4061 -4062 -4087 -4088
    -4118 -4120 -4131 -4140 -4141 -4164 -4192 -4400 -4401 -4531 -5021 -5022
    -5024 -5025 -5026 -5027 -5028 -5029 -5040 -5047
"""
GONE = "-2011 -2013"
EXPECTED = {
    int(code): proof
    for codes, proof in (
        (UNKNOWN, Proof.UNKNOWN),
        (THROTTLED, Proof.THROTTLED),
        (LOCKED_OUT, Proof.LOCKED_OUT),
        (REJECTED, Proof.REJECTED),
        (GONE, Proof.GONE),
    )
    for code in codes.split()
}
HTML = "<html><head><title>503 Service Unavailable</title></head></html>"


def by_socket(status: int, code: int, message: str = "no") -> Answer:
    frame = {"id": "1r1", "status": status, "error": {"code": code, "msg": message}}
    answer = FUTURES.decode(orjson.dumps(frame).decode(), CONTRACTS)[0]
    assert isinstance(answer, Answer)
    return answer


def by_rest(status: int, text: str, command: Command = PLACE) -> Answer:
    return FUTURES.read_command(RestReply(status, text), command)


def test_the_table_has_the_sheets_codes_and_no_others() -> None:
    assert CODES.rows == {str(code): proof for code, proof in EXPECTED.items()}


ALL: tuple[Command, ...] = (PLACE, CANCEL, MODIFY)


@pytest.mark.parametrize("code", sorted(set(EXPECTED) - {-2011, -2013}))
def test_a_code_proves_the_same_on_both_ways_and_for_each_request(code: int) -> None:
    answers = [by_socket(400, code), *(by_rest(400, error(code), one) for one in ALL)]
    assert {answer.verdict.proof for answer in answers} == {EXPECTED[code]}
    assert {answer.verdict.reason for answer in answers} == {f"{code} no"}
    assert {answer.verdict.code for answer in answers} == {str(code)}


@pytest.mark.parametrize("code", [-2011, -2013])
def test_an_order_that_is_gone_may_be_filled_canceled_or_not_visible_yet(code: int) -> None:
    """Never a proof; a create cannot be answered so, and is asked for if it is."""
    assert by_socket(400, code).verdict.proof is Proof.GONE
    proofs = [by_rest(400, error(code), one).verdict.proof for one in ALL]
    assert proofs == [Proof.UNKNOWN, Proof.GONE, Proof.GONE]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Unknown error, please check your request or try again later.", Proof.UNKNOWN),
        ("Service Unavailable.", Proof.THROTTLED),
        # A definite failure in "General Info"; the order is asked for once before it goes again.
        ("Internal error; unable to process your request. Please try again.", Proof.UNKNOWN),
        (
            "Request throttled by system-level protection. Reduce-only/close-position orders are "
            "exempt. Please try again.",
            Proof.THROTTLED,
        ),
    ],
    ids=["unknown", "unavailable", "internal", "throttled"],
)
def test_the_four_faces_of_503(message: str, expected: Proof) -> None:
    code = {"Req": -1008, "Int": -1001, "Unk": -1000, "Ser": -1}[message[:3]]
    assert by_rest(503, error(code, message)).verdict.proof is expected
    assert by_socket(503, code, message).verdict.proof is expected


@pytest.mark.parametrize(
    ("status", "text", "expected"),
    [
        (503, HTML, Proof.UNKNOWN),
        (503, "Service Unavailable.", Proof.UNKNOWN),  # a load balancer could say so too
        (502, "<html><center>awselb/2.0</center></html>", Proof.UNKNOWN),
        (500, error(-2019, "Margin is insufficient."), Proof.UNKNOWN),
        (500, error(-1008), Proof.THROTTLED),
        (504, "", Proof.UNKNOWN),
        (408, error(-1007, "Timeout"), Proof.UNKNOWN),
        (408, "", Proof.UNKNOWN),
        (403, HTML, Proof.LOCKED_OUT),
        (401, HTML, Proof.LOCKED_OUT),
        (429, HTML, Proof.THROTTLED),
        (429, error(-1003, "Too many requests"), Proof.THROTTLED),
        (429, error(-1015, "Too many new orders"), Proof.THROTTLED),
        (418, error(-1003, "banned until 1659146400000"), Proof.LOCKED_OUT),
        (400, error(-9999, "new"), Proof.REJECTED),
        (400, HTML, Proof.UNKNOWN),
        (400, "{}", Proof.UNKNOWN),
        (404, HTML, Proof.UNKNOWN),
        (200, HTML, Proof.UNKNOWN),  # seen on demo (nautilus_trader)
        (200, "", Proof.UNKNOWN),
        (200, "[]", Proof.UNKNOWN),
        (200, "{}", Proof.UNKNOWN),
        (200, error(-2011), Proof.UNKNOWN),
        (400, error(-4116, "ClientOrderId is duplicated."), Proof.UNKNOWN),
    ],
)
def test_rest_reply_to_a_place(status: int, text: str, expected: Proof) -> None:
    answer = by_rest(status, text)
    assert answer.verdict.proof is expected
    assert answer.verdict.reason
    assert answer.client_id == "cid-1"


def test_rest_place_is_taken() -> None:
    text = (
        '{"orderId":22542179,"symbol":"BTCUSDT","status":"NEW","clientOrderId":"cid-1",'
        '"price":"50000.10","origQty":"0.001","executedQty":"0","cumQty":"0","timeInForce":"GTC",'
        '"type":"LIMIT","side":"BUY","updateTime":1566818724722}'
    )
    answer = by_rest(200, text)
    assert (answer.verdict.proof, answer.client_id, answer.venue_id) == (
        Proof.DONE,
        "cid-1",
        "22542179",
    )
    assert answer.report is not None
    assert answer.report.venue_id == "22542179"


def test_rest_ack_of_spot_names_no_state() -> None:
    text = '{"symbol":"ETHUSDT","orderId":28,"orderListId":-1,"clientOrderId":"cid-1"}'
    answer = SPOT.read_command(RestReply(200, text), limit(ETH, "1", "2500"))
    assert answer == Answer("", answer.verdict, "cid-1", "28")
    assert answer.verdict.proof is Proof.DONE


@pytest.mark.parametrize("result", [None, [], "x", {}, {"symbol": "NEW"}, {"orderId": "7"}])
def test_a_success_that_cannot_be_read_is_a_success(result: object) -> None:
    frame = {"id": "1r1", "status": 200, "result": result}
    [answer] = FUTURES.decode(orjson.dumps(frame).decode(), CONTRACTS)
    assert isinstance(answer, Answer)
    assert (answer.request_id, answer.verdict.proof, answer.report) == ("1r1", Proof.DONE, None)


@pytest.mark.parametrize("code", [-1021, -5028])
def test_a_refusal_for_the_time_asks_for_the_venues_clock(code: int) -> None:
    frame = {"id": "1r1", "status": 400, "error": {"code": code, "msg": "late"}}
    answer, doubt = FUTURES.decode(orjson.dumps(frame).decode(), CONTRACTS)
    assert isinstance(answer, Answer)
    assert answer.verdict.proof is Proof.REJECTED, "it is stale: never sent again as it is"
    assert doubt == ClockOff(f"{code} late")


@pytest.mark.parametrize(
    "frame",
    [
        {"id": None, "status": 400, "error": {"code": -1135, "msg": "Invalid JSON Request"}},
        {"id": 7, "status": 400, "error": {"code": -1102, "msg": "no"}},
        {"id": 7, "result": "x"},
        {"error": {"code": 2, "msg": "Invalid request: unknown variant"}, "id": 1},
        {"hello": "world"},
        {"stream": "btcusdt@bookTicker", "data": []},
        {"e": 7},
    ],
)
def test_what_names_no_request_and_no_event_is_unreadable(frame: dict[str, object]) -> None:
    [event] = FUTURES.decode(orjson.dumps(frame).decode(), CONTRACTS)
    assert isinstance(event, Unreadable)
    assert event.reason


@pytest.mark.parametrize("error", [None, [], "x", {}, {"code": "-2019"}, {"code": None, "msg": 7}])
def test_an_error_that_cannot_be_read_leaves_its_request_in_doubt(error: object) -> None:
    for status in (400, None, "x"):
        frame = {"id": "1r1", "status": status, "error": error}
        [answer] = FUTURES.decode(orjson.dumps(frame).decode(), CONTRACTS)
        assert isinstance(answer, Answer)
        assert (answer.request_id, answer.verdict.proof) == ("1r1", Proof.UNKNOWN)

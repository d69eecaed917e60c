"""What replies prove where the code's row is not all: HTTP statuses, unknown codes, odd frames."""

import orjson
import pytest

from tests.venues.okx.sample import INSTRUMENTS, SAMPLE, SPOT, SWAP, VENUE, limit
from workers.venue import (
    Answer,
    Cancel,
    Command,
    LoginRefused,
    Modify,
    Proof,
    RestReply,
    SubscriptionRefused,
    Unreadable,
    Verdict,
)

PLACE = limit(SWAP)
CANCEL = Cancel(SPOT, "a1", "77")
FATAL = "60005 60007 60008 60009 60024 60032 50119 50101"
RETRY = "60004 60006 60011 60023 60031 63999 50102"
HTML = "<html><head><title>502 Bad Gateway</title></head><body>cloudflare</body></html>"


def envelope(code: str, msg: str = "", **item: str) -> str:
    return orjson.dumps({"code": code, "msg": msg, "data": [item] if item else []}).decode()


def test_rest_place_is_taken() -> None:
    text = envelope(
        "0", clOrdId="a1", ordId="12", sCode="0", sMsg="Order placed", ts="1695190491421"
    )
    expected = Answer("", Verdict(Proof.DONE, "0"), "a1", "12")
    assert VENUE.read_command(RestReply(200, text), PLACE) == expected


def test_rest_place_is_refused_with_the_items_reason() -> None:
    """source: OKX v5 documents, "Place order"; github.com/burakoner/OKX.Api issue 89."""
    text = (
        '{"code":"1","data":[{"clOrdId":"oktswap6","ordId":"","sCode":"51008","sMsg":"Order failed.'
        ' Insufficient USDT balance in account","subCode":"1000","tag":"","ts":"1695190491421"}],'
        '"inTime":"1695190491421339","msg":"All operations failed","outTime":"1695190491423240"}'
    )
    answer = VENUE.read_command(RestReply(200, text), PLACE)
    assert answer.verdict.proof is Proof.REJECTED
    assert answer.verdict.code == "51008"
    assert answer.verdict.reason.startswith("51008 Order failed. Insufficient USDT balance")


def test_rest_cancel_keeps_its_order() -> None:
    text = envelope("0", clOrdId="", ordId="77", sCode="0", sMsg="", ts="5")
    assert VENUE.read_command(RestReply(200, text), CANCEL) == Answer(
        "", Verdict(Proof.DONE, "0"), "a1", "77"
    )


@pytest.mark.parametrize(
    ("status", "text", "expected"),
    [
        (200, HTML, Proof.UNKNOWN),
        (200, "", Proof.UNKNOWN),
        (200, "[]", Proof.UNKNOWN),
        (200, "{}", Proof.UNKNOWN),
        (200, '{"code":0,"data":{}}', Proof.UNKNOWN),
        (200, envelope("0"), Proof.UNKNOWN),  # taken, but of no order it speaks
        (200, envelope("1", "All operations failed"), Proof.UNKNOWN),
        (200, envelope("59999", "new"), Proof.UNKNOWN),
        (200, '{"code":"1","msg":"","data":["x"]}', Proof.UNKNOWN),
        (200, '{"code":"1","msg":"","data":[{"ordId":"","sCode":1}]}', Proof.REJECTED),
        (200, '{"msg":"","data":[{"ordId":""}]}', Proof.UNKNOWN),
        (200, envelope("1", "", ordId="", sCode="59999", sMsg="new"), Proof.REJECTED),
        (200, envelope("1", "", ordId="12", sCode="59999", sMsg="new"), Proof.UNKNOWN),
        (200, envelope("51000", "Parameter clOrdId  error"), Proof.REJECTED),
        (200, envelope("50119", "API key doesn't exist"), Proof.LOCKED_OUT),
        (400, envelope("50004", "does not mean success or failure"), Proof.UNKNOWN),
        (401, envelope("50113", "Invalid Sign"), Proof.LOCKED_OUT),
        (401, HTML, Proof.LOCKED_OUT),
        (403, HTML, Proof.LOCKED_OUT),
        (404, HTML, Proof.UNKNOWN),
        (429, envelope("50011", "Too Many Requests"), Proof.THROTTLED),
        (429, envelope("50013", "Systems are busy"), Proof.UNKNOWN),
        (429, envelope("59999", "new"), Proof.THROTTLED),
        (429, HTML, Proof.THROTTLED),
        (500, envelope("51149", "timed out"), Proof.UNKNOWN),
        (500, envelope("1", "", ordId="", sCode="51008", sMsg="no"), Proof.UNKNOWN),
        (502, HTML, Proof.UNKNOWN),
        (503, envelope("50001", "Service temporarily unavailable"), Proof.UNKNOWN),
        (504, "", Proof.UNKNOWN),
    ],
)
def test_rest_reply_to_a_place(status: int, text: str, expected: Proof) -> None:
    answer = VENUE.read_command(RestReply(status, text), PLACE)
    assert answer.verdict.proof is expected
    assert answer.verdict.reason
    assert answer.client_id == "a1"


@pytest.mark.parametrize(
    ("command", "code", "expected"),
    [
        (CANCEL, "51400", Proof.GONE),
        (CANCEL, "51412", Proof.UNKNOWN),
        (CANCEL, "59999", Proof.REJECTED),
        (CANCEL, "51603", Proof.GONE),
        (Modify(SWAP, "a1", "77", None, None, 0), "51503", Proof.GONE),
        (Modify(SWAP, "a1", "77", None, None, 0), "51513", Proof.THROTTLED),
        (PLACE, "51400", Proof.UNKNOWN),
    ],
)
def test_rest_refusal_depends_on_the_request(command: Command, code: str, expected: Proof) -> None:
    text = envelope("1", "All operations failed", ordId="", sCode=code, sMsg="")
    verdict = VENUE.read_command(RestReply(200, text), command).verdict
    assert (verdict.proof, verdict.code) == (expected, code)
    assert verdict.reason == f"{code} All operations failed"


def decode(**frame: object) -> list[object]:
    return [*VENUE.decode(orjson.dumps(frame).decode(), INSTRUMENTS)]


def test_unknown_code_of_an_item_refuses_it_and_at_the_top_proves_nothing() -> None:
    item = {"clOrdId": "a1", "ordId": "", "sCode": "59999", "sMsg": "new"}
    [refused] = decode(id="1", op="order", code="1", msg="", data=[item])
    assert refused == Answer("1", Verdict(Proof.REJECTED, "59999", "59999 new"), "a1")
    [open_] = decode(id="1", op="order", code="59999", msg="new", data=[])
    assert open_ == Answer("1", Verdict(Proof.UNKNOWN, "59999", "59999 new"), whole=True)


@pytest.mark.parametrize(
    "frame",
    [
        {"op": "order", "code": "0", "data": [{"sCode": "0"}]},
        {"id": "", "op": "order", "code": "0", "data": []},
        {"id": 7, "op": "order", "code": "0", "data": []},
        {"id": "7", "op": "mass-cancel", "code": "0", "data": [{"result": True}]},
        {"id": "7", "op": ["order"], "code": "0", "data": []},
        {"event": "new-event", "code": "0"},
        {"event": ["error"]},
        {"event": "error"},
        {"event": "error", "code": "99999", "msg": "?"},
        {"event": "error", "code": "64003", "msg": "no channel named"},
        {"event": "subscribe", "arg": "orders"},
        {"event": "notice", "code": "64000", "msg": "news"},
        {"hello": "world"},
    ],
)
def test_what_names_no_request_is_unreadable(frame: dict[str, object]) -> None:
    [event] = decode(**frame)
    assert isinstance(event, Unreadable)
    assert event.reason


@pytest.mark.parametrize("data", [["x"], [None], [{"sCode": ["0"]}], "x", {"sCode": "0"}, None])
def test_an_unreadable_item_leaves_its_request_in_doubt(data: object) -> None:
    [event] = decode(id="7", op="order", code="1", msg="", data=data)
    assert isinstance(event, Answer)
    assert (event.request_id, event.verdict.proof) == ("7", Proof.UNKNOWN) or isinstance(data, list)
    assert event.verdict.reason


def test_an_error_names_each_order_of_the_batch_it_quotes() -> None:
    request = '{"id":"b1","op":"batch-orders","args":[{"clOrdId":"a1"},{"clOrdId":"a2"}]}'
    events = decode(event="error", code="60012", msg=f"Invalid request: {request}", connId="x")
    assert [
        (one.request_id, one.client_id, one.index) for one in events if isinstance(one, Answer)
    ] == [
        ("b1", "a1", 0),
        ("b1", "a2", 1),
    ]


def test_a_quoted_login_never_reaches_a_log() -> None:
    request = '{"op":"login","args":[{"apiKey":"KEY","passphrase":"PASS","sign":"SIGN"}'
    for text in (request, request + "]}"):
        [event] = decode(event="error", code="60012", msg=f"Invalid request: {text}", connId="x")
        assert event == LoginRefused("60012 the login request was not understood", fatal=True)


@pytest.mark.parametrize(
    ("code", "fatal"),
    [(code, True) for code in FATAL.split()] + [(code, False) for code in RETRY.split()],
)
def test_login_refusals(code: str, fatal: bool) -> None:
    [event] = decode(event="error", code=code, msg="no", connId="x")
    assert event == LoginRefused(f"{code} no", fatal)


def test_a_subscription_code_for_an_order_answers_the_order() -> None:
    [event] = decode(id="79", event="error", code="60018", msg="Wrong URL", connId="x")
    assert event == Answer("79", Verdict(Proof.REJECTED, "60018", "60018 Wrong URL"), whole=True)


def test_refused_books_name_their_instrument_if_the_venue_does() -> None:
    text = "Wrong URL or channel:bbo-tbt,instId:NO-USDT doesn't exist."
    for message, channel in ((text, "bbo-tbt:NO-USDT"), ("no", "bbo-tbt")):
        [event] = decode(id="subbooks", event="error", code="60018", msg=message, connId="x")
        assert event == SubscriptionRefused(channel, f"60018 {message}")


def test_refused_subscriptions_name_their_channel() -> None:
    channels = SAMPLE.sockets["private"].channels
    for frame, channel in zip(SAMPLE.subscribe(channels), channels, strict=True):
        sent = orjson.loads(frame)
        [event] = decode(id=sent["id"], event="error", code="60018", msg="no", connId="x")
        assert isinstance(event, SubscriptionRefused)
        assert event.channel == channel

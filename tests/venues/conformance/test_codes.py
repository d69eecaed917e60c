"""What each error code of the sheet proves, by WebSocket, by REST and to a query."""

import pytest

from router.enums import RequestKind
from router.outcomes import Action, act
from tests.venues.conformance.sample import NOW_MS, Sample
from workers.venue import Answer, Proof, RestReply, UnexpectedReply, Verdict

#: What proxies answer in a venue's place.
HTML = "<html><head><title>502 Bad Gateway</title></head><body></body></html>"


def verdicts(sample: Sample, code: str, kind: RequestKind) -> list[Verdict]:
    """Return what the code says by both ways."""
    answers = [one for one in sample.decode(sample.refused(code, kind)) if isinstance(one, Answer)]
    reply = sample.refused_by_rest(code, kind)
    answers.append(sample.venue.read_command(reply, sample.command(kind)))
    assert len(answers) == 2, "a refusal is one answer"
    assert answers[0].request_id == "1"
    return [answer.verdict for answer in answers]


@pytest.mark.parametrize("kind", [RequestKind.CANCEL, RequestKind.MODIFY])
def test_each_code_proves_what_the_sheet_says(sample: Sample, kind: RequestKind) -> None:
    found = {
        (code, verdict.proof)
        for codes in sample.codes.values()
        for code in codes.split()
        for verdict in verdicts(sample, code, kind if kind in sample.kinds else RequestKind.CANCEL)
    }
    assert found == {
        (code, proof) for proof, codes in sample.codes.items() for code in codes.split()
    }


def test_each_code_proves_as_much_of_a_create(sample: Sample) -> None:
    """But that an order is gone cannot be said of a create: it has to be asked for."""
    for proof, codes in sample.codes.items():
        for code in codes.split():
            for verdict in verdicts(sample, code, RequestKind.CREATE):
                if proof is Proof.GONE:
                    assert act(RequestKind.CREATE, verdict.proof) is Action.CLIMB, code
                else:
                    assert verdict.proof is proof, code


def test_codes_and_reasons_are_passed_on(sample: Sample) -> None:
    for codes in sample.codes.values():
        for code in codes.split():
            for verdict in verdicts(sample, code, RequestKind.CREATE):
                assert verdict.code == code
                assert code in verdict.reason


def test_a_query_is_answered_absent_by_few_codes_only(sample: Sample) -> None:
    for codes in sample.codes.values():
        for code in codes.split():
            reply = sample.refused_by_rest(code, RequestKind.QUERY)
            if code in sample.absent_codes:
                assert sample.venue.read_order(reply, sample.instruments) is None
                continue
            with pytest.raises(UnexpectedReply):
                sample.venue.read_order(reply, sample.instruments)


def test_an_unknown_code_never_takes_a_request(sample: Sample) -> None:
    for kind in sample.kinds:
        for verdict in verdicts(sample, "98765", kind):
            assert verdict.proof in (Proof.UNKNOWN, Proof.REJECTED)
            assert verdict.reason


@pytest.mark.parametrize("text", [HTML, "", "[]", "null", "{}", '"x"'])
@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_server_error_proves_nothing(sample: Sample, status: int, text: str) -> None:
    for kind in sample.kinds:
        answer = sample.venue.read_command(RestReply(status, text), sample.command(kind))
        assert answer.verdict.proof is Proof.UNKNOWN
        assert answer.verdict.reason
        assert answer.client_id == "a1"


@pytest.mark.parametrize("status", [500, 503])
def test_a_server_error_with_a_good_body_proves_nothing(sample: Sample, status: int) -> None:
    answer = sample.venue.read_command(RestReply(status, sample.replies.taken), sample.place())
    assert answer.verdict.proof is Proof.UNKNOWN


@pytest.mark.parametrize(
    ("status", "proof"),
    [
        (200, Proof.UNKNOWN),
        (401, Proof.LOCKED_OUT),
        (403, Proof.LOCKED_OUT),
        (404, Proof.UNKNOWN),
    ],
)
def test_a_page_that_is_no_json_proves_what_its_status_says(
    sample: Sample, status: int, proof: Proof
) -> None:
    answer = sample.venue.read_command(RestReply(status, HTML), sample.place())
    assert answer.verdict.proof is proof
    assert answer.verdict.reason


@pytest.mark.parametrize("text", [HTML, "", "{}", "[]"])
def test_what_was_too_much_goes_again_only_where_it_was_not_acted_on(
    sample: Sample, text: str
) -> None:
    for kind in sample.kinds:
        answer = sample.venue.read_command(RestReply(429, text), sample.command(kind))
        assert answer.verdict.proof in (sample.busy_proves, Proof.UNKNOWN)
        assert answer.verdict.reason
    create = sample.venue.read_command(RestReply(429, HTML), sample.place())
    assert create.verdict.proof is sample.busy_proves


def test_a_create_taken_by_rest(sample: Sample) -> None:
    reply = RestReply(200, sample.replies.taken)
    answer = sample.venue.read_command(reply, sample.place(expires_ms=NOW_MS))
    assert answer.verdict.proof is Proof.DONE
    assert answer.client_id == "a1"
    assert answer.venue_id

"""Ids: unique, legal, tagged; names and keys checked."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router import ids
from router.errors import InvalidArgument

VENUE_PATTERNS = {
    "okx": r"[A-Za-z0-9]{1,32}",
    "binance": r"[.A-Z:/a-z0-9_-]{1,36}",
    "bybit": r"[A-Za-z0-9_-]{1,36}",
    "hyperliquid, after 0x": r"[0-9a-f]{32}",
}


@pytest.mark.parametrize("venue", VENUE_PATTERNS)
def test_a_generated_oid_is_legal_everywhere(venue: str) -> None:
    assert re.fullmatch(VENUE_PATTERNS[venue], ids.new_oid(ids.strategy_tag("alpha")))


def test_the_tag_decodes_to_the_strategy() -> None:
    tag = ids.strategy_tag("alpha")
    assert ids.tag_of(ids.new_oid(tag)) == ids.tag_of("0x" + ids.new_oid(tag)) == tag
    assert ids.tag_of("entrybtc001") is None


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=64))
def test_a_client_oid_is_sent_as_it_is_or_as_a_deterministic_legal_form(client_oid: str) -> None:
    tag = ids.strategy_tag("alpha")
    sent = ids.wire_client_id(client_oid, tag)
    assert re.fullmatch(ids.PLAIN_CLIENT_ID, sent)
    assert sent == ids.wire_client_id(client_oid, tag)
    if re.fullmatch(ids.PLAIN_CLIENT_ID, client_oid):
        assert sent == client_oid
    else:
        assert ids.tag_of(sent) == tag
        assert sent != ids.wire_client_id(client_oid, ids.strategy_tag("beta"))


@pytest.mark.parametrize("name", ["", "-a", "A", "a_b", "a" * 33, "a:b", "a{b}", "ä"])
def test_illegal_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidArgument, match="strategy_id"):
        ids.check_name(name, "strategy_id")


@pytest.mark.parametrize("key", ["", "a b", "k" * 129, "ü", "a{b", "a\n"])
def test_illegal_keys_are_refused(key: str) -> None:
    with pytest.raises(InvalidArgument, match="idempotency_key"):
        ids.check_idempotency_key(key)


@pytest.mark.parametrize("client_oid", ["", "x" * 65, "a\x00b"])
def test_illegal_client_oids_are_refused(client_oid: str) -> None:
    with pytest.raises(InvalidArgument, match="client_oid"):
        ids.wire_client_id(client_oid, ids.strategy_tag("alpha"))

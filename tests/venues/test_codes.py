"""What tables of codes and of options show of themselves."""

from workers.venue import Proof
from workers.venues.codes import Codes
from workers.venues.options import Options


def test_a_table_shows_how_many_codes_it_knows() -> None:
    assert repr(Codes({Proof.REJECTED: "1 2", Proof.THROTTLED: "3"}, absent=())) == "Codes(3)"


def test_options_show_what_was_given() -> None:
    assert repr(Options("okx", {"product": "spot"}, {"product"})) == (
        "Options(okx, {'product': 'spot'})"
    )

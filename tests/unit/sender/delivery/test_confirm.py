"""Name, address and PTR record: what is said where they disagree, and where nothing can be said."""

from __future__ import annotations

from sender.delivery.confirm import Confirmed, Records, confirm, to_ask
from sender.pool.source import Source

FOUR, SIX, OTHER = "9.9.9.9", "2620:fe::fe", "9.9.9.10"
BOTH = Source("a", "Mx.example.com", FOUR, SIX)
NAMES = ("mx.example.com",)


def test_all_agree():
    """In whatever case; further names and addresses do no harm."""
    records = Records((FOUR, SIX, OTHER), {FOUR: (*NAMES, "other.example.com"), SIX: NAMES})
    assert confirm(BOTH, records) == Confirmed()
    assert to_ask(BOTH, records.forward) == (FOUR, SIX)


def test_each_disagreement_has_its_line():
    """Which record of which address, what it has, and what to do."""
    found = confirm(BOTH, Records((FOUR,), {FOUR: ("host9.isp.example",), SIX: ()})).warnings
    assert found == (
        f"Mx.example.com has {FOUR}, and not {SIX}: add the AAAA record, or correct helo",
        f"the PTR record of {FOUR} is host9.isp.example, and not Mx.example.com: ask whose network it is to change it, or correct helo",
        f"the PTR record of {SIX} is missing, and not Mx.example.com: ask whose network it is to change it, or correct helo",
    )
    assert confirm(Source("a", "mx.example.com", FOUR), Records((), {FOUR: NAMES})).warnings == (
        f"mx.example.com has no address, and not {FOUR}: add the A record, or correct helo",
    )


def test_who_does_not_answer_says_nothing():
    """A name server that is down is no fault of the source's."""
    assert confirm(BOTH, Records()) == Confirmed()
    assert confirm(BOTH, Records(None, {FOUR: None, SIX: NAMES})) == Confirmed()


def test_behind_nat_the_name_stands_in():
    """That is told and is no fault; the PTR record of what the name has is."""
    inside = Source("a", "mx.example.com", "10.0.0.5")
    assert to_ask(inside, (OTHER, "10.0.0.5")) == (OTHER,)
    good = confirm(inside, Records((OTHER,), {OTHER: NAMES}))
    assert good == Confirmed((), f"10.0.0.5 is behind NAT, so receivers see another address: mx.example.com has {OTHER}")
    assert "host9.isp.example" in confirm(inside, Records((OTHER,), {OTHER: ("host9.isp.example",)})).warnings[0]
    assert confirm(inside, Records(())).warnings == ("mx.example.com has no address: add an A record with the address that receivers see",)
    assert "can't be seen from here" in confirm(inside, Records()).note


def test_the_loopback_is_seen_by_nobody():
    """Nothing to say, whatever the DNS has."""
    assert confirm(Source("a", "mx.example.com", "127.0.0.11", "::1"), Records((), {})) == Confirmed()


def test_an_address_literal():
    """Better than a name that lies; and it must not lie itself."""
    assert "many receivers refuse" in confirm(Source("a", f"[{FOUR}]", FOUR), Records()).warnings[0]
    assert "many receivers refuse" in confirm(Source("a", f"[IPv6:{SIX}]", "", SIX), Records()).warnings[0]
    assert f"dials from {FOUR}" in confirm(Source("a", f"[{OTHER}]", FOUR), Records()).warnings[0]
    assert confirm(Source("a", f"[{OTHER}]", "10.0.0.5"), Records()) == Confirmed()

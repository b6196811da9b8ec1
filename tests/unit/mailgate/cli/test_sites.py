"""What `mailgate sites` prints: a row that teaches, and lines of a dialogue that cannot steer the terminal."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest

from mailgate.cli.sites import COLUMNS, EMPTY, Wish, rows, text_of
from mailgate.client.site_views import Direction, Site, SiteState, TraceLine

if TYPE_CHECKING:
    from mailgate.client.client import GatewayClient

OK = Site("direct/google", SiteState.OK, "", None, 5, 2, 1, 6, 20, 12.34, 0.0, 9, 1234, 5, 6, 0, 7, 8, 3, 10_000)
NOW = 75_000.0


def row(site: Site) -> dict[str, str]:
    (made,) = rows([site], NOW)
    return dict(zip(COLUMNS, made, strict=True))


def test_a_site_that_is_well() -> None:
    """Connections, what was done, and what waits where: for a node and for a connection is one, for later another."""
    assert row(OK) == {
        "SITE": "direct/google",
        "STATE": "OK",
        "BUSY/OPEN/MAX": "2/5/20",
        "MAILS/S": "12.3",
        "DELIVERED": "1,234",
        "DEFERRED": "5",
        "BOUNCED": "6",
        "READY": "10",
        "LATER": "8",
        "OLDEST": "1m 05s",
        "NOTE": "",
    }


def test_a_site_that_is_held_up_says_why_and_for_how_long() -> None:
    """In words that need no manual."""
    held = replace(OK, state=SiteState.SUSPENDED, reason="suspended: 421 too fast", until_ms=195_000, mails_per_second=0.01)
    assert row(held)["NOTE"] == "for 2m 00s: suspended: 421 too fast"
    assert row(held)["MAILS/S"] == "-"
    slowed = replace(OK, state=SiteState.SLOWED, reason="slowed", rate_limit=0.5, in_doubt=2)
    assert row(slowed)["NOTE"] == "slowed (at most 0.5 a second) (2 in doubt)"


def test_nodes_stand_below_their_site() -> None:
    """Each with its own part."""
    made = rows([replace(OK, nodes=(("n1", OK), ("n2", OK)))], NOW)
    assert [each[0] for each in made] == ["direct/google", "  n1", "  n2"]


def test_a_line_of_a_dialogue() -> None:
    """Who said it where; a server's words are printed as text, whatever they are."""
    line = TraceLine(0, "n1", 3, "", "192.0.2.1:25", Direction.RECEIVED, "250 \x1b[31mok")
    assert text_of(line) == "n1 #3 192.0.2.1:25 < 250 \\x1b[31mok"
    assert text_of(replace(line, direction=Direction.SENT, source="s1", text="DATA")) == "n1 #3 from s1 192.0.2.1:25 > DATA"
    assert text_of(TraceLine(0, "n1", 0, "", "", Direction.NOTE, "dialling")) == "n1 - dialling"


class NoSites:
    """A gateway that lists nothing."""

    async def sites(self, *_: object, **__: object) -> AsyncIterator[Site]:
        for site in ():
            yield site


@pytest.mark.parametrize(("prefix", "said"), [("", EMPTY), ("dierct/", "no site's name begins with 'dierct/'")])
async def test_nothing_to_list_says_why(prefix: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A prefix with a slip of the pen is not a gateway that sends nothing."""
    await Wish(prefix, nodes=False, everything=False, json=False).tell(cast("GatewayClient", NoSites()))
    assert said in capsys.readouterr().out

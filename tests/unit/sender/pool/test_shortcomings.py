"""What a host broke is remembered for an hour, and then tried once."""

from __future__ import annotations

from mailgate.route import Relay
from sender.pool.shortcomings import CHANCES, MOST, REMEMBERED, Shortcomings, Skill
from sender.smtp.events import Stumble

MX, OTHER = Relay("mx"), Relay("other")


def test_in_a_row():
    """A few connections in a row, of this host alone; a mail that went through between them says that it was something else."""
    for stumble, skill in ((Stumble.CHUNK, Skill.CHUNKING), (Stumble.GROUP, Skill.PIPELINING), (Stumble.FOLLOWING, Skill.FOLLOWING)):
        known = Shortcomings()
        for _ in range(CHANCES[skill] - 1):
            known.stumbled(MX, stumble, 0.0)
        known.proved(MX, skill, 0.0)
        for _ in range(CHANCES[skill]):
            assert not known.lacks(MX, skill, 0.0)
            news = known.stumbled(MX, stumble, 0.0)
        assert known.lacks(MX, skill, 0.0)
        assert news
        assert not known.stumbled(MX, stumble, 1.0), "known already"
        assert not known.lacks(OTHER, skill, 0.0)
        assert [each for each in Skill if known.lacks(MX, each, 0.0)] == [skill]


def test_a_server_that_says_so_has_no_second_chance():
    """500 to BDAT."""
    known = Shortcomings()
    known.stumbled(MX, Stumble.NO_BDAT, 0.0)
    assert known.lacks(MX, Skill.CHUNKING, 0.0)


def test_an_hour_later_one_connection_tries():
    """If it breaks, the next hour begins at once; if not, all is forgotten."""
    known = Shortcomings()
    known.stumbled(MX, Stumble.NO_BDAT, 0.0)
    assert known.lacks(MX, Skill.CHUNKING, REMEMBERED - 1)
    assert not known.lacks(MX, Skill.CHUNKING, REMEMBERED)
    known.stumbled(MX, Stumble.CHUNK, REMEMBERED)
    assert known.lacks(MX, Skill.CHUNKING, REMEMBERED + 1)
    known.proved(MX, Skill.CHUNKING, REMEMBERED)
    assert known.lacks(MX, Skill.CHUNKING, REMEMBERED + 1), "that connection was dialled within the hour, and has never tried"
    known.proved(MX, Skill.CHUNKING, 2 * REMEMBERED)
    assert not known.lacks(MX, Skill.CHUNKING, REMEMBERED + 1)


def test_an_hour_later_old_connections_prove_nothing():
    """They were dialled before the hour was over, and have handed mail over without it: the next failure begins the next hour."""
    known = Shortcomings()
    known.stumbled(MX, Stumble.NO_BDAT, 0.0)
    known.proved(MX, Skill.CHUNKING, REMEMBERED - 1)
    assert not known.lacks(MX, Skill.CHUNKING, REMEMBERED)
    assert known.stumbled(MX, Stumble.CHUNK, REMEMBERED)
    assert known.lacks(MX, Skill.CHUNKING, REMEMBERED + 1)


def test_what_is_remembered_is_bounded():
    """The oldest goes first."""
    known = Shortcomings()
    for number in range(MOST + 1):
        known.stumbled(Relay(f"mx{number}"), Stumble.NO_BDAT, 0.0)
    assert not known.lacks(Relay("mx0"), Skill.CHUNKING, 0.0)
    assert known.lacks(Relay(f"mx{MOST}"), Skill.CHUNKING, 0.0)

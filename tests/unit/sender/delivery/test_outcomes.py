"""What is counted of each site: for whoever tells what is new, and for metrics, neither of which takes anything from the other."""

from __future__ import annotations

from mailgate.route import Relay, Route
from mailgate.verdict import Outcome, Phase, RecipientVerdict, Reply, Tried
from sender.delivery.outcomes import Outcomes
from sender.pool.path import Path

DELIVERED = Tried((RecipientVerdict((0, 1), Outcome.DELIVERED, Reply(Phase.BODY, 250)),))


def open_(opened, key):
    opened[key] = Path(key, Route(key, (Relay("mx"),)))
    return key


def test_each_site_is_news_once():
    """Though metrics were read meanwhile, and had all of it."""
    opened = {}
    outcomes = Outcomes(opened)
    for _ in range(2):
        outcomes.tried(open_(opened, "a"), DELIVERED)
    assert dict(outcomes.fold())["a"].delivered == 4
    assert outcomes.news() == {"a"}
    assert outcomes.news() == set()
    outcomes.tried("a", DELIVERED)
    assert outcomes.news() == {"a"}
    assert dict(outcomes.fold())["a"].delivered == 6


def test_what_metrics_were_not_told_is_not_kept_for_them():
    """Nobody may ever read them: a site that is forgotten is counted with its name, or the others, at once."""
    opened = {}
    outcomes = Outcomes(opened, most=5)
    for number in range(50):
        outcomes.tried(key := open_(opened, f"s{number}"), DELIVERED)
        outcomes.news()
        del opened[key]
        outcomes.forget(opened)
    assert sum(sums.delivered for _, sums in outcomes.named) == 2 * 45
    assert sum(sums.delivered for _, sums in outcomes.fold()) == 2 * 50

"""`[[verdicts]]`: what an operator says that refusals mean."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dispatch.rules import NO_RULES, Rules, VerdictRule
from mailgate.mail import RecipientState
from mailgate.verdict import Outcome, Phase, RecipientVerdict, Reply, Tried
from tests.unit.gateway.dispatch.world import World, make_job
from tests.unit.virtual_time import quiet, simulate

REFUSED = Reply(Phase.RCPT, 550, "5.7.1", "Access denied, see POLICY 7", "policy")
BOUNCED, DEFERRED, DELIVERED, IN_DOUBT = Outcome.BOUNCED, Outcome.DEFERRED, Outcome.DELIVERED, Outcome.IN_DOUBT


def ruled(*rules: VerdictRule, outcome: Outcome = BOUNCED, reply: Reply = REFUSED, route: str = "default") -> tuple[Outcome, str, int]:
    """What becomes of one recipient."""
    ((_, found, said),) = Rules(rules).over(route, Tried((RecipientVerdict((3,), outcome, reply),))).recipients
    assert said[:4] == reply[:4], "a rule changes what is made of the words, never the words"
    return found, said.bounce_class, said.retry_after


@pytest.mark.parametrize(
    ("names", "fits"),
    [
        ({"code": "550"}, True),
        ({"code": "55x"}, True),
        ({"code": "5xx"}, True),
        ({"code": "4xx"}, False),
        ({"code": "0"}, False),
        ({"enhanced_code": "5.7.1"}, True),
        ({"enhanced_code": "5.7.*"}, True),
        ({"enhanced_code": "5.*.*"}, True),
        ({"enhanced_code": "5.7.10"}, False),
        ({"text": "policy \\d"}, True),
        ({"text": "quota"}, False),
        ({"phase": Phase.RCPT}, True),
        ({"phase": Phase.BODY}, False),
        ({"route": "default", "code": "550"}, True),
        ({"route": "partner", "code": "550"}, False),
        ({"code": "550", "text": "quota"}, False),
    ],
)
def test_everything_that_a_rule_names_must_be_so(names: dict[str, object], fits: bool) -> None:
    """One that is not, and the table stands."""
    assert list(VerdictRule(**names, bounce_class="blocked").mistakes("")) == []
    assert ruled(VerdictRule(**names, bounce_class="blocked")) == (BOUNCED, "blocked" if fits else "policy", 0)


def test_what_a_rule_changes() -> None:
    """The outcome, the class and the wait, each alone; a wait is of deferred ones only."""
    assert ruled(VerdictRule(code="550", outcome="deferred")) == (DEFERRED, "policy", 0)
    assert ruled(VerdictRule(code="550", outcome="deferred", retry_after=timedelta(hours=1))) == (DEFERRED, "policy", 3600)
    assert ruled(VerdictRule(code="550", retry_after=timedelta(hours=1))) == (BOUNCED, "policy", 0)
    later = Reply(Phase.RCPT, 450, "4.2.0", "greylisted for 300 s", "greylisted", 300)
    assert ruled(VerdictRule(code="4xx", retry_after=timedelta(minutes=1)), outcome=DEFERRED, reply=later) == (DEFERRED, "greylisted", 60)
    assert ruled(VerdictRule(code="4xx", outcome="bounced"), outcome=DEFERRED, reply=later) == (BOUNCED, "greylisted", 0)
    assert ruled(VerdictRule(code="0", bounce_class="tls"), outcome=DEFERRED, reply=Reply(Phase.TLS, 0)) == (DEFERRED, "tls", 0)


def test_the_first_that_fits_rules() -> None:
    """The others are not asked."""
    spam, blocked = VerdictRule(code="4xx", bounce_class="spam"), VerdictRule(code="5xx", bounce_class="blocked")
    assert ruled(spam, blocked, VerdictRule(code="550", outcome="deferred")) == (BOUNCED, "blocked", 0)


@pytest.mark.parametrize("outcome", [DELIVERED, IN_DOUBT])
def test_no_rule_speaks_of_what_was_taken_or_is_in_doubt(outcome: Outcome) -> None:
    """Else a mail could be sent twice by a slip of the pen."""
    everything = VerdictRule(phase=Phase.BODY, outcome="bounced", bounce_class="spam")
    assert ruled(everything, outcome=outcome, reply=Reply(Phase.BODY, 250)) == (outcome, "", 0)
    mixed = Tried((RecipientVerdict((0,), outcome, Reply(Phase.BODY, 250)), RecipientVerdict((1,), BOUNCED, REFUSED)))
    changed = Rules((VerdictRule(code="550", outcome="deferred"),)).over("r", mixed)
    assert [each.outcome for each in changed.recipients] == [outcome, DEFERRED]


@given(st.builds(Reply, st.sampled_from(Phase), st.integers(0, 599), st.text(max_size=12), st.text(max_size=600), st.just("other")))
def test_without_a_rule_that_fits_nothing_changes(reply: Reply) -> None:
    """Whatever the node says."""
    tried = Tried((RecipientVerdict((0,), BOUNCED, reply),), "host", "address", "TLSv1.3", 7)
    assert NO_RULES.over("r", tried) is tried
    assert Rules((VerdictRule(route="other", code="5xx", outcome="deferred"),)).over("r", tried) == tried


def test_a_rule_keeps_a_refused_mail_going() -> None:
    """From a node's verdict to the ledger: what the server bounced is deferred, and tried again when the rule says."""

    async def main() -> None:
        world = World()
        rule = VerdictRule(text="access denied", outcome="deferred", bounce_class="rate_limited", retry_after=timedelta(minutes=10))
        world.rules = Rules((rule,))
        async with world.gateway():
            node = await world.node("a")
            job = make_job()
            await world.accept(job)
            node.stream.ready(job)
            await quiet()
            node.stream.verdict(job, Tried((RecipientVerdict((0,), BOUNCED, REFUSED),)))
            await quiet()
            assert await world.state(job) is RecipientState.DEFERRED
            assert world.dispatcher.settler.classes == {"rate_limited": 1}

    simulate(main)

"""A provider of several domains, by MX from end to end: what it says to one domain's mail holds for all of its own, and for no other."""

from __future__ import annotations

import threading
from pathlib import Path

from benchmarks.peers.process import wait_until
from tests.process.scripted import Conversation, behave
from tests.servers.test_mx import DELIVERED, staged

SHAPING = """
[providers.scripted]
mx = ["mx2.test", "mx3.test"]

[[providers.scripted.replies]]
text = "unusual rate"
action = "suspend"
lasts = "5s"
longest = "5s"
"""


class Has:
    """Servers that take so many mails together, then have enough until they are told otherwise."""

    def __init__(self, left: int) -> None:
        self.left, self.asked, self._lock = left, 0, threading.Lock()

    def __call__(self, conversation: Conversation, step: str) -> bytes | None:
        if step == "MAIL":
            with self._lock:
                self.asked += 1
                self.left -= 1
                if self.left < 0:
                    return b"421 4.7.28 an unusual rate of mail\r\n"
        return behave(conversation, step)


def test_one_provider_s_domains_wait_together(tmp_path: Path) -> None:
    """Both domains of the provider wait, with the reason; another goes on; then one mail tries, and all are delivered."""
    shaping = tmp_path / "shaping.toml"
    shaping.write_text(SHAPING)
    with staged(tmp_path, senders=1, further={"shaping": {"file": str(shaping)}}) as stage, stage.fleet.door() as door:
        provider = Has(left=3)
        stage.hosts[22].script = stage.hosts[23].script = provider

        def reasons(ids: list[str]) -> set[str]:
            return {recipient.wait_reason for each in ids for recipient in door.get(each).recipients} - {""}

        one = stage.send_many(12, "one.test")
        wait_until(lambda: any("throttled" in each for each in reasons(one)), "nobody waits for the provider", 15)
        wide = stage.send_many(4, "wide.test")
        assert [each.state for each in stage.send("a@two.test", wait=5)] == [DELIVERED]
        wait_until(lambda: any("throttled" in each for each in reasons(wide)), "the other domain does not wait", 5)
        reason = next(each for each in reasons(wide) if "throttled" in each)
        assert reason.startswith("throttled:site=default/scripted, suspended for ")
        assert reason.endswith(": 421 4.7.28 an unusual rate of mail")
        assert not [each for each in wide if door.get(each).recipients[0].attempts]
        provider.left = 10_000
        stage.wait_for([*one, *wide], DELIVERED)
        attempts = [door.get(each).recipients[0].attempts for each in [*one, *wide]]
    assert len(attempts) <= sum(attempts) <= provider.asked, "an attempt is what was asked, and nothing else"
    assert sum(len(host.taken) for host in stage.hosts.values()) == 17

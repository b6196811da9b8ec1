"""What a site allows one sender, kept by three nodes: by its home, or by all of them in parts."""

from __future__ import annotations

import time
from pathlib import Path

from tests.process.scripted import Conversation, behave
from tests.servers.test_mx import DELIVERED, Stage, staged

SHAPING = """
[providers.scripted]
mx = ["mx2.test"]
connections = 2
"""


def slowly(conversation: Conversation, step: str) -> bytes | None:
    """A server that could do with more connections than it allows."""
    if step == "dot":
        time.sleep(0.05)
    return behave(conversation, step)


def sent(stage: Stage, count: int) -> set[str]:
    """So many mails to the site are delivered: by which nodes."""
    ids = stage.send_many(count, "one.test")
    stage.wait_for(ids, DELIVERED)
    with stage.fleet.door() as door:
        return {recipient.last_attempt.node_id for each in ids for recipient in door.get(each).recipients}


def home_of(stage: Stage, count: int) -> str:
    """So many mails to the site are delivered, all by one node: which."""
    nodes = sent(stage, count)
    assert len(nodes) == 1, f"{nodes}\n{stage.fleet.tails(40)}"
    return nodes.pop()


def shaped(folder: Path) -> dict[str, dict[str, object]]:
    file = folder / "shaping.toml"
    file.write_text(SHAPING)
    return {"shaping": {"file": str(file)}}


def test_a_site_with_a_limit_has_one_home(tmp_path: Path) -> None:
    """All its mail goes by one node, and the limit is that node's; when it dies by another one."""
    with staged(tmp_path, senders=3, further=shaped(tmp_path)) as stage:
        site = stage.hosts[22]
        site.script = slowly
        home = home_of(stage, 60)
        assert site.at_once == 2
        assert home_of(stage, 20) == home
        next(node for node in stage.fleet.senders if node.name == home).kill()
        assert home_of(stage, 20) != home
        next(node for node in stage.fleet.senders if node.name == home).start()
        stage.fleet.wait_ready()
        assert home_of(stage, 20) == home
        assert len(site.taken) == 120


def test_by_another_policy_each_node_has_a_part(tmp_path: Path) -> None:
    """Two connections for three nodes: two have one each, and the third gets none of the site's mail."""
    with staged(tmp_path, senders=3, policy="least_connections", further=shaped(tmp_path)) as stage:
        site = stage.hosts[22]
        site.script = slowly
        assert len(sent(stage, 60)) == 2
        assert site.at_once == 2
        assert len(site.taken) == 60

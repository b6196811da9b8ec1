"""What dispatch tells telemetry: samples that fit their metrics, and counters that never go down."""

from __future__ import annotations

import asyncio

from gateway.dispatch.stats import stats
from mailgate.telemetry import names
from mailgate.telemetry.sample import Sample, check
from tests.unit.gateway.dispatch.world import World, make_job
from tests.unit.virtual_time import quiet, simulate


def told(world: World) -> dict[tuple[str, str], float]:
    """The frames of the page by direction, and the deliveries by lane; every sample has the labels of its metric."""
    samples = list(stats(world.dispatcher, world.fleet, world.members))
    for sample in samples:
        check(sample)
    wanted = (names.LINK_FRAMES, names.RECIPIENTS_DELIVERED)
    return {(each.metric.name, *each.labels.values()): each.value for each in samples if isinstance(each, Sample) and each.metric in wanted}


def test_counters_outlive_the_node_that_they_count():
    """A scraper takes a counter that goes down for a new process, and counts it all again."""

    async def main() -> None:
        world = World()
        async with world.gateway():
            node = await world.node("a")
            job = make_job()
            await world.accept(job)
            node.stream.ready(job)
            await quiet()
            node.stream.verdict(job)
            await quiet()
            node.stream.frames = (5, 7)
            before = told(world)
            assert before["mailgate_link_frames_total", "in"] == 5
            assert before["mailgate_link_frames_total", "out"] == 7
            assert before["mailgate_recipients_delivered_total", "transactional"] == 1
            record = await world.registry.find("a")
            assert record is not None
            await world.registry.remove(record)
            node.lose()
            await asyncio.sleep(3)
            assert world.members == {}
            assert told(world) == before

    simulate(main)

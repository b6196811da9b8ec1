"""kill -9 in the middle of the work: what was promised is there."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.backend import SOON, take

ROOT = Path(__file__).parents[4]


def run_and_kill(data: Path, promises: int) -> list[str]:
    """What the child said: killed when it has made so many promises."""
    command = [sys.executable, str(Path(__file__).with_name("accepting_child.py")), str(data)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True)
    assert child.stdout is not None
    with child, child.stdout:
        told = []
        for line in child.stdout:
            told.append(line)
            if len(told) >= promises:
                break
        child.kill()
        told += child.stdout
    return told


@pytest.mark.parametrize("promises", [1, 300, 3000, 6000])
async def test_what_was_promised_before_a_kill_is_there(opened, tmp_path, promises):
    """Every accept that was answered is there or was recorded, every record that was answered holds, and all the rest is brought once."""
    told = run_and_kill(tmp_path / "data", promises)
    lines = [line.split() for line in told if line.endswith("\n")]
    accepted = {bytes.fromhex(job_id) for word, job_id in lines if word == "accepted"}
    recorded = {bytes.fromhex(job_id) for word, job_id in lines if word == "recorded"}
    assert len(accepted) >= promises // 2

    async with opened() as backend:
        assert backend.journal.recovering
        there = await backend.ledger.find(accepted)
        described = await backend.ledger.describe({job_id[:16] for job_id in accepted})
        assert len(described) == len(accepted)
        assert not recorded & set(there)
        for job_id in accepted - recorded - set(there):  # recorded, and the promise was not heard
            (recipient,) = await backend.ledger.recipients(job_id[:16], -1, 10)
            assert recipient.state.final
        underway = {attempt.job.id for attempt in await backend.ledger.open_attempts()}
        ready = set(there) - underway
        brought = {job.id for job in await take(backend, len(ready))}
        assert ready <= brought
        await asyncio.wait_for(_rest(backend, brought, underway), SOON)


async def _rest(backend, brought, underway):
    """What was accepted without an answer comes too, each once, and nothing of what is under way."""
    counts = await backend.ledger.counts(brought | underway)
    while sum(count.ready for count in counts) > 0:
        more = [job.id for job in await backend.queue.take(lambda _lane, _key: 1000)]
        assert not brought & set(more)
        brought.update(more)
        counts = await backend.ledger.counts(brought | underway)
    assert not brought & underway

"""The shell: what was begun is finished though its caller has gone, and a stop waits for it."""

from __future__ import annotations

import asyncio
import threading

import pytest

from gateway.rpc.shell import LoopShell


async def test_a_cancelled_caller_leaves_the_work_running():
    """And `close` waits until it is done."""
    shell, go, done = LoopShell(lambda: 7), asyncio.Event(), []

    async def work():
        await go.wait()
        done.append(1)

    caller = asyncio.ensure_future(shell.finish(work()))
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    closing = asyncio.ensure_future(shell.close())
    await asyncio.sleep(0)
    assert (done, closing.done()) == ([], False)
    go.set()
    await closing
    assert done == [1]


async def test_an_error_is_the_callers():
    """Nobody else hears of it; a caller that has gone does not either."""
    shell = LoopShell(lambda: 7)

    async def work():
        raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        await shell.finish(work())
    caller = asyncio.ensure_future(shell.finish(work()))
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    await shell.close()


async def test_offloaded_work_is_off_the_loop():
    """In another thread."""
    assert await LoopShell(lambda: 7).offload(threading.get_ident) != threading.get_ident()

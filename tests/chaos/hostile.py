"""A receiver that cuts, stalls, refuses and dawdles at random, and keeps the record of what it took. Runs as a process of its own.

Each port has its own ways: no extension, PIPELINING, or CHUNKING too. The record is a file of an octet a recipient, shared as memory: how
often it was taken. A recipient is named `NUMBER-PLACE@…`: octet NUMBER × MOST_RECIPIENTS + PLACE. On SIGTERM what was done is written to
`--told` as JSON: how often each fault was played.

It never breaks the count of its replies where a client can't know it: an answer too many is given where the next one gives it away.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import mmap
import os
import random
import re
import signal
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

from benchmarks.peers.process import Process, answers, free_port, wait_until

MOST_RECIPIENTS = 3
WAYS = ("plain", "pipelining", "chunking")
FAULTS = {
    "refuse for now": 6,
    "refuse for good": 6,
    "421": 3,
    "cut": 4,
    "reset": 3,
    "half a reply": 2,
    "rubbish": 2,
    "stall": 1,
    "slow": 8,
    "lines": 20,
    "split": 20,
}
"""And how often each comes, of all."""
BEFORE_THE_END = {"one too many": 6}
"""A reply nobody asked for, to MAIL and RCPT, where no chunk follows."""
REFUSALS = {"refuse for now", "refuse for good", "421"}
WITHOUT_A_WORD = {"cut", "reset", "stall", "half a reply", "rubbish"}
RATE = 0.02
"""Of commands, bodies and chunks that meet a fault."""
GREETING_RATE = 0.01
IDLE_RATE = 0.003
"""Of replies to a body that a 421 follows after a moment."""
AMID = 0.3
"""Of long bodies that are cut or refused on their way."""
RECIPIENT = re.compile(rb"<(\d+)-(\d)@")
END = b"\r\n.\r\n"
LONG = 150_000
"""Octets that have come when a long body is cut."""


class Hostile(Process):
    """The process; `ports` by way. `told()` is for afterwards."""

    def __init__(self, folder: Path, seed: int, record: Path) -> None:
        self.ports = {way: free_port() for way in WAYS}
        self._told = folder / "hostile.json"
        argv: list[str | Path] = [
            sys.executable,
            "-m",
            "tests.chaos.hostile",
            "--seed",
            str(seed),
            "--record",
            record,
            "--told",
            self._told,
        ]
        argv += [f"{way}={port}" for way, port in self.ports.items()]
        super().__init__("hostile", argv, folder / "hostile.log", cwd=Path(__file__).parents[2])

    def start(self) -> None:
        """Returns when it accepts connections."""
        super().start()
        wait_until(lambda: all(map(answers, self.ports.values())) or not self.alive, "the receiver does not accept connections")
        if not self.alive:
            raise RuntimeError(f"the receiver has ended: {self.tail()}")

    def told(self) -> dict[str, int]:
        """How often it played each fault. Ends it."""
        if self.stop() != 0:
            raise RuntimeError(f"the receiver failed: {self.tail()}")
        return dict(json.loads(self._told.read_text()))


class Stage:
    """What all sessions share."""

    def __init__(self, seed: int, record: mmap.mmap) -> None:
        self.random = random.Random(seed)
        self.record = record
        self.played: Counter[str] = Counter()

    def fault(self, rate: float, faults: dict[str, int]) -> str:
        """The one that is due; empty: none."""
        if self.random.random() >= rate:
            return ""
        return self.random.choices(list(faults), list(faults.values()))[0]

    def play(self, fault: str, where: str) -> None:
        """Keep count."""
        self.played[f"{fault} at {where}"] += 1


class Session(asyncio.Protocol):
    """One connection. Commands are taken one by one; while a reply is held back, nothing is taken."""

    def __init__(self, stage: Stage, way: str) -> None:
        self._stage, self._way = stage, way
        self._loop = asyncio.get_running_loop()
        self._in = b""
        self._replies: list[bytes] = []
        self._held = self._deaf = False
        self._recipients: list[int] = []
        self._body = self._last = False
        self._chunk: int | None = None
        self._refused_chunk = b""
        self._amid = False
        """The long body under way is not to come to its end."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._out = cast("asyncio.Transport", transport)
        fault = self._stage.fault(GREETING_RATE, {"421": 2, "refuse for good": 1, "cut": 2, "stall": 1, "slow": 2, "lines": 2})
        self._reply(b"220 hostile ESMTP\r\n", fault, "greeting")
        self._flush()

    def data_received(self, data: bytes) -> None:
        if not self._deaf:
            self._in = self._in + data if self._in else data
            self._go_on()

    def _go_on(self) -> None:
        while self._in and not self._held and not self._deaf:
            took = self._take_body() if self._body else self._take_chunk() if self._chunk is not None else self._take_line()
            if not took:
                break
        self._flush()

    # ---- what comes

    def _take_line(self) -> bool:
        line, found, rest = self._in.partition(b"\r\n")
        if not found:
            return False
        self._in = rest
        verb = line[:4].upper().decode()
        if verb == "BDAT":
            size, _, last = line[5:].partition(b" ")
            self._chunk, self._last, self._amid = int(size), bool(last), int(size) > LONG and self._stage.random.random() < AMID
            return True if self._chunk else self._take_chunk()
        if verb == "EHLO":
            self._reply(self._greeting(), self._stage.fault(GREETING_RATE, {"421": 1, "cut": 1, "slow": 2}), verb)
        elif verb == "QUIT":
            self._replies.append(b"221 2.0.0 bye\r\n")
            self._end()
        elif verb in ("RSET", "DATA"):
            self._plain(verb)
        else:
            self._envelope(verb, line)
        return True

    def _greeting(self) -> bytes:
        offers = [
            "hostile",
            "8BITMIME",
            "ENHANCEDSTATUSCODES",
            *["PIPELINING"] * (self._way != "plain"),
            *["CHUNKING"] * (self._way == "chunking"),
        ]
        return "".join(f"250{' ' if offer is offers[-1] else '-'}{offer}\r\n" for offer in offers).encode()

    def _envelope(self, verb: str, line: bytes) -> None:
        if verb == "MAIL":
            self._recipients, self._refused_chunk = [], b""
        elif self._recipients == [-1]:
            self._replies.append(b"503 5.5.1 MAIL first\r\n")
            return
        faults = FAULTS if self._way == "chunking" else {**FAULTS, **BEFORE_THE_END}
        took = self._reply(b"250 2.1.0 ok\r\n", self._stage.fault(RATE, faults), verb)
        if verb == "RCPT" and took and (found := RECIPIENT.search(line)):
            self._recipients.append(int(found[1]) * MOST_RECIPIENTS + int(found[2]))
        if verb == "MAIL" and not took:
            self._recipients = [-1]
            """No transaction: what follows is refused."""

    def _plain(self, verb: str) -> None:
        fault = self._stage.fault(RATE, FAULTS)
        if verb == "RSET":
            self._recipients, self._refused_chunk = [], b""
            self._reply(b"250 2.0.0 ok\r\n", fault, verb)
        elif -1 in self._recipients or not self._recipients:
            self._replies.append(b"503 5.5.1 nobody to send it to\r\n")
        elif self._reply(b"354 go on\r\n", fault, verb):
            self._body, self._in = True, b"\r\n" + self._in

    def _take_body(self) -> bool:
        end = self._in.find(END)
        if end < 0:
            if len(self._in) > LONG and not self._amid:
                self._amid = True
                if self._stage.random.random() < AMID:
                    self._break_off()
            return False
        self._in = self._in[end + len(END) :]
        self._body = self._amid = False
        self._end_of_mail("dot")
        return True

    def _take_chunk(self) -> bool:
        assert self._chunk is not None
        if len(self._in) < self._chunk:
            if self._amid and len(self._in) > LONG:
                self._break_off()
            return False
        self._in = self._in[self._chunk :]
        self._chunk = None
        if -1 in self._recipients or not self._recipients:
            self._replies.append(b"503 5.5.1 nobody to send it to\r\n")
        elif self._refused_chunk:
            self._replies.append(self._refused_chunk)
        elif self._last:
            self._end_of_mail("LAST")
        elif not self._reply(b"250 2.0.0 ok\r\n", self._stage.fault(RATE, FAULTS), "BDAT"):
            self._refused_chunk = b"503 5.5.1 a chunk before was refused\r\n"
        return True

    def _end_of_mail(self, where: str) -> None:
        """Taken or not: where the answer does not say so, by chance."""
        recipients, self._recipients = self._recipients, []
        fault = self._stage.fault(RATE * 2, FAULTS)
        if fault not in REFUSALS and (fault not in WITHOUT_A_WORD or self._stage.random.random() < 0.5):
            for recipient in recipients:
                self._stage.record[recipient] = min(self._stage.record[recipient] + 1, 255)
        self._reply(b"250 2.0.0 taken\r\n", fault, where)
        if not fault and self._stage.random.random() < IDLE_RATE:
            self._loop.call_later(0.02 * self._stage.random.random(), self._tidy_up)

    def _break_off(self) -> None:
        fault = self._stage.random.choice(["cut", "reset", "421", "refuse for good"])
        self._reply(b"", fault, "a long body")
        self._deaf = True
        self._end()

    def _tidy_up(self) -> None:
        """It has had enough of a connection, and says so between two commands."""
        if not self._held and not self._deaf and not self._body and not self._out.is_closing():
            self._stage.play("421", "leisure")
            self._replies.append(b"421 4.4.2 enough\r\n")
            self._flush()
            self._end()

    # ---- what is said

    def _reply(self, good: bytes, fault: str, where: str) -> bool:
        """Says `good`, or plays the fault. False: it was refused, or nothing more is heard on this connection."""
        if not fault:
            self._replies.append(good)
            return True
        self._stage.play(fault, where)
        return bool(getattr(self, "_" + fault.replace(" ", "_"))(good))

    def _refuse_for_now(self, _good: bytes) -> bool:
        self._replies.append(b"451 4.3.0 not now\r\n")
        return False

    def _refuse_for_good(self, _good: bytes) -> bool:
        self._replies.append(b"550-5.7.1 no,\r\n550 5.7.1 never\r\n")
        return False

    def _421(self, _good: bytes) -> bool:
        self._replies.append(b"421 4.3.2 going down\r\n")
        self._end()
        return False

    def _cut(self, _good: bytes) -> bool:
        self._end()
        return False

    def _reset(self, _good: bytes) -> bool:
        self._deaf = True
        self._out.abort()
        return False

    def _half_a_reply(self, good: bytes) -> bool:
        self._replies.append(good[: self._stage.random.randrange(1, len(good) - 1)])
        self._end()
        return False

    def _rubbish(self, _good: bytes) -> bool:
        self._replies.append(b"wer da?\r\n")
        self._deaf = True
        return False

    def _stall(self, _good: bytes) -> bool:
        self._deaf = True
        return False

    def _slow(self, good: bytes) -> bool:
        self._hold(good, 0.3 * self._stage.random.random())
        return True

    def _split(self, good: bytes) -> bool:
        cut = self._stage.random.randrange(1, len(good))
        self._replies.append(good[:cut])
        self._hold(good[cut:], 0.002)
        return True

    def _lines(self, good: bytes) -> bool:
        self._replies += [good[:3] + b"-more\r\n"] * 3 + [good]
        return True

    def _one_too_many(self, good: bytes) -> bool:
        self._replies += [good, good]
        self._hold(b"", 0.0)
        return True

    def _hold(self, reply: bytes, seconds: float) -> None:
        self._held = True
        self._loop.call_later(seconds, self._release, reply)

    def _release(self, reply: bytes) -> None:
        self._held = False
        if not self._deaf:
            self._replies.append(reply)
            self._go_on()

    def _flush(self) -> None:
        if self._replies and not self._out.is_closing():
            self._out.write(b"".join(self._replies))
        self._replies.clear()

    def _end(self) -> None:
        """Close, with what was said on its way."""
        self._deaf = True
        self._flush()
        self._out.close()


async def serve(stage: Stage, ports: dict[str, int]) -> None:
    """Take mail until SIGTERM."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)

    def session(way: str) -> Callable[[], Session]:
        return lambda: Session(stage, way)

    servers = [await loop.create_server(session(way), "127.0.0.1", port, backlog=1000) for way, port in ports.items()]
    await stop.wait()
    for server in servers:
        server.close()


def main(argv: Sequence[str] | None = None) -> None:
    """The process."""
    import uvloop

    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--record", type=Path, required=True)
    parser.add_argument("--told", type=Path, required=True)
    parser.add_argument("ports", nargs="+", metavar="WAY=PORT")
    options = parser.parse_args(argv)
    ports = {way: int(port) for way, port in (pair.split("=") for pair in options.ports)}
    with options.record.open("r+b") as file, mmap.mmap(file.fileno(), os.path.getsize(options.record)) as record:
        stage = Stage(options.seed, record)
        uvloop.run(serve(stage, ports))
        options.told.write_text(json.dumps(dict(sorted(stage.played.items()))))


if __name__ == "__main__":
    main()

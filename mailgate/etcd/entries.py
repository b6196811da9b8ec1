"""One entry of etcd: read, put or taken away, each change only where what stands there is what it should be."""

from __future__ import annotations

from dataclasses import dataclass

from mailgate.api.etcd.v1 import etcd_pb2 as pb
from mailgate.etcd.client import Etcd

EQUAL = 0
MOD_REVISION, VALUE = 2, 3


@dataclass(frozen=True, slots=True)
class Entry:
    """What stands at a key. `revision` changed it last; `lease` 0: it lives by none."""

    value: bytes
    revision: int
    lease: int


@dataclass(frozen=True, slots=True)
class Put:
    """What came of a put: its revision, or 0 and what stands there instead (None: nothing)."""

    revision: int
    there: Entry | None = None


Condition = pb.Compare


def end_of(prefix: bytes) -> bytes:
    """Behind the last key that begins so: the prefix with its last octet one higher. `prefix` may not be empty, nor end in 0xff."""
    return prefix[:-1] + bytes([prefix[-1] + 1])


def unchanged(key: bytes, entry: Entry | None) -> Condition:
    """The key was not changed since this was read; None: there is no such key."""
    return pb.Compare(result=EQUAL, target=MOD_REVISION, key=key, mod_revision=0 if entry is None else entry.revision)


def holds(key: bytes, value: bytes) -> Condition:
    """The key has this value. One that is not there has none."""
    return pb.Compare(result=EQUAL, target=VALUE, key=key, value=value)


async def read(etcd: Etcd, key: bytes, within: float | None = None) -> tuple[Entry | None, int]:
    """What stands there, and the revision of the store. Raises Unavailable, EtcdRefused."""
    answer = await etcd.range(key, within=within)
    return _first(answer), answer.header.revision


async def put_if(etcd: Etcd, key: bytes, value: bytes, lease: int, condition: Condition | None, within: float | None = None) -> Put:
    """Put it if the condition holds; None: always. What it raises may have been put all the same, or be put later.

    Raises:
        Unavailable: nobody has answered.
        EtcdRefused: of the kind NO_LEASE where there is no such lease.
    """
    request = pb.TxnRequest(
        compare=[] if condition is None else [condition],
        success=[pb.RequestOp(request_put=pb.PutRequest(key=key, value=value, lease=lease))],
        failure=[pb.RequestOp(request_range=pb.RangeRequest(key=key))],
    )
    answer = await etcd.txn(request, within)
    if answer.succeeded:
        return Put(answer.header.revision)
    return Put(0, _first(answer.responses[0].response_range))


async def delete_if(etcd: Etcd, key: bytes, value: bytes, within: float | None = None) -> int:
    """Take it away if it has this value: the revision, or 0. Raises Unavailable, EtcdRefused; it may go all the same, or later."""
    steps = [pb.RequestOp(request_delete_range=pb.DeleteRangeRequest(key=key))]
    answer = await etcd.txn(pb.TxnRequest(compare=[holds(key, value)], success=steps), within)
    return answer.header.revision if answer.succeeded else 0


async def may_write(etcd: Etcd, prefix: bytes, within: float) -> None:
    """Have etcd say whether we may read and write below a prefix, without writing. Raises Unavailable, EtcdRefused."""
    never = pb.Compare(result=EQUAL, target=MOD_REVISION, key=prefix, mod_revision=-1)
    steps = [
        pb.RequestOp(request_put=pb.PutRequest(key=prefix)),
        pb.RequestOp(request_delete_range=pb.DeleteRangeRequest(key=prefix + b"-")),
    ]
    look = pb.RequestOp(request_range=pb.RangeRequest(key=prefix, range_end=end_of(prefix), limit=1))
    await etcd.txn(pb.TxnRequest(compare=[never], success=steps, failure=[look]), within)


def _first(answer: pb.RangeResponse) -> Entry | None:
    return next((Entry(kv.value, kv.mod_revision, kv.lease) for kv in answer.kvs), None)

"""What dispatch tells telemetry: nodes, verdicts, the way of a mail in seconds. Pure, but for reading what others count."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gateway.dispatch.dispatcher import Dispatcher
from gateway.dispatch.fleet import Fleet
from gateway.dispatch.member import Member, NodeState
from mailgate.mail import Lane, RecipientState
from mailgate.telemetry import names
from mailgate.telemetry.names import Metric
from mailgate.telemetry.sample import HistogramSample, Sample

BY_STATE: dict[RecipientState, Metric] = {
    RecipientState.DELIVERED: names.RECIPIENTS_DELIVERED,
    RecipientState.DEFERRED: names.RECIPIENTS_DEFERRED,
    RecipientState.BOUNCED: names.RECIPIENTS_BOUNCED,
    RecipientState.EXPIRED: names.RECIPIENTS_EXPIRED,
    RecipientState.IN_DOUBT: names.RECIPIENTS_IN_DOUBT,
    RecipientState.DEAD: names.RECIPIENTS_DEAD,
    RecipientState.QUEUED: names.RECIPIENTS_RESENT,
}


def stats(dispatcher: Dispatcher, fleet: Fleet, members: Mapping[str, Member]) -> Iterable[Sample | HistogramSample]:
    """All of it, at one moment."""
    yield from of_outcomes(dispatcher)
    yield from of_members(members, fleet.frames_of_gone)
    for node_id in members:
        yield Sample(names.NODE_EJECTIONS, dispatcher.choice.ejection.ejections(node_id), {"node": node_id})
    for reason, count in fleet.losses.items():
        yield Sample(names.NODE_LOSSES, count, {"reason": reason})
    yield Sample(names.COMMITS, dispatcher.committer.committed)
    yield Sample(names.COMMITS_LOST, dispatcher.committer.stale)
    yield Sample(names.COMMITS_EXPIRED, dispatcher.verdicts.expired)
    yield Sample(names.WITHDRAWN, dispatcher.withdrawn)


def of_outcomes(dispatcher: Dispatcher) -> Iterable[Sample | HistogramSample]:
    """What became of recipients, and how long it took."""
    settler = dispatcher.settler
    for (lane, state), count in settler.outcomes.items():
        if (metric := BY_STATE.get(state)) is not None:
            yield Sample(metric, count, {"lane": lane.name.lower()})
    delivered = sum(count for (_, state), count in settler.outcomes.items() if state is RecipientState.DELIVERED)
    yield Sample(names.VERDICTS, delivered, {"class": "delivered"})
    for name, count in settler.classes.items():
        yield Sample(names.VERDICTS, count, {"class": name})
    for lane in Lane:
        yield HistogramSample(names.HANDED_SECONDS, dispatcher.handed[lane].snapshot(), {"lane": lane.name.lower()})
        yield HistogramSample(names.DELIVERED_SECONDS, settler.delivered[lane].snapshot(), {"lane": lane.name.lower()})


def of_members(members: Mapping[str, Member], frames_of_gone: tuple[int, int] = (0, 0)) -> Iterable[Sample]:
    """How the nodes are, and what went over the streams to them and to those that are gone."""
    states = dict.fromkeys(NodeState, 0)
    frames_in, frames_out = frames_of_gone
    for member in members.values():
        states[member.state] += 1
        node = {"node": member.node_id}
        yield Sample(names.NODE_IN_FLIGHT, len(member.hand), node)
        yield Sample(names.NODE_COMMITTED, member.hand.committed, node)
        yield Sample(names.NODE_WARM, member.load.warm, node)
        for lane in Lane:
            credit = sum(jobs for (of, _), jobs in member.load.credit.items() if of is lane)
            yield Sample(names.NODE_CREDIT, credit, {**node, "lane": lane.name.lower()})
        frames_in += member.frames[0]
        frames_out += member.frames[1]
    for state, count in states.items():
        yield Sample(names.NODES, count, {"state": state.name.lower()})
    yield Sample(names.LINK_FRAMES, frames_in, {"direction": "in"})
    yield Sample(names.LINK_FRAMES, frames_out, {"direction": "out"})

"""From an offer to the transaction to be: decoded and composed, or refused for good. Blocking: large ones belong into a thread."""

from __future__ import annotations

from collections.abc import Callable

from mailgate.errors import MailgateError
from mailgate.job import JobBody
from mailgate.telemetry.logs import get_logger
from mailgate.verdict import NotTried
from sender.compose.message import LARGE, vouched
from sender.delivery.work import Offer
from sender.pool.handoff import Handoff

Decode = Callable[[bytes], JobBody]
"""A job's bytes to values; raises MailgateError for bytes that are no job."""

log = get_logger(__name__)


def is_large(offer: Offer) -> bool:
    """Making it would hold up the loop."""
    return len(offer.job) > LARGE


def make(offer: Offer, decode: Decode) -> Handoff | NotTried:
    """The handoff, or why no node can ever make it. A defect of ours costs this job, not the node."""
    try:
        body = decode(offer.job)
        message, clean = vouched(body)
    except MailgateError as error:
        return NotTried(f"the mail cannot be composed: {error}", hopeless=True)
    except Exception:
        log.exception("compose_failed")
        return NotTried("the mail cannot be composed: a defect of the node, see its log", hopeless=True)
    envelope = body.envelope
    recipients = envelope.recipients
    if offer.remaining:
        recipients = tuple(recipient for recipient in recipients if recipient.index in offer.remaining)
        if not recipients:
            return NotTried("the job has none of the recipients that remain", hopeless=True)
    return Handoff(offer.fence, offer.route, envelope.return_path, recipients, message, envelope.smtputf8, envelope.traceparent, clean)

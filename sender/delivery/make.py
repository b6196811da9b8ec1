"""From an offer to the transaction to be: decoded and composed, or refused for good. Blocking: large ones belong into a thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from mailgate.digest import parse_digest
from mailgate.errors import Invalid, JobUnreadable, MailgateError
from mailgate.job import JobBody
from mailgate.mail import Lane
from mailgate.telemetry.logs import get_logger
from mailgate.verdict import NotTried, Outcome, Phase, RecipientVerdict, Reply, Tried
from sender.compose.message import LARGE, vouched
from sender.delivery.work import Offer
from sender.pool.handoff import Handoff

Decode = Callable[[bytes, bytes], JobBody]
"""A job's bytes, and those of its content if that came by itself, to values; raises MailgateError for bytes that are no job."""

Made = Handoff | NotTried | Tried
"""What an offer comes to: the transaction to be, or the end of the job."""

MAX_TEXT = 400
"""Characters of a bounce's text."""

log = get_logger(__name__)


def is_large(offer: Offer) -> bool:
    """Making it would hold up the loop."""
    return offer.octets > LARGE


def attach(body: JobBody, files: Mapping[bytes, bytes]) -> JobBody:
    """The same with the octets of those attachments that name a digest.

    Raises:
        JobUnreadable: one of them did not come.
    """
    if not any(file.digest for file in body.content.attachments):
        return body
    attachments = tuple(
        [replace(file, data=_octets(file.digest, files), digest="") if file.digest else file for file in body.content.attachments]
    )
    return JobBody(body.envelope, replace(body.content, attachments=attachments))


def _octets(name: str, files: Mapping[bytes, bytes]) -> bytes:
    digest = parse_digest(name)
    if digest is None or digest not in files:
        raise JobUnreadable(f"the attached file {name} is not there any more")
    return files[digest]


def make(offer: Offer, decode: Decode) -> Made:
    """The handoff, or why no node can ever make it. A template that fails bounces; a defect of ours costs this job, not the node."""
    try:
        body = attach(decode(offer.job, offer.content), offer.files)
        try:
            message, clean = vouched(body)
        except Invalid as error:
            if not body.content.template:
                raise
            return _bounced(offer, body, error)
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
    bulk = offer.lane is Lane.BULK
    return Handoff(
        offer.fence, offer.route, envelope.return_path, recipients, message, envelope.smtputf8, envelope.traceparent, clean, bulk
    )


def _bounced(offer: Offer, body: JobBody, error: Invalid) -> Tried:
    """A caller's variables are the mail's own, and its end is the mail's: with the class that RFC 3463 3.7 has for contents."""
    indexes = tuple(offer.remaining) or tuple([recipient.index for recipient in body.envelope.recipients])
    reply = Reply(Phase.COMPOSE, 0, "5.6.0", f"the template cannot be rendered: {error}"[:MAX_TEXT], "content")
    return Tried((RecipientVerdict(indexes, Outcome.BOUNCED, reply),))

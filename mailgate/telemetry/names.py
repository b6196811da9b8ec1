"""Every metric, span and attribute by its name: nothing else in the house spells one.

Metrics follow Prometheus (`mailgate_…_seconds`, `_total`), spans and attributes OpenTelemetry's conventions where there are some. The
values of a label must be few and known to the operator, never an address, a tag or a tenant: `LABELS` is all there are, and a metric
with another label is refused where it is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

LABELS: Final = frozenset({"class", "direction", "lane", "node", "provider", "reason", "route", "site", "state", "version"})
"""All label names. `class`: a verdict's; `node`: a node id; `provider`: a name of the shaping file, or `other`; `reason`: one of a fixed
list; `route`: a name of the settings; `site`: a site key, of the hundred with the most mail, or `other`."""


class Kind(Enum):
    """What a metric's samples mean."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric family. A counter's name ends in `_total`, and nothing else's does; a time is in seconds and says so."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if strange := set(self.labels) - LABELS:
            raise ValueError(f"{self.name}: {sorted(strange)} may not be labels; those that may: {sorted(LABELS)}")
        if self.name.endswith("_total") != (self.kind is Kind.COUNTER):
            raise ValueError(f"{self.name}: counters, and they alone, end in _total")


METRICS: Final[dict[str, Metric]] = {}
"""All metrics of the house by name."""


def _metric(kind: Kind, name: str, help_text: str, *labels: str) -> Metric:
    metric = METRICS[name] = Metric(name, kind, help_text, labels)
    return metric


_COUNTER, _GAUGE, _HISTOGRAM = Kind.COUNTER, Kind.GAUGE, Kind.HISTOGRAM

# The gateway: what comes in
MAILS_ACCEPTED = _metric(_COUNTER, "mailgate_mails_accepted_total", "Mails made durable.", "lane")
RECIPIENTS_ACCEPTED = _metric(_COUNTER, "mailgate_recipients_accepted_total", "Recipients of accepted mails.", "lane")
MAILS_REPLAYED = _metric(_COUNTER, "mailgate_mails_replayed_total", "Mails not stored again, since their idempotency key was known.")
MAILS_REFUSED = _metric(_COUNTER, "mailgate_mails_refused_total", "Mails not accepted, by the reason the caller was told.", "reason")
ACCEPT_SECONDS = _metric(_HISTOGRAM, "mailgate_accept_seconds", "From a mail's arrival until it was durable.", "lane")
STREAMS = _metric(_GAUGE, "mailgate_streams", "Open StreamMail calls.")
BYTES_IN_FLIGHT = _metric(_GAUGE, "mailgate_bytes_in_flight", "Octets of requests that are being accepted.")

# The gateway: what waits
QUEUE_READY = _metric(_GAUGE, "mailgate_queue_ready", "Jobs that could go now.", "lane", "route")
QUEUE_DEFERRED = _metric(_GAUGE, "mailgate_queue_deferred", "Jobs that wait for their next attempt.", "lane", "route")
QUEUE_OLDEST_AGE = _metric(_GAUGE, "mailgate_queue_oldest_age_seconds", "How long the oldest ready job has been ready.", "lane", "route")
JOBS_IN_DOUBT = _metric(_GAUGE, "mailgate_jobs_in_doubt", "Jobs that wait for ResolveDoubt.")
JOBS_DEAD = _metric(_GAUGE, "mailgate_jobs_dead", "Jobs given up because no node survived or understood them.")

# The gateway: what became of it
RECIPIENTS_DELIVERED = _metric(_COUNTER, "mailgate_recipients_delivered_total", "Recipients whose server took the mail.", "lane")
RECIPIENTS_DEFERRED = _metric(
    _COUNTER, "mailgate_recipients_deferred_total", "Attempts that ended in a passing failure, by recipient.", "lane"
)
RECIPIENTS_BOUNCED = _metric(_COUNTER, "mailgate_recipients_bounced_total", "Recipients refused for good.", "lane")
RECIPIENTS_EXPIRED = _metric(_COUNTER, "mailgate_recipients_expired_total", "Recipients whose time to live ran out.", "lane")
RECIPIENTS_IN_DOUBT = _metric(_COUNTER, "mailgate_recipients_in_doubt_total", "Recipients of whom nobody could know.", "lane")
RECIPIENTS_DEAD = _metric(_COUNTER, "mailgate_recipients_dead_total", "Recipients of jobs given up.", "lane")
RECIPIENTS_RESENT = _metric(_COUNTER, "mailgate_recipients_resent_total", "Recipients sent again from doubt.", "lane")
VERDICTS = _metric(_COUNTER, "mailgate_verdicts_total", "Recipients' verdicts: delivered, or the class of the refusal.", "class")
HANDED_SECONDS = _metric(_HISTOGRAM, "mailgate_accept_to_handed_seconds", "From accept until a node was offered the job.", "lane")
DELIVERED_SECONDS = _metric(_HISTOGRAM, "mailgate_accept_to_delivered_seconds", "From accept until the server took the mail.", "lane")

# The gateway: journal
COMMIT_SECONDS = _metric(_HISTOGRAM, "mailgate_journal_commit_seconds", "One group commit, fsync included.")
JOURNAL_ROWS = _metric(
    _COUNTER, "mailgate_journal_rows_total", "Jobs that commits touched, one row or more each; by commits: the size of a group."
)
JOURNAL_WAITING = _metric(_GAUGE, "mailgate_journal_waiting", "Works handed to the writer and not yet durable.")

# The gateway: nodes and their links
NODES = _metric(_GAUGE, "mailgate_nodes", "Nodes as this gateway sees them.", "state")
NODE_IN_FLIGHT = _metric(_GAUGE, "mailgate_node_in_flight", "Jobs in hand at a node.", "node")
NODE_COMMITTED = _metric(_GAUGE, "mailgate_node_committed", "Those of them whose COMMIT has left.", "node")
NODE_WARM = _metric(_GAUGE, "mailgate_node_warm", "Warm connections that a node reports.", "node")
NODE_CREDIT = _metric(_GAUGE, "mailgate_node_credit", "Jobs that a node admits in hand.", "node", "lane")
NODE_EJECTIONS = _metric(_COUNTER, "mailgate_node_ejections_total", "Times that a node got no jobs since it failed by itself.", "node")
NODE_LOSSES = _metric(_COUNTER, "mailgate_node_losses_total", "Streams to nodes that ended, by why.", "reason")
ETCD_LIVE = _metric(_GAUGE, "mailgate_etcd_live", "1 while etcd tells this gateway of every change.")
ETCD_FAILURES = _metric(_COUNTER, "mailgate_etcd_failures_total", "Tries at a member of etcd that failed, by why.", "reason")
ETCD_LISTS = _metric(_COUNTER, "mailgate_etcd_lists_total", "Times that all entries were read, instead of what had changed.")
ETCD_LEASES_LOST = _metric(_COUNTER, "mailgate_etcd_leases_lost_total", "Times that this gateway's lease had run out.")
REGISTRY_HELD = _metric(_GAUGE, "mailgate_registry_held", "Entries that this gateway keeps in etcd.")
REGISTRY_MISSING = _metric(_GAUGE, "mailgate_registry_missing", "Nodes that are kept though etcd lost too many of them at once.")
REGISTRY_UNREADABLE = _metric(_GAUGE, "mailgate_registry_unreadable", "Entries in etcd that are not understood, and passed over.")
COMMITS = _metric(_COUNTER, "mailgate_commits_total", "COMMITs that left.")
COMMITS_EXPIRED = _metric(_COUNTER, "mailgate_commits_expired_total", "COMMITs that came too late and were certainly not sent.")
COMMITS_LOST = _metric(_COUNTER, "mailgate_commits_lost_total", "READYs that lost the compare-and-set and were withdrawn.")
WITHDRAWN = _metric(_COUNTER, "mailgate_withdrawn_total", "Offers taken back.")
LINK_FRAMES = _metric(_COUNTER, "mailgate_link_frames_total", "Frames on Deliver streams.", "direction")
WATCHERS = _metric(_GAUGE, "mailgate_watchers", "Open WatchEvents calls and waits.")
WATCHERS_DROPPED = _metric(_COUNTER, "mailgate_watchers_dropped_total", "Watchers ended because they were too slow.")

# The sender
POOL_WARM = _metric(_GAUGE, "mailgate_pool_warm", "Connections that are open and usable.", "route")
POOL_BUSY = _metric(_GAUGE, "mailgate_pool_busy", "Those of them with a mail.", "route")
POOL_DIALLED = _metric(_COUNTER, "mailgate_pool_dialled_total", "Connections that came to be.", "route")
POOL_DIAL_FAILED = _metric(_COUNTER, "mailgate_pool_dial_failed_total", "Dials that failed.", "route")
POOL_LOGINS_REFUSED = _metric(_COUNTER, "mailgate_pool_logins_refused_total", "Those of them whose credentials were refused.", "route")
POOL_RELAYS_RESTING = _metric(_GAUGE, "mailgate_pool_relays_resting", "Relays that are not dialled now, after failures.", "route")
POOL_CLOSED = _metric(_COUNTER, "mailgate_pool_closed_total", "Connections that ended.", "route")
CREDIT = _metric(_GAUGE, "mailgate_credit", "Jobs that this node admits in hand.", "lane", "route")
JOBS_IN_HAND = _metric(_GAUGE, "mailgate_jobs_in_hand", "Jobs offered to this node and not concluded.")
UNSETTLED_VERDICTS = _metric(_GAUGE, "mailgate_unsettled_verdicts", "Verdicts that a gateway has not yet settled.")
COMPOSE_SECONDS = _metric(_HISTOGRAM, "mailgate_compose_seconds", "From a job's bytes to the message's.")
TRANSACTION_SECONDS = _metric(
    _HISTOGRAM, "mailgate_transaction_seconds", "From COMMIT (or MAIL, where it came to none) to the server's last answer.", "route"
)
SITE_RECIPIENTS = _metric(
    _COUNTER,
    "mailgate_site_recipients_total",
    "Recipients by what their server made of them, since their site has a name here.",
    "site",
    "state",
)
SITE_CONNECTIONS = _metric(_GAUGE, "mailgate_site_connections", "Connections that are open.", "site")
SITE_WAITING = _metric(_GAUGE, "mailgate_site_waiting", "Jobs on this node that wait for a connection.", "site")
SITES_HELD = _metric(_GAUGE, "mailgate_sites_held", "Sites that are suspended or slowed now, of each source.", "provider", "state")
SITE_COMPLAINTS = _metric(
    _COUNTER,
    "mailgate_site_complaints_total",
    "Times that what a site said suspended, slowed or curbed it.",
    "provider",
    "state",
)
REGISTERED = _metric(_GAUGE, "mailgate_registered", "1 while a gateway acknowledges this node's registration.")

# Every process
LOOP_LAG = _metric(_HISTOGRAM, "mailgate_loop_lag_seconds", "How late the event loop ran a periodic task.")
LOOP_LAG_MAX = _metric(_GAUGE, "mailgate_loop_lag_max_seconds", "The worst lag of the last half to whole minute.")
BUILD = _metric(_GAUGE, "mailgate_build_info", "Always 1; the version is the label.", "version")
SETTINGS_RELOADS = _metric(_COUNTER, "mailgate_settings_reloads_total", "Settings that were read again and are in force.")
SETTINGS_REFUSED = _metric(_COUNTER, "mailgate_settings_refused_total", "Settings that were read again and had mistakes.")
SETTINGS_SOUND = _metric(_GAUGE, "mailgate_settings_sound", "0 when the last reading of the settings had mistakes, else 1.")
SETTINGS_LOADED = _metric(
    _GAUGE, "mailgate_settings_loaded_time_seconds", "When the settings in force were last read, in seconds since 1970."
)
SETTINGS_INFO = _metric(_GAUGE, "mailgate_settings_info", "Always 1; the version of the gateway's settings is the label.", "version")
SCRAPE_FAILURES = _metric(
    _COUNTER, "mailgate_scrape_failures_total", "Readers left out of a scrape: late, broken or mislabelled.", "reason"
)

# Spans. A server's span is named by its method: `mailgate.api.mail.v1.MailService/SendMail`.
SPAN_TRANSACTION: Final = "smtp.transaction"

# Events of a transaction's span, which begins when its commands have left. Those that a mail does not come to are missing.
EVENT_MAIL: Final = "smtp.mail"
EVENT_RCPT: Final = "smtp.rcpt"
EVENT_READY: Final = "smtp.ready"
EVENT_COMMIT: Final = "smtp.commit"
EVENT_BODY_SENT: Final = "smtp.body_sent"
EVENT_REPLY: Final = "smtp.reply"
EVENT_CLOSED: Final = "smtp.closed"
EVENTS: Final = frozenset({EVENT_MAIL, EVENT_RCPT, EVENT_READY, EVENT_COMMIT, EVENT_BODY_SENT, EVENT_REPLY, EVENT_CLOSED})
"""`mail`, `rcpt` (the last of them), `reply`: answered; `ready`: 354, or all chunks taken; `commit`: the body's end was let go;
`body_sent`: a body, or a chunk that did not leave with the commands, was handed to the socket; `closed`: the connection ended before."""

# Attributes of OpenTelemetry's conventions
SERVICE_NAME: Final = "service.name"
SERVICE_VERSION: Final = "service.version"
SERVICE_INSTANCE_ID: Final = "service.instance.id"
ERROR_TYPE: Final = "error.type"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"
PEER_ADDRESS: Final = "network.peer.address"
PEER_PORT: Final = "network.peer.port"
NETWORK_PROTOCOL: Final = "network.protocol.name"
TLS_VERSION: Final = "tls.protocol.version"

# Attributes of our own: ids, counts and names of the settings
MAIL_ID: Final = "mailgate.mail.id"
BATCH_ID: Final = "mailgate.batch.id"
ATTEMPT_NUMBER: Final = "mailgate.attempt.number"
ROUTE: Final = "mailgate.route"
RECIPIENT_COUNT: Final = "mailgate.recipient.count"
REFUSED_COUNT: Final = "mailgate.recipient.refused"
MESSAGE_SIZE: Final = "mailgate.message.size"
SMTP_PHASE: Final = "smtp.phase"
SMTP_CODE: Final = "smtp.reply.code"
SMTP_ENHANCED_CODE: Final = "smtp.reply.enhanced_code"

ATTRIBUTES: Final = frozenset(
    {
        *(ERROR_TYPE, SERVER_ADDRESS, SERVER_PORT, PEER_ADDRESS, PEER_PORT, NETWORK_PROTOCOL, TLS_VERSION),
        *(MAIL_ID, BATCH_ID, ATTEMPT_NUMBER, ROUTE, RECIPIENT_COUNT, REFUSED_COUNT, MESSAGE_SIZE),
        *(SMTP_PHASE, SMTP_CODE, SMTP_ENHANCED_CODE),
    }
)
"""All attributes that a span may have: ids and names, never an address of a person or what a mail says."""

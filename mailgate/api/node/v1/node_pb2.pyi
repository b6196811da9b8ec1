from mailgate.api.mail.v1 import mail_pb2 as _mail_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TlsMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TLS_MODE_UNSPECIFIED: _ClassVar[TlsMode]
    TLS_MODE_NONE: _ClassVar[TlsMode]
    TLS_MODE_OPPORTUNISTIC: _ClassVar[TlsMode]
    TLS_MODE_REQUIRED: _ClassVar[TlsMode]
    TLS_MODE_IMPLICIT: _ClassVar[TlsMode]

class AuthMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    AUTH_MODE_UNSPECIFIED: _ClassVar[AuthMode]
    AUTH_MODE_AUTO: _ClassVar[AuthMode]
    AUTH_MODE_PLAIN: _ClassVar[AuthMode]
    AUTH_MODE_LOGIN: _ClassVar[AuthMode]
    AUTH_MODE_XOAUTH2: _ClassVar[AuthMode]

class DsnNotify(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DSN_NOTIFY_UNSPECIFIED: _ClassVar[DsnNotify]
    DSN_NOTIFY_NEVER: _ClassVar[DsnNotify]
    DSN_NOTIFY_SUCCESS: _ClassVar[DsnNotify]
    DSN_NOTIFY_FAILURE: _ClassVar[DsnNotify]
    DSN_NOTIFY_DELAY: _ClassVar[DsnNotify]

class DsnReturn(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DSN_RETURN_UNSPECIFIED: _ClassVar[DsnReturn]
    DSN_RETURN_HEADERS: _ClassVar[DsnReturn]
    DSN_RETURN_FULL: _ClassVar[DsnReturn]

class Outcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OUTCOME_UNSPECIFIED: _ClassVar[Outcome]
    OUTCOME_DELIVERED: _ClassVar[Outcome]
    OUTCOME_DEFERRED: _ClassVar[Outcome]
    OUTCOME_BOUNCED: _ClassVar[Outcome]
    OUTCOME_IN_DOUBT: _ClassVar[Outcome]
TLS_MODE_UNSPECIFIED: TlsMode
TLS_MODE_NONE: TlsMode
TLS_MODE_OPPORTUNISTIC: TlsMode
TLS_MODE_REQUIRED: TlsMode
TLS_MODE_IMPLICIT: TlsMode
AUTH_MODE_UNSPECIFIED: AuthMode
AUTH_MODE_AUTO: AuthMode
AUTH_MODE_PLAIN: AuthMode
AUTH_MODE_LOGIN: AuthMode
AUTH_MODE_XOAUTH2: AuthMode
DSN_NOTIFY_UNSPECIFIED: DsnNotify
DSN_NOTIFY_NEVER: DsnNotify
DSN_NOTIFY_SUCCESS: DsnNotify
DSN_NOTIFY_FAILURE: DsnNotify
DSN_NOTIFY_DELAY: DsnNotify
DSN_RETURN_UNSPECIFIED: DsnReturn
DSN_RETURN_HEADERS: DsnReturn
DSN_RETURN_FULL: DsnReturn
OUTCOME_UNSPECIFIED: Outcome
OUTCOME_DELIVERED: Outcome
OUTCOME_DEFERRED: Outcome
OUTCOME_BOUNCED: Outcome
OUTCOME_IN_DOUBT: Outcome

class Fence(_message.Message):
    __slots__ = ("job_id", "attempt")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    job_id: bytes
    attempt: int
    def __init__(self, job_id: _Optional[bytes] = ..., attempt: _Optional[int] = ...) -> None: ...

class JobBody(_message.Message):
    __slots__ = ("mail_id", "return_path", "recipients", "smtputf8", "message_id", "date_ms", "traceparent", "from_address", "reply_to", "to", "cc", "headers", "attachments", "parts", "raw", "own_headers", "template", "variables", "own_variables", "hash_key")
    MAIL_ID_FIELD_NUMBER: _ClassVar[int]
    RETURN_PATH_FIELD_NUMBER: _ClassVar[int]
    RECIPIENTS_FIELD_NUMBER: _ClassVar[int]
    SMTPUTF8_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    DATE_MS_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    FROM_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    REPLY_TO_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    CC_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    ATTACHMENTS_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    RAW_FIELD_NUMBER: _ClassVar[int]
    OWN_HEADERS_FIELD_NUMBER: _ClassVar[int]
    TEMPLATE_FIELD_NUMBER: _ClassVar[int]
    VARIABLES_FIELD_NUMBER: _ClassVar[int]
    OWN_VARIABLES_FIELD_NUMBER: _ClassVar[int]
    HASH_KEY_FIELD_NUMBER: _ClassVar[int]
    mail_id: bytes
    return_path: str
    recipients: _containers.RepeatedCompositeFieldContainer[JobRecipient]
    smtputf8: bool
    message_id: str
    date_ms: int
    traceparent: str
    from_address: _mail_pb2.Address
    reply_to: _containers.RepeatedCompositeFieldContainer[_mail_pb2.Address]
    to: _containers.RepeatedCompositeFieldContainer[_mail_pb2.Address]
    cc: _containers.RepeatedCompositeFieldContainer[_mail_pb2.Address]
    headers: _containers.RepeatedCompositeFieldContainer[_mail_pb2.Header]
    attachments: _containers.RepeatedCompositeFieldContainer[_mail_pb2.Attachment]
    parts: _mail_pb2.Parts
    raw: bytes
    own_headers: _containers.RepeatedCompositeFieldContainer[_mail_pb2.Header]
    template: bool
    variables: bytes
    own_variables: bytes
    hash_key: str
    def __init__(self, mail_id: _Optional[bytes] = ..., return_path: _Optional[str] = ..., recipients: _Optional[_Iterable[_Union[JobRecipient, _Mapping]]] = ..., smtputf8: _Optional[bool] = ..., message_id: _Optional[str] = ..., date_ms: _Optional[int] = ..., traceparent: _Optional[str] = ..., from_address: _Optional[_Union[_mail_pb2.Address, _Mapping]] = ..., reply_to: _Optional[_Iterable[_Union[_mail_pb2.Address, _Mapping]]] = ..., to: _Optional[_Iterable[_Union[_mail_pb2.Address, _Mapping]]] = ..., cc: _Optional[_Iterable[_Union[_mail_pb2.Address, _Mapping]]] = ..., headers: _Optional[_Iterable[_Union[_mail_pb2.Header, _Mapping]]] = ..., attachments: _Optional[_Iterable[_Union[_mail_pb2.Attachment, _Mapping]]] = ..., parts: _Optional[_Union[_mail_pb2.Parts, _Mapping]] = ..., raw: _Optional[bytes] = ..., own_headers: _Optional[_Iterable[_Union[_mail_pb2.Header, _Mapping]]] = ..., template: _Optional[bool] = ..., variables: _Optional[bytes] = ..., own_variables: _Optional[bytes] = ..., hash_key: _Optional[str] = ...) -> None: ...

class JobRecipient(_message.Message):
    __slots__ = ("index", "email")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    index: int
    email: str
    def __init__(self, index: _Optional[int] = ..., email: _Optional[str] = ...) -> None: ...

class GatewayHello(_message.Message):
    __slots__ = ("gateway_id", "epoch", "protocol_min", "protocol_max", "node_id")
    GATEWAY_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_MIN_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_MAX_FIELD_NUMBER: _ClassVar[int]
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    gateway_id: str
    epoch: int
    protocol_min: int
    protocol_max: int
    node_id: str
    def __init__(self, gateway_id: _Optional[str] = ..., epoch: _Optional[int] = ..., protocol_min: _Optional[int] = ..., protocol_max: _Optional[int] = ..., node_id: _Optional[str] = ...) -> None: ...

class Relay(_message.Message):
    __slots__ = ("host", "port", "preference", "weight")
    HOST_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    PREFERENCE_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    host: str
    port: int
    preference: int
    weight: int
    def __init__(self, host: _Optional[str] = ..., port: _Optional[int] = ..., preference: _Optional[int] = ..., weight: _Optional[int] = ...) -> None: ...

class RouteConfig(_message.Message):
    __slots__ = ("name", "relays", "tls", "verify", "username", "secret", "connections", "connect_timeout_ms", "command_timeout_ms", "body_timeout_ms", "idle_timeout_ms", "max_mails_per_connection", "pipelining", "chunking", "data_timeout_ms", "block_timeout_ms", "auth", "server_name", "certificates", "min_idle", "max_age_ms", "mx_port", "sources", "failover", "dsn_notify", "dsn_return", "homed")
    NAME_FIELD_NUMBER: _ClassVar[int]
    RELAYS_FIELD_NUMBER: _ClassVar[int]
    TLS_FIELD_NUMBER: _ClassVar[int]
    VERIFY_FIELD_NUMBER: _ClassVar[int]
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    SECRET_FIELD_NUMBER: _ClassVar[int]
    CONNECTIONS_FIELD_NUMBER: _ClassVar[int]
    CONNECT_TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    COMMAND_TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    BODY_TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    IDLE_TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    MAX_MAILS_PER_CONNECTION_FIELD_NUMBER: _ClassVar[int]
    PIPELINING_FIELD_NUMBER: _ClassVar[int]
    CHUNKING_FIELD_NUMBER: _ClassVar[int]
    DATA_TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    BLOCK_TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    AUTH_FIELD_NUMBER: _ClassVar[int]
    SERVER_NAME_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATES_FIELD_NUMBER: _ClassVar[int]
    MIN_IDLE_FIELD_NUMBER: _ClassVar[int]
    MAX_AGE_MS_FIELD_NUMBER: _ClassVar[int]
    MX_PORT_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    FAILOVER_FIELD_NUMBER: _ClassVar[int]
    DSN_NOTIFY_FIELD_NUMBER: _ClassVar[int]
    DSN_RETURN_FIELD_NUMBER: _ClassVar[int]
    HOMED_FIELD_NUMBER: _ClassVar[int]
    name: str
    relays: _containers.RepeatedCompositeFieldContainer[Relay]
    tls: TlsMode
    verify: bool
    username: str
    secret: str
    connections: int
    connect_timeout_ms: int
    command_timeout_ms: int
    body_timeout_ms: int
    idle_timeout_ms: int
    max_mails_per_connection: int
    pipelining: bool
    chunking: bool
    data_timeout_ms: int
    block_timeout_ms: int
    auth: AuthMode
    server_name: str
    certificates: str
    min_idle: int
    max_age_ms: int
    mx_port: int
    sources: str
    failover: _containers.RepeatedScalarFieldContainer[str]
    dsn_notify: _containers.RepeatedScalarFieldContainer[DsnNotify]
    dsn_return: DsnReturn
    homed: bool
    def __init__(self, name: _Optional[str] = ..., relays: _Optional[_Iterable[_Union[Relay, _Mapping]]] = ..., tls: _Optional[_Union[TlsMode, str]] = ..., verify: _Optional[bool] = ..., username: _Optional[str] = ..., secret: _Optional[str] = ..., connections: _Optional[int] = ..., connect_timeout_ms: _Optional[int] = ..., command_timeout_ms: _Optional[int] = ..., body_timeout_ms: _Optional[int] = ..., idle_timeout_ms: _Optional[int] = ..., max_mails_per_connection: _Optional[int] = ..., pipelining: _Optional[bool] = ..., chunking: _Optional[bool] = ..., data_timeout_ms: _Optional[int] = ..., block_timeout_ms: _Optional[int] = ..., auth: _Optional[_Union[AuthMode, str]] = ..., server_name: _Optional[str] = ..., certificates: _Optional[str] = ..., min_idle: _Optional[int] = ..., max_age_ms: _Optional[int] = ..., mx_port: _Optional[int] = ..., sources: _Optional[str] = ..., failover: _Optional[_Iterable[str]] = ..., dsn_notify: _Optional[_Iterable[_Union[DsnNotify, str]]] = ..., dsn_return: _Optional[_Union[DsnReturn, str]] = ..., homed: _Optional[bool] = ...) -> None: ...

class JobOffer(_message.Message):
    __slots__ = ("fence", "route", "lane", "remaining", "job", "content_id", "file_ids", "site_key", "source")
    FENCE_FIELD_NUMBER: _ClassVar[int]
    ROUTE_FIELD_NUMBER: _ClassVar[int]
    LANE_FIELD_NUMBER: _ClassVar[int]
    REMAINING_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    CONTENT_ID_FIELD_NUMBER: _ClassVar[int]
    FILE_IDS_FIELD_NUMBER: _ClassVar[int]
    SITE_KEY_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    fence: Fence
    route: str
    lane: _mail_pb2.Lane
    remaining: _containers.RepeatedScalarFieldContainer[int]
    job: bytes
    content_id: bytes
    file_ids: _containers.RepeatedScalarFieldContainer[bytes]
    site_key: str
    source: str
    def __init__(self, fence: _Optional[_Union[Fence, _Mapping]] = ..., route: _Optional[str] = ..., lane: _Optional[_Union[_mail_pb2.Lane, str]] = ..., remaining: _Optional[_Iterable[int]] = ..., job: _Optional[bytes] = ..., content_id: _Optional[bytes] = ..., file_ids: _Optional[_Iterable[bytes]] = ..., site_key: _Optional[str] = ..., source: _Optional[str] = ...) -> None: ...

class SharedContent(_message.Message):
    __slots__ = ("id", "data")
    ID_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    id: bytes
    data: bytes
    def __init__(self, id: _Optional[bytes] = ..., data: _Optional[bytes] = ...) -> None: ...

class DeliverRequest(_message.Message):
    __slots__ = ("hello", "routes", "removed_routes", "settings_version", "jobs", "contents", "forget_contents", "commits", "withdraws", "settled", "lookups", "shares", "traces", "shaping")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    ROUTES_FIELD_NUMBER: _ClassVar[int]
    REMOVED_ROUTES_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_VERSION_FIELD_NUMBER: _ClassVar[int]
    JOBS_FIELD_NUMBER: _ClassVar[int]
    CONTENTS_FIELD_NUMBER: _ClassVar[int]
    FORGET_CONTENTS_FIELD_NUMBER: _ClassVar[int]
    COMMITS_FIELD_NUMBER: _ClassVar[int]
    WITHDRAWS_FIELD_NUMBER: _ClassVar[int]
    SETTLED_FIELD_NUMBER: _ClassVar[int]
    LOOKUPS_FIELD_NUMBER: _ClassVar[int]
    SHARES_FIELD_NUMBER: _ClassVar[int]
    TRACES_FIELD_NUMBER: _ClassVar[int]
    SHAPING_FIELD_NUMBER: _ClassVar[int]
    hello: GatewayHello
    routes: _containers.RepeatedCompositeFieldContainer[RouteConfig]
    removed_routes: _containers.RepeatedScalarFieldContainer[str]
    settings_version: str
    jobs: _containers.RepeatedCompositeFieldContainer[JobOffer]
    contents: _containers.RepeatedCompositeFieldContainer[SharedContent]
    forget_contents: _containers.RepeatedScalarFieldContainer[bytes]
    commits: _containers.RepeatedCompositeFieldContainer[Fence]
    withdraws: _containers.RepeatedCompositeFieldContainer[Fence]
    settled: _containers.RepeatedCompositeFieldContainer[Fence]
    lookups: _containers.RepeatedCompositeFieldContainer[Fence]
    shares: _containers.RepeatedCompositeFieldContainer[Share]
    traces: TracesWanted
    shaping: Shaping
    def __init__(self, hello: _Optional[_Union[GatewayHello, _Mapping]] = ..., routes: _Optional[_Iterable[_Union[RouteConfig, _Mapping]]] = ..., removed_routes: _Optional[_Iterable[str]] = ..., settings_version: _Optional[str] = ..., jobs: _Optional[_Iterable[_Union[JobOffer, _Mapping]]] = ..., contents: _Optional[_Iterable[_Union[SharedContent, _Mapping]]] = ..., forget_contents: _Optional[_Iterable[bytes]] = ..., commits: _Optional[_Iterable[_Union[Fence, _Mapping]]] = ..., withdraws: _Optional[_Iterable[_Union[Fence, _Mapping]]] = ..., settled: _Optional[_Iterable[_Union[Fence, _Mapping]]] = ..., lookups: _Optional[_Iterable[_Union[Fence, _Mapping]]] = ..., shares: _Optional[_Iterable[_Union[Share, _Mapping]]] = ..., traces: _Optional[_Union[TracesWanted, _Mapping]] = ..., shaping: _Optional[_Union[Shaping, _Mapping]] = ...) -> None: ...

class Share(_message.Message):
    __slots__ = ("source", "site_key", "part", "parts", "spent")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    SITE_KEY_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    SPENT_FIELD_NUMBER: _ClassVar[int]
    source: str
    site_key: str
    part: int
    parts: int
    spent: bool
    def __init__(self, source: _Optional[str] = ..., site_key: _Optional[str] = ..., part: _Optional[int] = ..., parts: _Optional[int] = ..., spent: _Optional[bool] = ...) -> None: ...

class Shaping(_message.Message):
    __slots__ = ("text", "version")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    text: str
    version: str
    def __init__(self, text: _Optional[str] = ..., version: _Optional[str] = ...) -> None: ...

class TracesWanted(_message.Message):
    __slots__ = ("site_keys",)
    SITE_KEYS_FIELD_NUMBER: _ClassVar[int]
    site_keys: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, site_keys: _Optional[_Iterable[str]] = ...) -> None: ...

class Source(_message.Message):
    __slots__ = ("name", "pool", "addresses", "helo", "trouble", "warnings")
    NAME_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    HELO_FIELD_NUMBER: _ClassVar[int]
    TROUBLE_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    name: str
    pool: str
    addresses: _containers.RepeatedScalarFieldContainer[str]
    helo: str
    trouble: str
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., pool: _Optional[str] = ..., addresses: _Optional[_Iterable[str]] = ..., helo: _Optional[str] = ..., trouble: _Optional[str] = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...

class SourceList(_message.Message):
    __slots__ = ("sources",)
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    sources: _containers.RepeatedCompositeFieldContainer[Source]
    def __init__(self, sources: _Optional[_Iterable[_Union[Source, _Mapping]]] = ...) -> None: ...

class NodeHello(_message.Message):
    __slots__ = ("node_id", "boot_id", "version", "protocol", "inventory", "sources")
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    BOOT_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    INVENTORY_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    boot_id: bytes
    version: str
    protocol: int
    inventory: _containers.RepeatedCompositeFieldContainer[LookupAnswer]
    sources: _containers.RepeatedCompositeFieldContainer[Source]
    def __init__(self, node_id: _Optional[str] = ..., boot_id: _Optional[bytes] = ..., version: _Optional[str] = ..., protocol: _Optional[int] = ..., inventory: _Optional[_Iterable[_Union[LookupAnswer, _Mapping]]] = ..., sources: _Optional[_Iterable[_Union[Source, _Mapping]]] = ...) -> None: ...

class Ready(_message.Message):
    __slots__ = ("fence",)
    FENCE_FIELD_NUMBER: _ClassVar[int]
    fence: Fence
    def __init__(self, fence: _Optional[_Union[Fence, _Mapping]] = ...) -> None: ...

class Reply(_message.Message):
    __slots__ = ("phase", "code", "enhanced_code", "text", "bounce_class", "retry_after_s")
    PHASE_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    ENHANCED_CODE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    BOUNCE_CLASS_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_S_FIELD_NUMBER: _ClassVar[int]
    phase: _mail_pb2.Phase
    code: int
    enhanced_code: str
    text: str
    bounce_class: str
    retry_after_s: int
    def __init__(self, phase: _Optional[_Union[_mail_pb2.Phase, str]] = ..., code: _Optional[int] = ..., enhanced_code: _Optional[str] = ..., text: _Optional[str] = ..., bounce_class: _Optional[str] = ..., retry_after_s: _Optional[int] = ...) -> None: ...

class RecipientVerdict(_message.Message):
    __slots__ = ("indexes", "outcome", "reply")
    INDEXES_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    REPLY_FIELD_NUMBER: _ClassVar[int]
    indexes: _containers.RepeatedScalarFieldContainer[int]
    outcome: Outcome
    reply: Reply
    def __init__(self, indexes: _Optional[_Iterable[int]] = ..., outcome: _Optional[_Union[Outcome, str]] = ..., reply: _Optional[_Union[Reply, _Mapping]] = ...) -> None: ...

class JobVerdict(_message.Message):
    __slots__ = ("fence", "kind", "recipients", "refusal", "hopeless", "remote_host", "remote_address", "tls", "duration_us", "source", "of_node")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[JobVerdict.Kind]
        KIND_TRIED: _ClassVar[JobVerdict.Kind]
        KIND_REFUSED: _ClassVar[JobVerdict.Kind]
        KIND_EXPIRED: _ClassVar[JobVerdict.Kind]
    KIND_UNSPECIFIED: JobVerdict.Kind
    KIND_TRIED: JobVerdict.Kind
    KIND_REFUSED: JobVerdict.Kind
    KIND_EXPIRED: JobVerdict.Kind
    FENCE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    RECIPIENTS_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    HOPELESS_FIELD_NUMBER: _ClassVar[int]
    REMOTE_HOST_FIELD_NUMBER: _ClassVar[int]
    REMOTE_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    TLS_FIELD_NUMBER: _ClassVar[int]
    DURATION_US_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    OF_NODE_FIELD_NUMBER: _ClassVar[int]
    fence: Fence
    kind: JobVerdict.Kind
    recipients: _containers.RepeatedCompositeFieldContainer[RecipientVerdict]
    refusal: str
    hopeless: bool
    remote_host: str
    remote_address: str
    tls: str
    duration_us: int
    source: str
    of_node: bool
    def __init__(self, fence: _Optional[_Union[Fence, _Mapping]] = ..., kind: _Optional[_Union[JobVerdict.Kind, str]] = ..., recipients: _Optional[_Iterable[_Union[RecipientVerdict, _Mapping]]] = ..., refusal: _Optional[str] = ..., hopeless: _Optional[bool] = ..., remote_host: _Optional[str] = ..., remote_address: _Optional[str] = ..., tls: _Optional[str] = ..., duration_us: _Optional[int] = ..., source: _Optional[str] = ..., of_node: _Optional[bool] = ...) -> None: ...

class LookupAnswer(_message.Message):
    __slots__ = ("fence", "state", "verdict")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[LookupAnswer.State]
        STATE_HELD: _ClassVar[LookupAnswer.State]
        STATE_COMMITTED: _ClassVar[LookupAnswer.State]
        STATE_DONE: _ClassVar[LookupAnswer.State]
        STATE_UNKNOWN: _ClassVar[LookupAnswer.State]
    STATE_UNSPECIFIED: LookupAnswer.State
    STATE_HELD: LookupAnswer.State
    STATE_COMMITTED: LookupAnswer.State
    STATE_DONE: LookupAnswer.State
    STATE_UNKNOWN: LookupAnswer.State
    FENCE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    fence: Fence
    state: LookupAnswer.State
    verdict: JobVerdict
    def __init__(self, fence: _Optional[_Union[Fence, _Mapping]] = ..., state: _Optional[_Union[LookupAnswer.State, str]] = ..., verdict: _Optional[_Union[JobVerdict, _Mapping]] = ...) -> None: ...

class Credit(_message.Message):
    __slots__ = ("site_key", "lane", "jobs")
    SITE_KEY_FIELD_NUMBER: _ClassVar[int]
    LANE_FIELD_NUMBER: _ClassVar[int]
    JOBS_FIELD_NUMBER: _ClassVar[int]
    site_key: str
    lane: _mail_pb2.Lane
    jobs: int
    def __init__(self, site_key: _Optional[str] = ..., lane: _Optional[_Union[_mail_pb2.Lane, str]] = ..., jobs: _Optional[int] = ...) -> None: ...

class SiteReport(_message.Message):
    __slots__ = ("site_key", "source", "warm", "busy", "dialing", "wanted", "limit", "waiting", "mails", "delivered", "deferred", "bounced", "in_doubt", "trouble", "reason", "wait_ms", "rate")
    SITE_KEY_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    WARM_FIELD_NUMBER: _ClassVar[int]
    BUSY_FIELD_NUMBER: _ClassVar[int]
    DIALING_FIELD_NUMBER: _ClassVar[int]
    WANTED_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    MAILS_FIELD_NUMBER: _ClassVar[int]
    DELIVERED_FIELD_NUMBER: _ClassVar[int]
    DEFERRED_FIELD_NUMBER: _ClassVar[int]
    BOUNCED_FIELD_NUMBER: _ClassVar[int]
    IN_DOUBT_FIELD_NUMBER: _ClassVar[int]
    TROUBLE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    WAIT_MS_FIELD_NUMBER: _ClassVar[int]
    RATE_FIELD_NUMBER: _ClassVar[int]
    site_key: str
    source: str
    warm: int
    busy: int
    dialing: int
    wanted: int
    limit: int
    waiting: int
    mails: int
    delivered: int
    deferred: int
    bounced: int
    in_doubt: int
    trouble: str
    reason: str
    wait_ms: int
    rate: float
    def __init__(self, site_key: _Optional[str] = ..., source: _Optional[str] = ..., warm: _Optional[int] = ..., busy: _Optional[int] = ..., dialing: _Optional[int] = ..., wanted: _Optional[int] = ..., limit: _Optional[int] = ..., waiting: _Optional[int] = ..., mails: _Optional[int] = ..., delivered: _Optional[int] = ..., deferred: _Optional[int] = ..., bounced: _Optional[int] = ..., in_doubt: _Optional[int] = ..., trouble: _Optional[str] = ..., reason: _Optional[str] = ..., wait_ms: _Optional[int] = ..., rate: _Optional[float] = ...) -> None: ...

class LoadReport(_message.Message):
    __slots__ = ("draining", "warm", "service_time_us", "credits", "sites", "settings_version", "in_hand")
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    WARM_FIELD_NUMBER: _ClassVar[int]
    SERVICE_TIME_US_FIELD_NUMBER: _ClassVar[int]
    CREDITS_FIELD_NUMBER: _ClassVar[int]
    SITES_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_VERSION_FIELD_NUMBER: _ClassVar[int]
    IN_HAND_FIELD_NUMBER: _ClassVar[int]
    draining: bool
    warm: int
    service_time_us: int
    credits: _containers.RepeatedCompositeFieldContainer[Credit]
    sites: _containers.RepeatedCompositeFieldContainer[SiteReport]
    settings_version: str
    in_hand: int
    def __init__(self, draining: _Optional[bool] = ..., warm: _Optional[int] = ..., service_time_us: _Optional[int] = ..., credits: _Optional[_Iterable[_Union[Credit, _Mapping]]] = ..., sites: _Optional[_Iterable[_Union[SiteReport, _Mapping]]] = ..., settings_version: _Optional[str] = ..., in_hand: _Optional[int] = ...) -> None: ...

class TraceLine(_message.Message):
    __slots__ = ("time_us", "site_key", "connection", "source", "remote", "direction", "text", "lost")
    class Direction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        DIRECTION_UNSPECIFIED: _ClassVar[TraceLine.Direction]
        DIRECTION_SENT: _ClassVar[TraceLine.Direction]
        DIRECTION_RECEIVED: _ClassVar[TraceLine.Direction]
        DIRECTION_NOTE: _ClassVar[TraceLine.Direction]
    DIRECTION_UNSPECIFIED: TraceLine.Direction
    DIRECTION_SENT: TraceLine.Direction
    DIRECTION_RECEIVED: TraceLine.Direction
    DIRECTION_NOTE: TraceLine.Direction
    TIME_US_FIELD_NUMBER: _ClassVar[int]
    SITE_KEY_FIELD_NUMBER: _ClassVar[int]
    CONNECTION_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    REMOTE_FIELD_NUMBER: _ClassVar[int]
    DIRECTION_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    LOST_FIELD_NUMBER: _ClassVar[int]
    time_us: int
    site_key: str
    connection: int
    source: str
    remote: str
    direction: TraceLine.Direction
    text: str
    lost: int
    def __init__(self, time_us: _Optional[int] = ..., site_key: _Optional[str] = ..., connection: _Optional[int] = ..., source: _Optional[str] = ..., remote: _Optional[str] = ..., direction: _Optional[_Union[TraceLine.Direction, str]] = ..., text: _Optional[str] = ..., lost: _Optional[int] = ...) -> None: ...

class DomainSite(_message.Message):
    __slots__ = ("domain", "site")
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    SITE_FIELD_NUMBER: _ClassVar[int]
    domain: str
    site: str
    def __init__(self, domain: _Optional[str] = ..., site: _Optional[str] = ...) -> None: ...

class DeliverResponse(_message.Message):
    __slots__ = ("hello", "ready", "verdicts", "withdrawn", "found", "load", "sites", "traces", "sources")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    READY_FIELD_NUMBER: _ClassVar[int]
    VERDICTS_FIELD_NUMBER: _ClassVar[int]
    WITHDRAWN_FIELD_NUMBER: _ClassVar[int]
    FOUND_FIELD_NUMBER: _ClassVar[int]
    LOAD_FIELD_NUMBER: _ClassVar[int]
    SITES_FIELD_NUMBER: _ClassVar[int]
    TRACES_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    hello: NodeHello
    ready: _containers.RepeatedCompositeFieldContainer[Ready]
    verdicts: _containers.RepeatedCompositeFieldContainer[JobVerdict]
    withdrawn: _containers.RepeatedCompositeFieldContainer[Fence]
    found: _containers.RepeatedCompositeFieldContainer[LookupAnswer]
    load: LoadReport
    sites: _containers.RepeatedCompositeFieldContainer[DomainSite]
    traces: _containers.RepeatedCompositeFieldContainer[TraceLine]
    sources: SourceList
    def __init__(self, hello: _Optional[_Union[NodeHello, _Mapping]] = ..., ready: _Optional[_Iterable[_Union[Ready, _Mapping]]] = ..., verdicts: _Optional[_Iterable[_Union[JobVerdict, _Mapping]]] = ..., withdrawn: _Optional[_Iterable[_Union[Fence, _Mapping]]] = ..., found: _Optional[_Iterable[_Union[LookupAnswer, _Mapping]]] = ..., load: _Optional[_Union[LoadReport, _Mapping]] = ..., sites: _Optional[_Iterable[_Union[DomainSite, _Mapping]]] = ..., traces: _Optional[_Iterable[_Union[TraceLine, _Mapping]]] = ..., sources: _Optional[_Union[SourceList, _Mapping]] = ...) -> None: ...

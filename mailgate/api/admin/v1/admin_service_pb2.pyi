import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from mailgate.api.mail.v1 import mail_pb2 as _mail_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class NodeState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    NODE_STATE_UNSPECIFIED: _ClassVar[NodeState]
    NODE_STATE_CONNECTING: _ClassVar[NodeState]
    NODE_STATE_READY: _ClassVar[NodeState]
    NODE_STATE_SUSPECT: _ClassVar[NodeState]
    NODE_STATE_OUT: _ClassVar[NodeState]
    NODE_STATE_DRAINING: _ClassVar[NodeState]

class Resolution(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RESOLUTION_UNSPECIFIED: _ClassVar[Resolution]
    RESOLUTION_RESEND: _ClassVar[Resolution]
    RESOLUTION_DELIVERED: _ClassVar[Resolution]
    RESOLUTION_BOUNCED: _ClassVar[Resolution]

class SiteOrder(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SITE_ORDER_UNSPECIFIED: _ClassVar[SiteOrder]
    SITE_ORDER_NAME: _ClassVar[SiteOrder]
    SITE_ORDER_WAITING: _ClassVar[SiteOrder]

class SiteState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SITE_STATE_UNSPECIFIED: _ClassVar[SiteState]
    SITE_STATE_OK: _ClassVar[SiteState]
    SITE_STATE_SLOWED: _ClassVar[SiteState]
    SITE_STATE_SUSPENDED: _ClassVar[SiteState]
    SITE_STATE_UNREACHABLE: _ClassVar[SiteState]
    SITE_STATE_UNKNOWN: _ClassVar[SiteState]

class Direction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DIRECTION_UNSPECIFIED: _ClassVar[Direction]
    DIRECTION_SENT: _ClassVar[Direction]
    DIRECTION_RECEIVED: _ClassVar[Direction]
    DIRECTION_NOTE: _ClassVar[Direction]
NODE_STATE_UNSPECIFIED: NodeState
NODE_STATE_CONNECTING: NodeState
NODE_STATE_READY: NodeState
NODE_STATE_SUSPECT: NodeState
NODE_STATE_OUT: NodeState
NODE_STATE_DRAINING: NodeState
RESOLUTION_UNSPECIFIED: Resolution
RESOLUTION_RESEND: Resolution
RESOLUTION_DELIVERED: Resolution
RESOLUTION_BOUNCED: Resolution
SITE_ORDER_UNSPECIFIED: SiteOrder
SITE_ORDER_NAME: SiteOrder
SITE_ORDER_WAITING: SiteOrder
SITE_STATE_UNSPECIFIED: SiteState
SITE_STATE_OK: SiteState
SITE_STATE_SLOWED: SiteState
SITE_STATE_SUSPENDED: SiteState
SITE_STATE_UNREACHABLE: SiteState
SITE_STATE_UNKNOWN: SiteState
DIRECTION_UNSPECIFIED: Direction
DIRECTION_SENT: Direction
DIRECTION_RECEIVED: Direction
DIRECTION_NOTE: Direction

class ListNodesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListNodesResponse(_message.Message):
    __slots__ = ("nodes", "settings")
    NODES_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    nodes: _containers.RepeatedCompositeFieldContainer[Node]
    settings: Settings
    def __init__(self, nodes: _Optional[_Iterable[_Union[Node, _Mapping]]] = ..., settings: _Optional[_Union[Settings, _Mapping]] = ...) -> None: ...

class Settings(_message.Message):
    __slots__ = ("version", "load_time", "refusal", "restart_keys")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    LOAD_TIME_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    RESTART_KEYS_FIELD_NUMBER: _ClassVar[int]
    version: str
    load_time: _timestamp_pb2.Timestamp
    refusal: str
    restart_keys: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, version: _Optional[str] = ..., load_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., refusal: _Optional[str] = ..., restart_keys: _Optional[_Iterable[str]] = ...) -> None: ...

class Node(_message.Message):
    __slots__ = ("node_id", "address", "state", "reason", "version", "in_flight", "committed", "warm", "offered", "delivered", "service_time", "heard_ago", "registered", "warnings", "settings_version", "in_hand", "drain", "protocol", "weight", "service_p50", "service_p99", "picks_per_second", "ejections")
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    COMMITTED_FIELD_NUMBER: _ClassVar[int]
    WARM_FIELD_NUMBER: _ClassVar[int]
    OFFERED_FIELD_NUMBER: _ClassVar[int]
    DELIVERED_FIELD_NUMBER: _ClassVar[int]
    SERVICE_TIME_FIELD_NUMBER: _ClassVar[int]
    HEARD_AGO_FIELD_NUMBER: _ClassVar[int]
    REGISTERED_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_VERSION_FIELD_NUMBER: _ClassVar[int]
    IN_HAND_FIELD_NUMBER: _ClassVar[int]
    DRAIN_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    SERVICE_P50_FIELD_NUMBER: _ClassVar[int]
    SERVICE_P99_FIELD_NUMBER: _ClassVar[int]
    PICKS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    EJECTIONS_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    address: str
    state: NodeState
    reason: str
    version: str
    in_flight: int
    committed: int
    warm: int
    offered: int
    delivered: int
    service_time: _duration_pb2.Duration
    heard_ago: _duration_pb2.Duration
    registered: bool
    warnings: _containers.RepeatedScalarFieldContainer[str]
    settings_version: str
    in_hand: int
    drain: Drain
    protocol: int
    weight: float
    service_p50: _duration_pb2.Duration
    service_p99: _duration_pb2.Duration
    picks_per_second: float
    ejections: int
    def __init__(self, node_id: _Optional[str] = ..., address: _Optional[str] = ..., state: _Optional[_Union[NodeState, str]] = ..., reason: _Optional[str] = ..., version: _Optional[str] = ..., in_flight: _Optional[int] = ..., committed: _Optional[int] = ..., warm: _Optional[int] = ..., offered: _Optional[int] = ..., delivered: _Optional[int] = ..., service_time: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., heard_ago: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., registered: _Optional[bool] = ..., warnings: _Optional[_Iterable[str]] = ..., settings_version: _Optional[str] = ..., in_hand: _Optional[int] = ..., drain: _Optional[_Union[Drain, _Mapping]] = ..., protocol: _Optional[int] = ..., weight: _Optional[float] = ..., service_p50: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., service_p99: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., picks_per_second: _Optional[float] = ..., ejections: _Optional[int] = ...) -> None: ...

class Drain(_message.Message):
    __slots__ = ("reason", "drain_time")
    REASON_FIELD_NUMBER: _ClassVar[int]
    DRAIN_TIME_FIELD_NUMBER: _ClassVar[int]
    reason: str
    drain_time: _timestamp_pb2.Timestamp
    def __init__(self, reason: _Optional[str] = ..., drain_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class DrainNodeRequest(_message.Message):
    __slots__ = ("node_id", "reason")
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    reason: str
    def __init__(self, node_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class DrainNodeResponse(_message.Message):
    __slots__ = ("node",)
    NODE_FIELD_NUMBER: _ClassVar[int]
    node: Node
    def __init__(self, node: _Optional[_Union[Node, _Mapping]] = ...) -> None: ...

class ResumeNodeRequest(_message.Message):
    __slots__ = ("node_id",)
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    def __init__(self, node_id: _Optional[str] = ...) -> None: ...

class ResumeNodeResponse(_message.Message):
    __slots__ = ("node",)
    NODE_FIELD_NUMBER: _ClassVar[int]
    node: Node
    def __init__(self, node: _Optional[_Union[Node, _Mapping]] = ...) -> None: ...

class GetQueueRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetQueueResponse(_message.Message):
    __slots__ = ("queues", "in_flight", "in_doubt", "dead")
    QUEUES_FIELD_NUMBER: _ClassVar[int]
    IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    IN_DOUBT_FIELD_NUMBER: _ClassVar[int]
    DEAD_FIELD_NUMBER: _ClassVar[int]
    queues: _containers.RepeatedCompositeFieldContainer[QueueCount]
    in_flight: int
    in_doubt: int
    dead: int
    def __init__(self, queues: _Optional[_Iterable[_Union[QueueCount, _Mapping]]] = ..., in_flight: _Optional[int] = ..., in_doubt: _Optional[int] = ..., dead: _Optional[int] = ...) -> None: ...

class QueueCount(_message.Message):
    __slots__ = ("lane", "route", "ready", "deferred", "oldest_time")
    LANE_FIELD_NUMBER: _ClassVar[int]
    ROUTE_FIELD_NUMBER: _ClassVar[int]
    READY_FIELD_NUMBER: _ClassVar[int]
    DEFERRED_FIELD_NUMBER: _ClassVar[int]
    OLDEST_TIME_FIELD_NUMBER: _ClassVar[int]
    lane: _mail_pb2.Lane
    route: str
    ready: int
    deferred: int
    oldest_time: _timestamp_pb2.Timestamp
    def __init__(self, lane: _Optional[_Union[_mail_pb2.Lane, str]] = ..., route: _Optional[str] = ..., ready: _Optional[int] = ..., deferred: _Optional[int] = ..., oldest_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListDoubtsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListDoubtsResponse(_message.Message):
    __slots__ = ("doubts", "next_page_token")
    DOUBTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    doubts: _containers.RepeatedCompositeFieldContainer[Doubt]
    next_page_token: str
    def __init__(self, doubts: _Optional[_Iterable[_Union[Doubt, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class Doubt(_message.Message):
    __slots__ = ("doubt_id", "mail_id", "tenant", "emails", "attempt", "node_id", "start_time", "reason")
    DOUBT_ID_FIELD_NUMBER: _ClassVar[int]
    MAIL_ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    EMAILS_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    doubt_id: str
    mail_id: str
    tenant: str
    emails: _containers.RepeatedScalarFieldContainer[str]
    attempt: int
    node_id: str
    start_time: _timestamp_pb2.Timestamp
    reason: str
    def __init__(self, doubt_id: _Optional[str] = ..., mail_id: _Optional[str] = ..., tenant: _Optional[str] = ..., emails: _Optional[_Iterable[str]] = ..., attempt: _Optional[int] = ..., node_id: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., reason: _Optional[str] = ...) -> None: ...

class ResolveDoubtRequest(_message.Message):
    __slots__ = ("doubt_id", "resolution")
    DOUBT_ID_FIELD_NUMBER: _ClassVar[int]
    RESOLUTION_FIELD_NUMBER: _ClassVar[int]
    doubt_id: str
    resolution: Resolution
    def __init__(self, doubt_id: _Optional[str] = ..., resolution: _Optional[_Union[Resolution, str]] = ...) -> None: ...

class ResolveDoubtResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListSitesRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "prefix", "order_by", "by_node")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    ORDER_BY_FIELD_NUMBER: _ClassVar[int]
    BY_NODE_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    prefix: str
    order_by: SiteOrder
    by_node: bool
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., prefix: _Optional[str] = ..., order_by: _Optional[_Union[SiteOrder, str]] = ..., by_node: _Optional[bool] = ...) -> None: ...

class ListSitesResponse(_message.Message):
    __slots__ = ("sites", "next_page_token")
    SITES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    sites: _containers.RepeatedCompositeFieldContainer[Site]
    next_page_token: str
    def __init__(self, sites: _Optional[_Iterable[_Union[Site, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class Site(_message.Message):
    __slots__ = ("site_key", "state", "reason", "until_time", "warm", "busy", "dialing", "wanted", "limit", "mails_per_second", "rate_limit", "mails", "delivered", "deferred", "bounced", "in_doubt", "ready", "later", "waiting", "oldest_time", "nodes")
    SITE_KEY_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    UNTIL_TIME_FIELD_NUMBER: _ClassVar[int]
    WARM_FIELD_NUMBER: _ClassVar[int]
    BUSY_FIELD_NUMBER: _ClassVar[int]
    DIALING_FIELD_NUMBER: _ClassVar[int]
    WANTED_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    MAILS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    RATE_LIMIT_FIELD_NUMBER: _ClassVar[int]
    MAILS_FIELD_NUMBER: _ClassVar[int]
    DELIVERED_FIELD_NUMBER: _ClassVar[int]
    DEFERRED_FIELD_NUMBER: _ClassVar[int]
    BOUNCED_FIELD_NUMBER: _ClassVar[int]
    IN_DOUBT_FIELD_NUMBER: _ClassVar[int]
    READY_FIELD_NUMBER: _ClassVar[int]
    LATER_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    OLDEST_TIME_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    site_key: str
    state: SiteState
    reason: str
    until_time: _timestamp_pb2.Timestamp
    warm: int
    busy: int
    dialing: int
    wanted: int
    limit: int
    mails_per_second: float
    rate_limit: float
    mails: int
    delivered: int
    deferred: int
    bounced: int
    in_doubt: int
    ready: int
    later: int
    waiting: int
    oldest_time: _timestamp_pb2.Timestamp
    nodes: _containers.RepeatedCompositeFieldContainer[SiteNode]
    def __init__(self, site_key: _Optional[str] = ..., state: _Optional[_Union[SiteState, str]] = ..., reason: _Optional[str] = ..., until_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., warm: _Optional[int] = ..., busy: _Optional[int] = ..., dialing: _Optional[int] = ..., wanted: _Optional[int] = ..., limit: _Optional[int] = ..., mails_per_second: _Optional[float] = ..., rate_limit: _Optional[float] = ..., mails: _Optional[int] = ..., delivered: _Optional[int] = ..., deferred: _Optional[int] = ..., bounced: _Optional[int] = ..., in_doubt: _Optional[int] = ..., ready: _Optional[int] = ..., later: _Optional[int] = ..., waiting: _Optional[int] = ..., oldest_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., nodes: _Optional[_Iterable[_Union[SiteNode, _Mapping]]] = ...) -> None: ...

class SiteNode(_message.Message):
    __slots__ = ("node_id", "site")
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    SITE_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    site: Site
    def __init__(self, node_id: _Optional[str] = ..., site: _Optional[_Union[Site, _Mapping]] = ...) -> None: ...

class TraceSiteRequest(_message.Message):
    __slots__ = ("site_key", "node_id")
    SITE_KEY_FIELD_NUMBER: _ClassVar[int]
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    site_key: str
    node_id: str
    def __init__(self, site_key: _Optional[str] = ..., node_id: _Optional[str] = ...) -> None: ...

class TraceSiteResponse(_message.Message):
    __slots__ = ("lines",)
    LINES_FIELD_NUMBER: _ClassVar[int]
    lines: _containers.RepeatedCompositeFieldContainer[TraceLine]
    def __init__(self, lines: _Optional[_Iterable[_Union[TraceLine, _Mapping]]] = ...) -> None: ...

class TraceLine(_message.Message):
    __slots__ = ("time", "node_id", "connection", "source", "remote", "direction", "text", "lost")
    TIME_FIELD_NUMBER: _ClassVar[int]
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    CONNECTION_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    REMOTE_FIELD_NUMBER: _ClassVar[int]
    DIRECTION_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    LOST_FIELD_NUMBER: _ClassVar[int]
    time: _timestamp_pb2.Timestamp
    node_id: str
    connection: int
    source: str
    remote: str
    direction: Direction
    text: str
    lost: int
    def __init__(self, time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., node_id: _Optional[str] = ..., connection: _Optional[int] = ..., source: _Optional[str] = ..., remote: _Optional[str] = ..., direction: _Optional[_Union[Direction, str]] = ..., text: _Optional[str] = ..., lost: _Optional[int] = ...) -> None: ...

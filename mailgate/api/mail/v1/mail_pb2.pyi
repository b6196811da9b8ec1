import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Lane(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LANE_UNSPECIFIED: _ClassVar[Lane]
    LANE_TRANSACTIONAL: _ClassVar[Lane]
    LANE_BULK: _ClassVar[Lane]

class OnDoubt(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ON_DOUBT_UNSPECIFIED: _ClassVar[OnDoubt]
    ON_DOUBT_RESEND: _ClassVar[OnDoubt]
    ON_DOUBT_HOLD: _ClassVar[OnDoubt]

class RecipientState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RECIPIENT_STATE_UNSPECIFIED: _ClassVar[RecipientState]
    RECIPIENT_STATE_QUEUED: _ClassVar[RecipientState]
    RECIPIENT_STATE_SENDING: _ClassVar[RecipientState]
    RECIPIENT_STATE_DEFERRED: _ClassVar[RecipientState]
    RECIPIENT_STATE_IN_DOUBT: _ClassVar[RecipientState]
    RECIPIENT_STATE_DELIVERED: _ClassVar[RecipientState]
    RECIPIENT_STATE_BOUNCED: _ClassVar[RecipientState]
    RECIPIENT_STATE_EXPIRED: _ClassVar[RecipientState]
    RECIPIENT_STATE_DEAD: _ClassVar[RecipientState]

class Phase(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PHASE_UNSPECIFIED: _ClassVar[Phase]
    PHASE_CONNECT: _ClassVar[Phase]
    PHASE_EHLO: _ClassVar[Phase]
    PHASE_TLS: _ClassVar[Phase]
    PHASE_AUTH: _ClassVar[Phase]
    PHASE_MAIL: _ClassVar[Phase]
    PHASE_RCPT: _ClassVar[Phase]
    PHASE_DATA: _ClassVar[Phase]
    PHASE_BODY: _ClassVar[Phase]
    PHASE_COMPOSE: _ClassVar[Phase]

class EventType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EVENT_TYPE_UNSPECIFIED: _ClassVar[EventType]
    EVENT_TYPE_ACCEPTED: _ClassVar[EventType]
    EVENT_TYPE_DELIVERED: _ClassVar[EventType]
    EVENT_TYPE_DEFERRED: _ClassVar[EventType]
    EVENT_TYPE_BOUNCED: _ClassVar[EventType]
    EVENT_TYPE_EXPIRED: _ClassVar[EventType]
    EVENT_TYPE_IN_DOUBT: _ClassVar[EventType]
    EVENT_TYPE_DEAD: _ClassVar[EventType]
    EVENT_TYPE_RESENT: _ClassVar[EventType]
LANE_UNSPECIFIED: Lane
LANE_TRANSACTIONAL: Lane
LANE_BULK: Lane
ON_DOUBT_UNSPECIFIED: OnDoubt
ON_DOUBT_RESEND: OnDoubt
ON_DOUBT_HOLD: OnDoubt
RECIPIENT_STATE_UNSPECIFIED: RecipientState
RECIPIENT_STATE_QUEUED: RecipientState
RECIPIENT_STATE_SENDING: RecipientState
RECIPIENT_STATE_DEFERRED: RecipientState
RECIPIENT_STATE_IN_DOUBT: RecipientState
RECIPIENT_STATE_DELIVERED: RecipientState
RECIPIENT_STATE_BOUNCED: RecipientState
RECIPIENT_STATE_EXPIRED: RecipientState
RECIPIENT_STATE_DEAD: RecipientState
PHASE_UNSPECIFIED: Phase
PHASE_CONNECT: Phase
PHASE_EHLO: Phase
PHASE_TLS: Phase
PHASE_AUTH: Phase
PHASE_MAIL: Phase
PHASE_RCPT: Phase
PHASE_DATA: Phase
PHASE_BODY: Phase
PHASE_COMPOSE: Phase
EVENT_TYPE_UNSPECIFIED: EventType
EVENT_TYPE_ACCEPTED: EventType
EVENT_TYPE_DELIVERED: EventType
EVENT_TYPE_DEFERRED: EventType
EVENT_TYPE_BOUNCED: EventType
EVENT_TYPE_EXPIRED: EventType
EVENT_TYPE_IN_DOUBT: EventType
EVENT_TYPE_DEAD: EventType
EVENT_TYPE_RESENT: EventType

class Address(_message.Message):
    __slots__ = ("email", "display_name")
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    email: str
    display_name: str
    def __init__(self, email: _Optional[str] = ..., display_name: _Optional[str] = ...) -> None: ...

class Header(_message.Message):
    __slots__ = ("name", "value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: str
    def __init__(self, name: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...

class Attachment(_message.Message):
    __slots__ = ("data", "digest", "filename", "content_type", "content_id")
    DATA_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    FILENAME_FIELD_NUMBER: _ClassVar[int]
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    CONTENT_ID_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    digest: str
    filename: str
    content_type: str
    content_id: str
    def __init__(self, data: _Optional[bytes] = ..., digest: _Optional[str] = ..., filename: _Optional[str] = ..., content_type: _Optional[str] = ..., content_id: _Optional[str] = ...) -> None: ...

class Parts(_message.Message):
    __slots__ = ("subject", "text", "html")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    HTML_FIELD_NUMBER: _ClassVar[int]
    subject: str
    text: str
    html: str
    def __init__(self, subject: _Optional[str] = ..., text: _Optional[str] = ..., html: _Optional[str] = ...) -> None: ...

class Mail(_message.Message):
    __slots__ = ("from_address", "reply_to", "to", "cc", "bcc", "parts", "raw", "variables", "attachments", "headers", "return_path", "lane", "route", "hash_key", "on_doubt", "ttl", "tags", "metadata")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    FROM_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    REPLY_TO_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    CC_FIELD_NUMBER: _ClassVar[int]
    BCC_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    RAW_FIELD_NUMBER: _ClassVar[int]
    VARIABLES_FIELD_NUMBER: _ClassVar[int]
    ATTACHMENTS_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    RETURN_PATH_FIELD_NUMBER: _ClassVar[int]
    LANE_FIELD_NUMBER: _ClassVar[int]
    ROUTE_FIELD_NUMBER: _ClassVar[int]
    HASH_KEY_FIELD_NUMBER: _ClassVar[int]
    ON_DOUBT_FIELD_NUMBER: _ClassVar[int]
    TTL_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    from_address: Address
    reply_to: _containers.RepeatedCompositeFieldContainer[Address]
    to: _containers.RepeatedCompositeFieldContainer[Address]
    cc: _containers.RepeatedCompositeFieldContainer[Address]
    bcc: _containers.RepeatedCompositeFieldContainer[Address]
    parts: Parts
    raw: bytes
    variables: bytes
    attachments: _containers.RepeatedCompositeFieldContainer[Attachment]
    headers: _containers.RepeatedCompositeFieldContainer[Header]
    return_path: str
    lane: Lane
    route: str
    hash_key: str
    on_doubt: OnDoubt
    ttl: _duration_pb2.Duration
    tags: _containers.RepeatedScalarFieldContainer[str]
    metadata: _containers.ScalarMap[str, str]
    def __init__(self, from_address: _Optional[_Union[Address, _Mapping]] = ..., reply_to: _Optional[_Iterable[_Union[Address, _Mapping]]] = ..., to: _Optional[_Iterable[_Union[Address, _Mapping]]] = ..., cc: _Optional[_Iterable[_Union[Address, _Mapping]]] = ..., bcc: _Optional[_Iterable[_Union[Address, _Mapping]]] = ..., parts: _Optional[_Union[Parts, _Mapping]] = ..., raw: _Optional[bytes] = ..., variables: _Optional[bytes] = ..., attachments: _Optional[_Iterable[_Union[Attachment, _Mapping]]] = ..., headers: _Optional[_Iterable[_Union[Header, _Mapping]]] = ..., return_path: _Optional[str] = ..., lane: _Optional[_Union[Lane, str]] = ..., route: _Optional[str] = ..., hash_key: _Optional[str] = ..., on_doubt: _Optional[_Union[OnDoubt, str]] = ..., ttl: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., tags: _Optional[_Iterable[str]] = ..., metadata: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Attempt(_message.Message):
    __slots__ = ("number", "start_time", "duration", "node_id", "source", "site", "remote_host", "remote_address", "phase", "code", "enhanced_code", "text", "bounce_class", "tls", "explanation")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    SITE_FIELD_NUMBER: _ClassVar[int]
    REMOTE_HOST_FIELD_NUMBER: _ClassVar[int]
    REMOTE_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    ENHANCED_CODE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    BOUNCE_CLASS_FIELD_NUMBER: _ClassVar[int]
    TLS_FIELD_NUMBER: _ClassVar[int]
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    number: int
    start_time: _timestamp_pb2.Timestamp
    duration: _duration_pb2.Duration
    node_id: str
    source: str
    site: str
    remote_host: str
    remote_address: str
    phase: Phase
    code: int
    enhanced_code: str
    text: str
    bounce_class: str
    tls: str
    explanation: str
    def __init__(self, number: _Optional[int] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., node_id: _Optional[str] = ..., source: _Optional[str] = ..., site: _Optional[str] = ..., remote_host: _Optional[str] = ..., remote_address: _Optional[str] = ..., phase: _Optional[_Union[Phase, str]] = ..., code: _Optional[int] = ..., enhanced_code: _Optional[str] = ..., text: _Optional[str] = ..., bounce_class: _Optional[str] = ..., tls: _Optional[str] = ..., explanation: _Optional[str] = ...) -> None: ...

class Recipient(_message.Message):
    __slots__ = ("index", "email", "state", "attempts", "last_attempt", "update_time", "next_attempt_time", "wait_reason")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    LAST_ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    NEXT_ATTEMPT_TIME_FIELD_NUMBER: _ClassVar[int]
    WAIT_REASON_FIELD_NUMBER: _ClassVar[int]
    index: int
    email: str
    state: RecipientState
    attempts: int
    last_attempt: Attempt
    update_time: _timestamp_pb2.Timestamp
    next_attempt_time: _timestamp_pb2.Timestamp
    wait_reason: str
    def __init__(self, index: _Optional[int] = ..., email: _Optional[str] = ..., state: _Optional[_Union[RecipientState, str]] = ..., attempts: _Optional[int] = ..., last_attempt: _Optional[_Union[Attempt, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., next_attempt_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., wait_reason: _Optional[str] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("event_id", "mail_id", "batch_id", "recipient_index", "recipient_sequence", "email", "type", "state", "event_time", "attempt", "tags", "metadata")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    MAIL_ID_FIELD_NUMBER: _ClassVar[int]
    BATCH_ID_FIELD_NUMBER: _ClassVar[int]
    RECIPIENT_INDEX_FIELD_NUMBER: _ClassVar[int]
    RECIPIENT_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIME_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    mail_id: str
    batch_id: str
    recipient_index: int
    recipient_sequence: int
    email: str
    type: EventType
    state: RecipientState
    event_time: _timestamp_pb2.Timestamp
    attempt: Attempt
    tags: _containers.RepeatedScalarFieldContainer[str]
    metadata: _containers.ScalarMap[str, str]
    def __init__(self, event_id: _Optional[str] = ..., mail_id: _Optional[str] = ..., batch_id: _Optional[str] = ..., recipient_index: _Optional[int] = ..., recipient_sequence: _Optional[int] = ..., email: _Optional[str] = ..., type: _Optional[_Union[EventType, str]] = ..., state: _Optional[_Union[RecipientState, str]] = ..., event_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., attempt: _Optional[_Union[Attempt, _Mapping]] = ..., tags: _Optional[_Iterable[str]] = ..., metadata: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Receipt(_message.Message):
    __slots__ = ("mail_id", "accept_time", "replayed", "wait_elapsed", "recipients")
    MAIL_ID_FIELD_NUMBER: _ClassVar[int]
    ACCEPT_TIME_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    WAIT_ELAPSED_FIELD_NUMBER: _ClassVar[int]
    RECIPIENTS_FIELD_NUMBER: _ClassVar[int]
    mail_id: str
    accept_time: _timestamp_pb2.Timestamp
    replayed: bool
    wait_elapsed: bool
    recipients: _containers.RepeatedCompositeFieldContainer[Recipient]
    def __init__(self, mail_id: _Optional[str] = ..., accept_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., replayed: _Optional[bool] = ..., wait_elapsed: _Optional[bool] = ..., recipients: _Optional[_Iterable[_Union[Recipient, _Mapping]]] = ...) -> None: ...

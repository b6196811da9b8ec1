import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.rpc import status_pb2 as _status_pb2
from mailgate.api.mail.v1 import mail_pb2 as _mail_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SendMailRequest(_message.Message):
    __slots__ = ("mail", "wait", "validate_only")
    MAIL_FIELD_NUMBER: _ClassVar[int]
    WAIT_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    mail: _mail_pb2.Mail
    wait: _duration_pb2.Duration
    validate_only: bool
    def __init__(self, mail: _Optional[_Union[_mail_pb2.Mail, _Mapping]] = ..., wait: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class SendMailResponse(_message.Message):
    __slots__ = ("receipt",)
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    receipt: _mail_pb2.Receipt
    def __init__(self, receipt: _Optional[_Union[_mail_pb2.Receipt, _Mapping]] = ...) -> None: ...

class BatchSendMailRequest(_message.Message):
    __slots__ = ("shared", "entries")
    SHARED_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    shared: _mail_pb2.Mail
    entries: _containers.RepeatedCompositeFieldContainer[BatchEntry]
    def __init__(self, shared: _Optional[_Union[_mail_pb2.Mail, _Mapping]] = ..., entries: _Optional[_Iterable[_Union[BatchEntry, _Mapping]]] = ...) -> None: ...

class BatchEntry(_message.Message):
    __slots__ = ("to", "cc", "bcc", "headers", "metadata")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    TO_FIELD_NUMBER: _ClassVar[int]
    CC_FIELD_NUMBER: _ClassVar[int]
    BCC_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    to: _containers.RepeatedCompositeFieldContainer[_mail_pb2.Address]
    cc: _containers.RepeatedCompositeFieldContainer[_mail_pb2.Address]
    bcc: _containers.RepeatedCompositeFieldContainer[_mail_pb2.Address]
    headers: _containers.RepeatedCompositeFieldContainer[_mail_pb2.Header]
    metadata: _containers.ScalarMap[str, str]
    def __init__(self, to: _Optional[_Iterable[_Union[_mail_pb2.Address, _Mapping]]] = ..., cc: _Optional[_Iterable[_Union[_mail_pb2.Address, _Mapping]]] = ..., bcc: _Optional[_Iterable[_Union[_mail_pb2.Address, _Mapping]]] = ..., headers: _Optional[_Iterable[_Union[_mail_pb2.Header, _Mapping]]] = ..., metadata: _Optional[_Mapping[str, str]] = ...) -> None: ...

class BatchSendMailResponse(_message.Message):
    __slots__ = ("batch_id", "results")
    BATCH_ID_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    batch_id: str
    results: _containers.RepeatedCompositeFieldContainer[BatchResult]
    def __init__(self, batch_id: _Optional[str] = ..., results: _Optional[_Iterable[_Union[BatchResult, _Mapping]]] = ...) -> None: ...

class BatchResult(_message.Message):
    __slots__ = ("receipt", "error")
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    receipt: _mail_pb2.Receipt
    error: _status_pb2.Status
    def __init__(self, receipt: _Optional[_Union[_mail_pb2.Receipt, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class GetMailRequest(_message.Message):
    __slots__ = ("mail_id",)
    MAIL_ID_FIELD_NUMBER: _ClassVar[int]
    mail_id: str
    def __init__(self, mail_id: _Optional[str] = ...) -> None: ...

class GetMailResponse(_message.Message):
    __slots__ = ("mail_id", "batch_id", "accept_time", "expire_time", "lane", "on_doubt", "tags", "metadata", "counts", "recipients")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    MAIL_ID_FIELD_NUMBER: _ClassVar[int]
    BATCH_ID_FIELD_NUMBER: _ClassVar[int]
    ACCEPT_TIME_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    LANE_FIELD_NUMBER: _ClassVar[int]
    ON_DOUBT_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    RECIPIENTS_FIELD_NUMBER: _ClassVar[int]
    mail_id: str
    batch_id: str
    accept_time: _timestamp_pb2.Timestamp
    expire_time: _timestamp_pb2.Timestamp
    lane: _mail_pb2.Lane
    on_doubt: _mail_pb2.OnDoubt
    tags: _containers.RepeatedScalarFieldContainer[str]
    metadata: _containers.ScalarMap[str, str]
    counts: _containers.RepeatedCompositeFieldContainer[StateCount]
    recipients: _containers.RepeatedCompositeFieldContainer[_mail_pb2.Recipient]
    def __init__(self, mail_id: _Optional[str] = ..., batch_id: _Optional[str] = ..., accept_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., lane: _Optional[_Union[_mail_pb2.Lane, str]] = ..., on_doubt: _Optional[_Union[_mail_pb2.OnDoubt, str]] = ..., tags: _Optional[_Iterable[str]] = ..., metadata: _Optional[_Mapping[str, str]] = ..., counts: _Optional[_Iterable[_Union[StateCount, _Mapping]]] = ..., recipients: _Optional[_Iterable[_Union[_mail_pb2.Recipient, _Mapping]]] = ...) -> None: ...

class StateCount(_message.Message):
    __slots__ = ("state", "count")
    STATE_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    state: _mail_pb2.RecipientState
    count: int
    def __init__(self, state: _Optional[_Union[_mail_pb2.RecipientState, str]] = ..., count: _Optional[int] = ...) -> None: ...

class ListRecipientsRequest(_message.Message):
    __slots__ = ("mail_id", "page_size", "page_token")
    MAIL_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    mail_id: str
    page_size: int
    page_token: str
    def __init__(self, mail_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListRecipientsResponse(_message.Message):
    __slots__ = ("recipients", "next_page_token")
    RECIPIENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    recipients: _containers.RepeatedCompositeFieldContainer[_mail_pb2.Recipient]
    next_page_token: str
    def __init__(self, recipients: _Optional[_Iterable[_Union[_mail_pb2.Recipient, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class WatchEventsRequest(_message.Message):
    __slots__ = ("mail_id",)
    MAIL_ID_FIELD_NUMBER: _ClassVar[int]
    mail_id: str
    def __init__(self, mail_id: _Optional[str] = ...) -> None: ...

class WatchEventsResponse(_message.Message):
    __slots__ = ("events",)
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[_mail_pb2.Event]
    def __init__(self, events: _Optional[_Iterable[_Union[_mail_pb2.Event, _Mapping]]] = ...) -> None: ...

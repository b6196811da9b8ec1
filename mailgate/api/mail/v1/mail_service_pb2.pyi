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
    __slots__ = ("mail", "idempotency_key", "wait", "validate_only")
    MAIL_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    WAIT_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    mail: _mail_pb2.Mail
    idempotency_key: str
    wait: _duration_pb2.Duration
    validate_only: bool
    def __init__(self, mail: _Optional[_Union[_mail_pb2.Mail, _Mapping]] = ..., idempotency_key: _Optional[str] = ..., wait: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class SendMailResponse(_message.Message):
    __slots__ = ("receipt",)
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    receipt: _mail_pb2.Receipt
    def __init__(self, receipt: _Optional[_Union[_mail_pb2.Receipt, _Mapping]] = ...) -> None: ...

class BatchSendMailRequest(_message.Message):
    __slots__ = ("shared", "entries", "idempotency_key")
    SHARED_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    shared: _mail_pb2.Mail
    entries: _containers.RepeatedCompositeFieldContainer[BatchEntry]
    idempotency_key: str
    def __init__(self, shared: _Optional[_Union[_mail_pb2.Mail, _Mapping]] = ..., entries: _Optional[_Iterable[_Union[BatchEntry, _Mapping]]] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class BatchEntry(_message.Message):
    __slots__ = ("to", "cc", "bcc", "variables", "idempotency_key", "headers", "metadata")
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
    VARIABLES_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    to: _containers.RepeatedCompositeFieldContainer[_mail_pb2.Address]
    cc: _containers.RepeatedCompositeFieldContainer[_mail_pb2.Address]
    bcc: _containers.RepeatedCompositeFieldContainer[_mail_pb2.Address]
    variables: bytes
    idempotency_key: str
    headers: _containers.RepeatedCompositeFieldContainer[_mail_pb2.Header]
    metadata: _containers.ScalarMap[str, str]
    def __init__(self, to: _Optional[_Iterable[_Union[_mail_pb2.Address, _Mapping]]] = ..., cc: _Optional[_Iterable[_Union[_mail_pb2.Address, _Mapping]]] = ..., bcc: _Optional[_Iterable[_Union[_mail_pb2.Address, _Mapping]]] = ..., variables: _Optional[bytes] = ..., idempotency_key: _Optional[str] = ..., headers: _Optional[_Iterable[_Union[_mail_pb2.Header, _Mapping]]] = ..., metadata: _Optional[_Mapping[str, str]] = ...) -> None: ...

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

class StreamMailRequest(_message.Message):
    __slots__ = ("sequence", "send", "batch")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    SEND_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    send: SendMailRequest
    batch: BatchSendMailRequest
    def __init__(self, sequence: _Optional[int] = ..., send: _Optional[_Union[SendMailRequest, _Mapping]] = ..., batch: _Optional[_Union[BatchSendMailRequest, _Mapping]] = ...) -> None: ...

class StreamMailResponse(_message.Message):
    __slots__ = ("receipts", "draining")
    RECEIPTS_FIELD_NUMBER: _ClassVar[int]
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    receipts: _containers.RepeatedCompositeFieldContainer[StreamReceipt]
    draining: bool
    def __init__(self, receipts: _Optional[_Iterable[_Union[StreamReceipt, _Mapping]]] = ..., draining: _Optional[bool] = ...) -> None: ...

class StreamReceipt(_message.Message):
    __slots__ = ("sequence", "receipt", "batch", "error")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    receipt: _mail_pb2.Receipt
    batch: BatchSendMailResponse
    error: _status_pb2.Status
    def __init__(self, sequence: _Optional[int] = ..., receipt: _Optional[_Union[_mail_pb2.Receipt, _Mapping]] = ..., batch: _Optional[_Union[BatchSendMailResponse, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class UploadContentRequest(_message.Message):
    __slots__ = ("digest", "size", "offset", "data")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    digest: str
    size: int
    offset: int
    data: bytes
    def __init__(self, digest: _Optional[str] = ..., size: _Optional[int] = ..., offset: _Optional[int] = ..., data: _Optional[bytes] = ...) -> None: ...

class UploadContentResponse(_message.Message):
    __slots__ = ("digest", "size", "stored", "expire_time")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    STORED_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    digest: str
    size: int
    stored: int
    expire_time: _timestamp_pb2.Timestamp
    def __init__(self, digest: _Optional[str] = ..., size: _Optional[int] = ..., stored: _Optional[int] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

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

"""The SDK: mail from Python.

    async with MailClient(["gateway-a:8625", "gateway-b:8625"], key) as client:
        receipt = await client.send(mail, wait=10)

`MailClient("etcd://etcd-a:2379,etcd-b:2379/mailgate/gateways", key)` finds the gateways in etcd, and follows them.
`BlockingMailClient` is the same for scripts, threads and Django; `mailgate.client.testing` has a client for tests that sends nothing.
`format_id(receipt.mail_id)` is the id as `mailgate get` and the logs have it.
`GatewayClient` is one gateway without a second try, with the operator's calls. Errors are those of `mailgate.errors`.
"""

from mailgate.client.blocking import BlockingMailClient
from mailgate.client.client import GatewayClient
from mailgate.client.mail_client import MailClient, new_key
from mailgate.client.stream import MailStream
from mailgate.client.views import Batch, Gap, Item, MailStatus, Outcome
from mailgate.client.watching import Watch
from mailgate.config.secret import Secret
from mailgate.etcd.options import EtcdOptions
from mailgate.ids import format_id
from mailgate.mail import (
    Address,
    Attachment,
    BatchEntry,
    BatchReceipt,
    Event,
    EventType,
    Header,
    Lane,
    Mail,
    OnDoubt,
    Parts,
    Raw,
    Receipt,
    Recipient,
    RecipientState,
)
from mailgate.rpc.tls import TlsOptions

__all__ = [
    "Address",
    "Attachment",
    "Batch",
    "BatchEntry",
    "BatchReceipt",
    "BlockingMailClient",
    "EtcdOptions",
    "Event",
    "EventType",
    "Gap",
    "GatewayClient",
    "Header",
    "Item",
    "Lane",
    "Mail",
    "MailClient",
    "MailStatus",
    "MailStream",
    "OnDoubt",
    "Outcome",
    "Parts",
    "Raw",
    "Receipt",
    "Recipient",
    "RecipientState",
    "Secret",
    "TlsOptions",
    "Watch",
    "format_id",
    "new_key",
]

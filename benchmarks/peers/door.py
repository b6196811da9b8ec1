"""A blocking client of a gateway, for those who watch and count: queue, nodes, and what became of mails."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc

from mailgate.api.admin.v1 import admin_service_pb2 as admin
from mailgate.api.admin.v1 import admin_service_pb2_grpc as admin_grpc
from mailgate.api.mail.v1 import mail_pb2 as mail
from mailgate.api.mail.v1 import mail_service_pb2 as service
from mailgate.api.mail.v1 import mail_service_pb2_grpc as service_grpc

OPTIONS = [
    ("grpc.max_send_message_length", 70_000_000),
    ("grpc.max_receive_message_length", 70_000_000),
    ("grpc.enable_http_proxy", 0),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 300),
    ("grpc.use_local_subchannel_pool", 1),
]


class Door:
    """Stubs of a gateway with a key. Its calls raise grpc.RpcError."""

    def __init__(self, address: str, key: str, timeout: float = 20.0) -> None:
        self._channel = grpc.insecure_channel(address, options=OPTIONS)
        self._mail = service_grpc.MailServiceStub(self._channel)
        self._admin = admin_grpc.AdminServiceStub(self._channel)
        self._metadata = (("authorization", f"Bearer {key}"),)
        self._timeout = timeout

    def __enter__(self) -> Door:
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()

    def send(self, request: service.SendMailRequest, timeout: float | None = None) -> service.SendMailResponse:
        """SendMail."""
        return self._mail.SendMail(request, metadata=self._metadata, timeout=timeout or self._timeout)

    def send_batch(self, request: service.BatchSendMailRequest) -> service.BatchSendMailResponse:
        """BatchSendMail."""
        return self._mail.BatchSendMail(request, metadata=self._metadata, timeout=self._timeout)

    def get(self, mail_id: str) -> service.GetMailResponse:
        """GetMail."""
        return self._mail.GetMail(service.GetMailRequest(mail_id=mail_id), metadata=self._metadata, timeout=self._timeout)

    def queue(self) -> admin.GetQueueResponse:
        """GetQueue."""
        return self._admin.GetQueue(admin.GetQueueRequest(), metadata=self._metadata, timeout=self._timeout)

    def nodes(self) -> list[admin.Node]:
        """ListNodes."""
        return list(self._admin.ListNodes(admin.ListNodesRequest(), metadata=self._metadata, timeout=self._timeout).nodes)

    def sites(self) -> list[admin.Site]:
        """ListSites, the first page."""
        return list(self._admin.ListSites(admin.ListSitesRequest(), metadata=self._metadata, timeout=self._timeout).sites)

    def drain(self, node_id: str, reason: str = "") -> bool:
        """DrainNode; False: the gateway could not."""
        try:
            self._admin.DrainNode(admin.DrainNodeRequest(node_id=node_id, reason=reason), metadata=self._metadata, timeout=1)
        except grpc.RpcError:
            return False
        return True

    def resume(self, node_id: str) -> None:
        """ResumeNode."""
        self._admin.ResumeNode(admin.ResumeNodeRequest(node_id=node_id), metadata=self._metadata, timeout=self._timeout)

    def settings(self) -> admin.Settings:
        """What the gateway runs by."""
        return self._admin.ListNodes(admin.ListNodesRequest(), metadata=self._metadata, timeout=self._timeout).settings

    def doubts(self) -> list[admin.Doubt]:
        """ListDoubts, all pages."""
        found: list[admin.Doubt] = []
        token = ""
        while True:
            page = self._admin.ListDoubts(
                admin.ListDoubtsRequest(page_size=1000, page_token=token), metadata=self._metadata, timeout=self._timeout
            )
            found += page.doubts
            token = page.next_page_token
            if not token:
                return found

    def ready_nodes(self) -> int:
        """How many nodes get jobs; 0 while the gateway does not answer."""
        try:
            return sum(node.state == admin.NODE_STATE_READY for node in self.nodes())
        except grpc.RpcError:
            return 0

    def waiting(self) -> int | None:
        """Jobs that are not settled: ready, deferred or in hand; those in doubt and dead are settled. None: the gateway does not answer."""
        try:
            queue = self.queue()
        except grpc.RpcError:
            return None
        return sum(count.ready + count.deferred for count in queue.queues) + queue.in_flight

    def states(self, mail_ids: Iterable[str]) -> Iterator[tuple[str, tuple[mail.RecipientState, ...]]]:
        """The states of all recipients of these mails (the first 100 of each), asked by 16 callers."""

        def ask(mail_id: str) -> tuple[str, tuple[mail.RecipientState, ...]]:
            return mail_id, tuple(recipient.state for recipient in self.get(mail_id).recipients)

        with ThreadPoolExecutor(16) as pool:
            yield from pool.map(ask, mail_ids)


def plain_mail(to: str, text: str, *, subject: str = "A mail of the tests", hold: bool = False) -> mail.Mail:
    """A mail to one recipient."""
    return mail.Mail(
        from_address=mail.Address(email="sender@example.com"),
        to=[mail.Address(email=to)],
        parts=mail.Parts(subject=subject, text=text),
        on_doubt=mail.ON_DOUBT_HOLD if hold else mail.ON_DOUBT_RESEND,
    )

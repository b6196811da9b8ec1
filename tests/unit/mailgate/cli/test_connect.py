"""What a person is told of a connection that did not come about."""

from __future__ import annotations

import pytest

from mailgate.cli.connect import broken

HEAD = "no answer (UNAVAILABLE): failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:8625: "
SSL = "Tls handshake failed (TSI_PROTOCOL_FAILURE): SSL_ERROR_SSL: error:100000f7:SSL routines:OPENSSL_internal:"


@pytest.mark.parametrize(
    ("text", "tls", "why", "cure"),
    [
        (HEAD + "Failed to connect to remote host: Connection refused", False, "connection refused", "mailgate up"),
        (HEAD + SSL + "CERTIFICATE_VERIFY_FAILED: self signed certificate: OK", True, "not trusted: self signed certificate", "--ca"),
        (HEAD + SSL + "WRONG_VERSION_NUMBER: Invalid certificate verification context: OK", True, "speaks no TLS", "leave --tls"),
        (
            HEAD + "Custom verification check failed with error: UNAUTHENTICATED: Hostname Verification Check failed.",
            True,
            "name",
            "--address",
        ),
        (HEAD + "Socket closed", False, "closed the connection", "--tls"),
        (HEAD + "Failed parsing HTTP/2 (Expected SETTINGS frame as the first frame, got frame type 80)", False, "no gateway", "--address"),
        ("no answer within 5 s", False, "no answer within 5 s", "mailgate up"),
    ],
)
def test_the_reason_is_named_with_its_own_cure(text: str, tls: bool, why: str, cure: str) -> None:
    """Starting a gateway helps only where none runs; the texts are gRPC's own."""
    told, advice = broken(text, tls=tls)
    assert why in told
    assert cure in advice

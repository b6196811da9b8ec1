"""Dial options: what is given for one channel wins over what all have."""

from __future__ import annotations

from typing import Any

import grpc
import pytest

from mailgate.rpc import channel


def test_further_options_win(monkeypatch: pytest.MonkeyPatch):
    """Each goes to gRPC once: of two with one name it takes the first, and towards nodes a hung peer went unseen for 12 s instead of 3."""
    given: list[Any] = []
    monkeypatch.setattr(grpc.aio, "insecure_channel", lambda _address, options: given.append(options))
    channel.open_node_channel("127.0.0.1:1")
    channel.open_channel("127.0.0.1:1", further=[("grpc.enable_http_proxy", 1), ("grpc.own", 2)])
    node, own = [dict(options) for options in given]
    assert [len(options) for options in given] == [len(node), len(own)]
    assert (node["grpc.http2.ping_timeout_ms"], node["grpc.keepalive_timeout_ms"], node["grpc.keepalive_time_ms"]) == (1000, 1000, 2000)
    assert (own["grpc.enable_http_proxy"], own["grpc.own"], own["grpc.http2.ping_timeout_ms"]) == (1, 2, channel.PING_TIMEOUT_MS)

"""`[telemetry]`: off by default, and every mistake comes with its cure."""

import pytest

from mailgate.telemetry.options import TelemetryOptions, split_listen


def test_the_defaults_are_right_and_off():
    """A newcomer gets logs and nothing that listens or sends."""
    options = TelemetryOptions()
    assert (options.listen, options.otlp_endpoint, options.mistakes()) == ("", "", [])


@pytest.mark.parametrize(
    ("listen", "where"),
    [
        ("127.0.0.1:8626", ("127.0.0.1", 8626)),
        ("[::1]:0", ("::1", 0)),
        ("metrics.local:65535", ("metrics.local", 65535)),
        ("8626", None),
        (":8626", None),
        ("::1:8626", None),
        ("host:65536", None),
        ("host:-1", None),
        ("host:٣", None),
        ("host:", None),
        ("", None),
    ],
)
def test_listen_is_a_host_and_a_port(listen, where):
    """Both must be there; IPv6 in brackets, as everywhere."""
    assert split_listen(listen) == where


def test_all_mistakes_are_found_at_once():
    """Each names key, value and cure."""
    options = TelemetryOptions(listen="8626", otlp_endpoint="host:4317", sample_ratio=1.5, log_level="loud", log_format="xml")
    told = [str(mistake) for mistake in options.mistakes()]
    assert len(told) == 5
    assert told[0].startswith('telemetry.listen = "8626": ')
    assert "http://host:4317" in told[1]
    assert "0.0" in told[2]
    assert "debug, info, warning, error" in told[3]
    assert "console, json" in told[4]


@pytest.mark.parametrize("ratio", [float("nan"), -0.1, 1.1])
def test_a_ratio_is_a_share(ratio):
    """Not even a NaN gets past."""
    assert [mistake.key for mistake in TelemetryOptions(sample_ratio=ratio).mistakes()] == ["telemetry.sample_ratio"]

"""Logs are the process's: each test that sets them up gives back what was there."""

import logging

import pytest
import structlog


@pytest.fixture
def logs_put_back():
    """Whatever `configure` changed is as before after the test."""
    root = logging.getLogger()
    handlers, level, config = root.handlers[:], root.level, structlog.get_config()
    yield
    root.handlers[:], root.level = handlers, level
    structlog.configure(**config)

"""Names are in one place, and no label can be an address, a tag or a tenant."""

import re

import pytest

from mailgate.telemetry import names
from mailgate.telemetry.names import LABELS, METRICS, Kind, Metric

SAID_OF_PEOPLE = re.compile(r"addr|mail|recipient|tag|tenant|subject|domain|key|id$|from|^to$")


def test_the_label_set_is_closed():
    """A new label is a decision: it must be written here too, and its values must be few and the operator's own."""
    assert {"class", "direction", "lane", "node", "provider", "reason", "route", "site", "state", "version"} == LABELS


def test_no_label_can_name_a_person_or_a_tenant():
    """The closed set itself holds nothing of the kind."""
    assert not [label for label in LABELS if SAID_OF_PEOPLE.search(label)]


@pytest.mark.parametrize("label", ["tenant", "email", "tag", "recipient"])
def test_a_metric_with_another_label_cannot_be_made(label):
    """The refusal names the metric, the label, and those that may be."""
    with pytest.raises(ValueError, match=rf"mailgate_x.*{label}.*may not be labels.*lane"):
        Metric("mailgate_x", Kind.GAUGE, "x", ("lane", label))


@pytest.mark.parametrize(("name", "kind"), [("mailgate_x", Kind.COUNTER), ("mailgate_x_total", Kind.GAUGE)])
def test_counters_and_they_alone_end_in_total(name, kind):
    """Prometheus's convention, which its client would otherwise mend in silence."""
    with pytest.raises(ValueError, match="_total"):
        Metric(name, kind, "x")


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_metrics_follow_prometheus(metric):
    """Our prefix, snake case, base units, a help that is a sentence; a histogram is of seconds."""
    assert re.fullmatch(r"mailgate_[a-z]+(_[a-z]+)*", metric.name)
    assert not re.search(r"_(ms|us|millis|minutes|kb|mb)(_|$)", metric.name)
    assert metric.help.endswith(".")
    assert metric.kind is not Kind.HISTOGRAM or metric.name.endswith("_seconds")


def test_each_metric_has_one_name():
    """No two constants share a metric, and none is missing from METRICS."""
    constants = [value for value in vars(names).values() if isinstance(value, Metric)]
    assert len({metric.name for metric in constants}) == len(constants) == len(METRICS)


def test_attributes_are_all_listed_and_none_is_said_of_people():
    """ATTRIBUTES is what spans may carry; `service.*` belongs to the process, not to spans."""
    constants = {
        value
        for key, value in vars(names).items()
        if key.isupper() and isinstance(value, str) and "." in value and not key.startswith(("SPAN", "EVENT"))
    }
    assert {each for each in constants if not each.startswith("service.")} == names.ATTRIBUTES
    assert not [each for each in names.ATTRIBUTES if re.search(r"email|subject|tenant|tag|body", each)]


def test_events_are_all_listed():
    """EVENTS is what a transaction's span may have."""
    assert {value for key, value in vars(names).items() if key.startswith("EVENT_")} == names.EVENTS

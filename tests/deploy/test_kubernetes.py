"""The manifests, as kubectl renders them: sound, in agreement with each other, and nothing in them that a roll-out would lose mail by."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from gateway import settings as gateway
from sender import settings as sender

from .described import DEPLOY, of_kind, render, rendered, selects, service_ports

OLDEST = "1.27"
"""The first with gRPC probes for everybody."""
WORKLOADS = ("etcd", "mailgate-gateway", "mailgate-node")


def container_of(name: str) -> dict[str, Any]:
    [container] = of_kind("StatefulSet")[name]["spec"]["template"]["spec"]["containers"]
    return container  # type: ignore[no-any-return]


def pod_of(name: str) -> dict[str, Any]:
    pod: dict[str, Any] = of_kind("StatefulSet")[name]["spec"]["template"]["spec"]
    return pod


@pytest.mark.parametrize("version", [OLDEST, kubernetes_validate.latest_version()])
def test_each_object_is_one_to_kubernetes(version: str) -> None:
    """By the schemas of Kubernetes itself, which admit no field that it does not know."""
    for each in rendered():
        kubernetes_validate.validate(each, version, strict=True)
        assert each["kind"] == "Namespace" or each["metadata"]["namespace"] == "mailgate"
    wrong = {**rendered()[0], "spec": {"finalizer": []}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, version, strict=True)


def test_all_files_are_taken_up() -> None:
    """None is forgotten in kustomization.yaml."""
    written = sum(file.read_text().count("\nkind: ") for file in (DEPLOY / "kubernetes").iterdir())
    assert len(rendered()) == written + len(of_kind("ConfigMap"))
    assert tuple(of_kind("StatefulSet")) == WORKLOADS


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_workload_has_its_service_its_budget_and_its_probes(name: str) -> None:
    """One of its pods may be away at a time, and each is asked on a port that it listens on."""
    workload = of_kind("StatefulSet")[name]
    assert selects(workload["spec"]["selector"]["matchLabels"], workload)
    service = of_kind("Service")[workload["spec"]["serviceName"]]
    assert service["spec"]["clusterIP"] == "None"
    assert selects(service["spec"]["selector"], workload)
    budget = of_kind("PodDisruptionBudget")[name]["spec"]
    assert budget["maxUnavailable"] == 1 < workload["spec"]["replicas"]
    assert selects(budget["selector"]["matchLabels"], workload)
    container = container_of(name)
    ports = {port["containerPort"] for port in container["ports"]}
    named = {port["name"]: port["containerPort"] for port in container["ports"]}
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        kind = container[probe].get("grpc") or container[probe]["httpGet"]
        assert named.get(kind["port"], kind["port"]) in ports
        assert ("grpc" in container[probe]) is name.startswith("mailgate")
    assert service_ports(service) <= ports


@pytest.mark.parametrize("name", ["mailgate-gateway", "mailgate-node"])
def test_a_roll_out_waits_for_each_pod(name: str) -> None:
    """The next pod is taken when this one has been ready for a while; a death while it starts or stops is not by a probe."""
    spec = of_kind("StatefulSet")[name]["spec"]
    assert spec["minReadySeconds"] >= 10
    assert spec.get("updateStrategy", {"type": "RollingUpdate"})["type"] == "RollingUpdate"
    start, life = container_of(name)["startupProbe"], container_of(name)["livenessProbe"]
    assert start["periodSeconds"] * start["failureThreshold"] >= 60
    assert life["periodSeconds"] * life["failureThreshold"] >= 60


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_pod_may_do_no_more_than_it_needs(name: str) -> None:
    """The `restricted` standard, which the namespace enforces; no account; and no variables of services: they begin with MAILGATE_."""
    pod, container = pod_of(name), container_of(name)
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    guard = container["securityContext"]
    assert (guard["allowPrivilegeEscalation"], guard["readOnlyRootFilesystem"], guard["capabilities"]) == (False, True, {"drop": ["ALL"]})
    assert container["resources"]["limits"].keys() == {"memory"}


def test_a_volume_is_there_for_each_that_keeps_something() -> None:
    """Etcd's data and a gateway's journal are not thrown away with their pod; a node keeps nothing."""
    for name, path in (("etcd", "/var/lib/etcd"), ("mailgate-gateway", "/var/lib/mailgate")):
        [claim] = of_kind("StatefulSet")[name]["spec"]["volumeClaimTemplates"]
        mounts = {mount["name"]: mount["mountPath"] for mount in container_of(name)["volumeMounts"]}
        assert mounts[claim["metadata"]["name"]] == path
    assert "volumeClaimTemplates" not in of_kind("StatefulSet")["mailgate-node"]["spec"]


def test_no_secret_is_among_them() -> None:
    """A token that all the world knows would open the fleet: docs/deploy.md has it made."""
    assert not of_kind("Secret")


def test_etcds_members_name_each_other() -> None:
    """Each of the replicas, at the port that it listens on."""
    workload = of_kind("StatefulSet")["etcd"]
    flags = dict(flag.removeprefix("--").split("=", 1) for flag in container_of("etcd")["command"][1:])
    members = dict(each.split("=", 1) for each in flags["initial-cluster"].split(","))
    assert members == {f"etcd-{index}": f"http://etcd-{index}.etcd:2380" for index in range(workload["spec"]["replicas"])}
    assert flags["initial-advertise-peer-urls"].replace("$(POD_NAME)", "etcd-0") == members["etcd-0"]
    assert flags["data-dir"].startswith("/var/lib/etcd/")


def test_who_may_reach_whom() -> None:
    """Etcd is for gateways, a node's door is for gateways, and the metrics are for whoever reads them."""
    allowed: dict[tuple[str, int], set[str]] = {}
    for name, policy in of_kind("NetworkPolicy").items():
        for rule in policy["spec"]["ingress"]:
            who = {peer["podSelector"]["matchLabels"]["app.kubernetes.io/name"] for peer in rule.get("from", [])} or {"*"}
            for port in rule["ports"]:
                allowed.setdefault((name, port["port"]), set()).update(who)
    assert allowed == {
        ("etcd", 2379): {"mailgate-gateway", "etcd"},
        ("etcd", 2380): {"etcd"},
        ("etcd", 2381): {"*"},
        ("mailgate-node", 8700): {"mailgate-gateway"},
        ("mailgate-node", 8626): {"*"},
    }


def shown(language: str) -> list[str]:
    """The examples of docs/deploy.md."""
    return re.findall(rf"```{language}\n(.*?)```", (DEPLOY.parent / "docs/deploy.md").read_text(), re.DOTALL)


def overlaid(folder: Path, kustomization: str, settings: str) -> list[dict[str, Any]]:
    """What an overlay beside deploy/ makes."""
    (folder / "deploy").symlink_to(DEPLOY)
    (folder / "my-fleet").mkdir()
    (folder / "my-fleet/kustomization.yaml").write_text(kustomization)
    (folder / "my-fleet/mailgate.toml").write_text(settings)
    return render(folder / "my-fleet")


def test_an_overlay_has_settings_images_and_sizes_of_its_own(tmp_path: Path) -> None:
    """The one that docs/deploy.md shows."""
    objects = overlaid(tmp_path, shown("yaml")[0], "# mine\n")
    [settings] = [each for each in objects if each["kind"] == "ConfigMap"]
    assert settings["data"] == {"mailgate.toml": "# mine\n"}
    workloads = {each["metadata"]["name"]: each["spec"] for each in objects if each["kind"] == "StatefulSet"}
    assert workloads["mailgate-node"]["replicas"] == 6
    for name in ("mailgate-node", "mailgate-gateway"):
        pod = workloads[name]["template"]["spec"]
        assert pod["containers"][0]["image"] == "registry.mine.example/mailgate:1.0"
        assert settings["metadata"]["name"] in {volume["configMap"]["name"] for volume in pod["volumes"] if "configMap" in volume}


def test_an_overlay_adds_tls(tmp_path: Path) -> None:
    """As docs/deploy.md shows: all that is dialled is verified, and what a pod's settings name is mounted; only plain probes reach it."""
    [settings] = shown("toml")
    tables = tomllib.loads(settings)
    made = gateway.from_tables({**tables, "routes": {"default": {"relays": ["smtp://relay:25"]}}}, {})
    node = sender.from_tables(tables, {}).sender
    assert made.tls.serves
    assert node.tls.serves
    assert made.gateway.node_tls is not None
    assert node.gateway_tls is not None
    objects = overlaid(tmp_path, "".join(shown("yaml")), settings)
    for each in objects:
        kubernetes_validate.validate(each, OLDEST, strict=True)
    workloads = {each["metadata"]["name"]: each["spec"]["template"]["spec"] for each in objects if each["kind"] == "StatefulSet"}
    assert "tls" not in str(workloads["etcd"])
    for name in ("mailgate-gateway", "mailgate-node"):
        [container] = workloads[name]["containers"]
        [mounted] = [mount["mountPath"] for mount in container["volumeMounts"] if mount["name"] == "tls"]
        assert all(path.startswith(f"{mounted}/") for path in re.findall(r'"(/[^"]*)"', settings))
        assert {volume["secret"]["secretName"] for volume in workloads[name]["volumes"] if volume["name"] == "tls"} == {"mailgate-tls"}
        assert all("tcpSocket" in container[f"{probe}Probe"] for probe in ("startup", "readiness", "liveness"))

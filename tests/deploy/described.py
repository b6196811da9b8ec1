"""What deploy/ starts, by its three ways: each process with its variables, settings and names, and the time that it is given to stop."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from mailgate.config.units import parse_duration

DEPLOY = Path(__file__).parents[2] / "deploy"
SETTINGS = DEPLOY / "config/mailgate.toml"
SECRETS = "/etc/mailgate-secrets/"
KUBECTL = Path(sys.executable).with_name("kubectl")
HOST = "host-a"


@dataclass(frozen=True)
class Described:
    """One process. `names`: of other processes that it can reach, by the port that they listen on; None: whatever DNS has."""

    way: str
    name: str
    role: str
    environment: Mapping[str, str]
    settings: str
    grace: float
    secrets: frozenset[str]
    ports: frozenset[int] = frozenset()
    names: Mapping[str, frozenset[int]] | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return f"{self.way}-{self.name}"


def everything() -> list[Described]:
    """All processes of Mailgate's own."""
    return [*composed(), *orchestrated(), *supervised()]


# compose.yaml


def compose_file() -> dict[str, Any]:
    """Its tables, merged."""
    tables: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return tables


def composed() -> Iterator[Described]:
    """The services of compose.yaml."""
    services = compose_file()["services"]
    names = {"etcd": frozenset({2379})}
    names |= {name: frozenset({8625 if name.startswith("gateway") else 8700}) for name in services if name != "etcd"}
    for name, service in services.items():
        if name == "etcd":
            continue
        mounted = next(volume for volume in service["volumes"] if isinstance(volume, dict) and volume["target"] == "/etc/mailgate")
        yield Described(
            way="compose",
            name=name,
            role=service["command"][0],
            environment=service["environment"],
            settings=(DEPLOY / mounted["source"] / "mailgate.toml").read_text(),
            grace=parse_duration(service["stop_grace_period"]).total_seconds(),
            secrets=frozenset(secret["target"] for secret in service["secrets"]),
            ports=frozenset({int(service["environment"]["PORT"])}),
            names=names,
        )


# kustomization.yaml


@cache
def rendered() -> tuple[dict[str, Any], ...]:
    """The objects that kubectl makes of deploy/."""
    return render(DEPLOY)


def render(folder: Path) -> tuple[dict[str, Any], ...]:
    """The objects that kubectl makes of a folder with a kustomization.yaml."""
    made = subprocess.run([KUBECTL, "kustomize", folder], capture_output=True, text=True, check=False, timeout=60)
    assert made.returncode == 0, made.stderr
    return tuple(yaml.safe_load_all(made.stdout))


def of_kind(kind: str) -> dict[str, dict[str, Any]]:
    """Those of a kind, by name."""
    return {each["metadata"]["name"]: each for each in rendered() if each["kind"] == kind}


def service_ports(service: dict[str, Any]) -> frozenset[int]:
    """The ports that its pods listen on."""
    [pods] = [each for each in of_kind("StatefulSet").values() if selects(service["spec"]["selector"], each)]
    named = {port["name"]: port["containerPort"] for port in pods["spec"]["template"]["spec"]["containers"][0]["ports"]}
    return frozenset(named.get(target := port.get("targetPort", port["port"]), target) for port in service["spec"]["ports"])


def selects(selector: Mapping[str, str], workload: dict[str, Any]) -> bool:
    """The labels of its pods fit."""
    return selector.items() <= workload["spec"]["template"]["metadata"]["labels"].items()


def orchestrated() -> Iterator[Described]:
    """The first pod of each StatefulSet of Mailgate's."""
    names: dict[str, frozenset[int]] = {"10.0.0.1": frozenset({8700})}
    for name, service in of_kind("Service").items():
        names[name] = service_ports(service)
        for workload in of_kind("StatefulSet").values():
            if workload["spec"]["serviceName"] == name:
                pods = [f"{workload['metadata']['name']}-{index}.{name}" for index in range(workload["spec"]["replicas"])]
                names |= dict.fromkeys((*pods, *(f"{pod}.mailgate" for pod in pods)), names[name])
    for name, workload in of_kind("StatefulSet").items():
        if name == "etcd":
            continue
        pod = workload["spec"]["template"]["spec"]
        [container] = pod["containers"]
        yield Described(
            way="kubernetes",
            name=name,
            role=container["args"][0],
            environment=pod_environment(container, f"{name}-0"),
            settings=mounted_settings(pod, container),
            grace=pod["terminationGracePeriodSeconds"] - pre_stop(container),
            secrets=mounted_secrets(pod, container),
            ports=frozenset(port["containerPort"] for port in container["ports"]),
            names=names,
        )


def pre_stop(container: dict[str, Any]) -> float:
    """Seconds that pass before the process is asked to stop."""
    hook = container.get("lifecycle", {}).get("preStop")
    return float(hook["exec"]["command"][1]) if hook else 0.0


def pod_environment(container: dict[str, Any], pod: str) -> dict[str, str]:
    """Its variables, as the kubelet makes them: $(NAME) is one that stands before it."""
    facts = {"metadata.name": pod, "metadata.namespace": "mailgate", "status.podIP": "10.0.0.1"}
    made: dict[str, str] = {}
    for each in container["env"]:
        text = each["value"] if "value" in each else facts[each["valueFrom"]["fieldRef"]["fieldPath"]]
        made[each["name"]] = re.sub(r"\$\((\w+)\)", lambda found: made[found[1]], text)
    return made


def mounted_settings(pod: dict[str, Any], container: dict[str, Any]) -> str:
    """The file that lies at /etc/mailgate/mailgate.toml."""
    [name] = [mount["name"] for mount in container["volumeMounts"] if mount["mountPath"] == "/etc/mailgate"]
    [volume] = [volume for volume in pod["volumes"] if volume["name"] == name]
    text: str = of_kind("ConfigMap")[volume["configMap"]["name"]]["data"]["mailgate.toml"]
    return text


def mounted_secrets(pod: dict[str, Any], container: dict[str, Any]) -> frozenset[str]:
    """Files of the Secret that docs/deploy.md has made by hand."""
    [mount] = [mount for mount in container["volumeMounts"] if mount["name"] == "secrets"]
    [volume] = [volume for volume in pod["volumes"] if volume["name"] == "secrets"]
    assert volume["secret"]["secretName"] == "mailgate-secrets"
    items = volume["secret"].get("items", [{"path": "fleet-token"}, {"path": "relay-password"}])
    return frozenset(f"{mount['mountPath']}/{item['path']}" for item in items)


# systemd/


def unit(name: str, instance: str = "") -> dict[str, list[str]]:
    """The lines of a unit's [Service] by their names, with what systemd puts for %i and %H."""
    lines: dict[str, list[str]] = {}
    text = (DEPLOY / "systemd" / name).read_text().partition("[Service]\n")[2].partition("[Install]")[0]
    for line in text.splitlines():
        if line and not line.startswith("#"):
            key, _, value = line.partition("=")
            lines.setdefault(key, []).append(value.replace("%i", instance).replace("%H", HOST))
    return lines


def supervised() -> Iterator[Described]:
    """The units, and two instances of the one that has instances."""
    for file, instance in (("mailgate-gateway.service", ""), ("mailgate-sender@.service", "8700"), ("mailgate-sender@.service", "8701")):
        lines = unit(file, instance)
        environment = dict(each.split("=", 1) for each in lines["Environment"])
        assert environment.pop("MAILGATE_CONFIG") == "/etc/mailgate/mailgate.toml"
        yield Described(
            way="systemd",
            name=file.removesuffix(".service") + instance,
            role=lines["ExecStart"][0].split()[1],
            environment=environment,
            settings=SETTINGS.read_text(),
            grace=float(lines["TimeoutStopSec"][0]),
            secrets=frozenset({SECRETS + "fleet-token", SECRETS + "relay-password"}),
        )

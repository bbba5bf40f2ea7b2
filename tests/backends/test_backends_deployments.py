"""The gateway's file, the compose file and the Kubernetes manifests: what they refer to is there, and fits."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from backend_kit import validate
from driftmeter.gateway import load_gateway

CONFIGS = Path(__file__).parents[2] / "collector-config"
COMPOSE = yaml.safe_load((CONFIGS / "fleet" / "compose.yaml").read_text())
KUSTOMIZATION = yaml.safe_load((CONFIGS / "kustomization.yaml").read_text())
MANIFESTS = {
    (manifest["kind"], manifest["metadata"]["name"]): manifest
    for manifest in yaml.safe_load_all((CONFIGS / "fleet" / "kubernetes.yaml").read_text())
}
CONFIG_MAPS = {
    generated["name"]: {Path(name).name: CONFIGS / name for name in generated["files"]}
    for generated in KUSTOMIZATION["configMapGenerator"]
}


def pod(kind, name):
    return MANIFESTS[kind, name]["spec"]["template"]["spec"]


def containers():
    return {
        container["name"] if kind == "StatefulSet" else name: (container, pod(kind, name))
        for kind, name in MANIFESTS
        if kind in {"Deployment", "StatefulSet"}
        for container in pod(kind, name)["containers"]
    }


def environ(container):
    return {variable["name"]: variable["value"] for variable in container.get("env", ())}


def mounted(container, of_pod):
    """The files that a container's ConfigMaps put before it, by their paths in it."""
    maps = {volume["name"]: volume["configMap"]["name"] for volume in of_pod["volumes"] if "configMap" in volume}
    return {
        f"{mount['mountPath']}/{name}": path
        for mount in container["volumeMounts"]
        for name, path in CONFIG_MAPS.get(maps.get(mount["name"]), {}).items()
    }


def collector(arguments, files):
    """The configurations that a collector is started with, as paths here."""
    given = [argument.removeprefix("--config=") for argument in arguments]
    return [one if one.startswith("yaml:") else files[one] for one in given]


def composed(name):
    service = COMPOSE["services"][name]
    files = {}
    for volume in service["volumes"]:
        source, target, *_ = volume.split(":")
        files[target] = (CONFIGS / "fleet" / source).resolve()
    return service, files


@pytest.mark.backends
@pytest.mark.parametrize("name", ["front", "egress"])
def test_the_collector_accepts_what_compose_starts_it_with(name):
    service, files = composed(name)
    validate(collector(service["command"], files), environ=service["environment"])


@pytest.mark.backends
@pytest.mark.parametrize("name", ["driftmeter-front", "egress"])
def test_the_collector_accepts_what_kubernetes_starts_it_with(name):
    container, of_pod = containers()[name]
    validate(collector(container["args"], mounted(container, of_pod)), environ=environ(container))


def test_every_mounted_file_is_there():
    mounts = [path for name in ("front", "egress", "prometheus") for path in composed(name)[1].values()]
    files = [path for path in mounts if path.suffix in {".yaml", ".yml"}]
    files += [path for of_map in CONFIG_MAPS.values() for path in of_map.values()]
    files += [CONFIGS / name for name in KUSTOMIZATION["resources"]]
    assert len(files) >= 10
    assert [path for path in files if not path.is_file()] == []


def test_compose_names_services_that_there_are():
    services = COMPOSE["services"]
    front, egress = services["front"]["environment"], services["egress"]["environment"]
    assert yaml.safe_load(front["GATEWAYS"]) == ["gateway-0:4317", "gateway-1:4317"]
    told = [front["EGRESS"], *yaml.safe_load(front["GATEWAYS"]), *egress.values()]
    told += [service["environment"]["DRIFTMETER_GATEWAY_EXPORT_ENDPOINT"] for service in gateways()]
    assert {re.search(r"(?:^|//)([\w-]+):\d", address)[1] for address in told} <= set(services)
    assert {name for service in services.values() for name in service.get("depends_on", ())} <= set(services)


def gateways():
    return [service for name, service in COMPOSE["services"].items() if name.startswith("gateway")]


def test_each_gateway_of_compose_has_state_of_its_own():
    states = [
        next(volume for volume in service["volumes"] if "/var/lib/driftmeter" in volume) for service in gateways()
    ]
    assert len(set(states)) == len(states) == 2
    assert {state.split(":")[0] for state in states} <= set(COMPOSE["volumes"])


def test_kubernetes_names_each_gateway_there_is():
    gateway = MANIFESTS["StatefulSet", "driftmeter-gateway"]
    container, _ = containers()["driftmeter-front"]
    service = gateway["spec"]["serviceName"]
    names = [f"driftmeter-gateway-{at}.{service}:4317" for at in range(gateway["spec"]["replicas"])]
    assert yaml.safe_load(environ(container)["GATEWAYS"]) == names
    assert MANIFESTS["Service", service]["spec"]["clusterIP"] == "None"
    host, port = environ(container)["EGRESS"].split(":")
    assert int(port) in {one["port"] for one in MANIFESTS["Service", host]["spec"]["ports"]}


@pytest.mark.parametrize("name", [name for kind, name in MANIFESTS if kind == "Service"])
def test_a_service_s_ports_are_those_of_the_pods_it_selects(name):
    spec = MANIFESTS["Service", name]["spec"]
    templates = [MANIFESTS[key]["spec"]["template"] for key in MANIFESTS if key[0] in {"Deployment", "StatefulSet"}]
    [selected] = [one for one in templates if spec["selector"].items() <= one["metadata"]["labels"].items()]
    ports = {port["name"] for container in selected["spec"]["containers"] for port in container["ports"]}
    assert {port["targetPort"] for port in spec["ports"]} <= ports


@pytest.mark.parametrize("name", ["driftmeter-front", "gateway", "egress"])
def test_probes_ask_ports_that_there_are_and_volumes_are_declared(name):
    container, of_pod = containers()[name]
    ports = {port["name"] for port in container["ports"]}
    assert {container[probe]["httpGet"]["port"] for probe in ("livenessProbe", "readinessProbe")} <= ports
    claimed = MANIFESTS["StatefulSet", "driftmeter-gateway"]["spec"]["volumeClaimTemplates"]
    declared = {volume["name"] for volume in of_pod["volumes"]} | {claim["metadata"]["name"] for claim in claimed}
    assert {mount["name"] for mount in container["volumeMounts"]} <= declared


@pytest.mark.parametrize(
    ("variables", "port"),
    [(gateways()[0]["environment"], 4317), (environ(containers()["gateway"][0]), 24317)],
    ids=["compose", "kubernetes"],
)
def test_the_gateway_takes_its_environment(variables, port):
    config = load_gateway(environ=variables)
    assert config.servers.grpc_address == "0.0.0.0:4317"
    assert config.sender.export_endpoint.endswith(f":{port}")
    assert config.core.merged == "cumulative"
    assert config.core.state.startswith("/var/lib/driftmeter/")


def test_the_gateway_beside_single_host_is_where_the_collector_looks_for_it():
    config = load_gateway(environ={"DRIFTMETER_CONFIG": str(CONFIGS / "gateway.yaml")})
    text = (CONFIGS / "single-host.yaml").read_text()
    defaults = dict(re.findall(r"\$\{env:(\w+):-([^}]*)\}", text))
    assert config.servers.grpc_address == defaults["GATEWAY"]
    assert config.sender.export_endpoint == f"http://{defaults['FROM_GATEWAY']}"
    assert config.core.merged == "cumulative"

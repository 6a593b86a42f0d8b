"""A server of its own for the ways in: with listeners, watched files, a transformation and tokens."""

import json
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest
import requests

BINARY = os.environ.get("TAFFRAIL_BINARY", "")
DEBIAN = Path(__file__).resolve().parents[2] / ".cache" / "debian"


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def program(name):
    """A program of Debian, installed or only unpacked; skips when it is neither."""
    for folder in ("usr/sbin", "usr/bin"):
        unpacked = DEBIAN / folder / name
        if unpacked.exists():
            return str(unpacked)
    installed = shutil.which(name)
    if installed is None:
        pytest.skip(f"SKIPPED: {name} is neither installed nor below .cache/debian (make debian fetches it)")
    return installed


def libraries():
    """The environment that unpacked programs find their libraries in."""
    folders = [DEBIAN / "usr/lib/x86_64-linux-gnu", DEBIAN / "usr/lib/syslog-ng"]
    return dict(os.environ, LD_LIBRARY_PATH=":".join(map(str, folders)))


class Server:
    def __init__(self, folder, detection=True):
        self.folder = folder
        self.ports = {
            "syslog-udp": free_port(socket.SOCK_DGRAM), "syslog-tcp": free_port(), "syslog-tls": free_port(),
            "gelf-udp": free_port(socket.SOCK_DGRAM), "gelf-tcp": free_port(), "fluent": free_port(), "page": free_port(),
        }  # fmt: skip
        self.key = "c2VjcmV0IG9mIHRoZSB3b3Jrc3BhY2U="
        self.workspace = "11111111-2222-3333-4444-555555555555"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
             "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
            check=True, capture_output=True,
        )  # fmt: skip
        (folder / "watched").mkdir()
        config = f"""
            data_dir = "{folder}/data"
            listen = "127.0.0.1:0"
            [detection]
            enabled = {str(detection).lower()}
            [health]
            interval = "1s"
            [[watch]]
            pattern = "{folder}/watched/**/*"
            cluster = "files"
            interval = "1s"
            [[scrape]]
            job = "page"
            cluster = "scraped"
            targets = ["http://127.0.0.1:{self.ports['page']}/metrics"]
            kubernetes = {{ role = "pod", server = "http://127.0.0.1:{self.ports['page']}" }}
            interval = "1s"
            [[transform]]
            stream = "Custom-Orders"
            rule = "dcr-1"
            columns = [{{ name = "TimeGenerated", type = "datetime" }}, {{ name = "Text", type = "string" }}, {{ name = "Level", type = "int" }}]
            table = "CustomLog_CL"
            query = "source | where Level > 1 | extend Message = replace_string(Text, 'secret', '***') | project TimeGenerated, Message"
            [[transform]]
            table = "ContainerLogV2"
            query = "source | where PodName != 'noise'"
            [[data_collector]]
            workspace = "{self.workspace}"
            key = "{self.key}"
            cluster = "collector"
        """
        for protocol in ("syslog-udp", "syslog-tcp", "gelf-udp", "gelf-tcp"):
            config += f'[[listeners]]\nprotocol = "{protocol}"\naddress = "127.0.0.1:{self.ports[protocol]}"\ncluster = "{protocol}"\n'
        config += f"""[[listeners]]
            protocol = "syslog-tcp"
            address = "127.0.0.1:{self.ports['syslog-tls']}"
            cluster = "syslog-tls"
            cert = "{folder}/cert.pem"
            key = "{folder}/key.pem"
            [[listeners]]
            protocol = "fluent"
            address = "127.0.0.1:{self.ports['fluent']}"
            cluster = "fluent"
            shared_key = "shared"
        """
        (folder / "config.toml").write_text(config)
        self.out = open(folder / "out", "w+")
        self.process = subprocess.Popen(
            [BINARY, "serve", "--config", folder / "config.toml"], stdout=self.out, stderr=open(folder / "err", "w")
        )
        fields = self.announced()
        self.url = fields["address"]
        self.host, self.port = self.url.split("//")[1].split(":")
        with requests.Session() as session:
            signed_in = session.post(
                f"{self.url}/api/v1/session", json={"username": fields["user"], "password": fields["password"]}
            )
            assert signed_in.status_code == 200, signed_in.text
            csrf = {"X-CSRF-Token": signed_in.json()["csrf"]}
            tokens = []
            for body in ({"name": "ways", "kind": "ingest"}, {"name": "ask", "kind": "api", "role": "Administrator"}):
                made = session.post(f"{self.url}/api/v1/tokens", json=body, headers=csrf)
                assert made.status_code == 201, made.text
                tokens.append(made.json()["token"])
        self.token, self.api_token = tokens
        self.bearer = {"Authorization": f"Bearer {self.token}"}

    def announced(self):
        """What it prints when it listens."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            fields = {}
            for line in (self.folder / "out").read_text().splitlines():
                name, _, value = line.strip().partition(":")
                fields.setdefault(name, value.strip())
            if "password" in fields:
                for _ in range(200):
                    try:
                        requests.get(f"{fields['address']}/healthz", timeout=5)
                        return fields
                    except requests.ConnectionError:
                        time.sleep(0.05)
            assert self.process.poll() is None, (self.folder / "err").read_text()
            time.sleep(0.05)
        raise AssertionError("the server does not start")

    def ask(self, query):
        answer = requests.post(
            f"{self.url}/v1/workspaces/taffrail/query",
            json={"query": query},
            headers={"Authorization": f"Bearer {self.api_token}", "Cache-Control": "no-cache"},
            timeout=60,
        )
        assert answer.status_code == 200, f"{query}\n{answer.text}"
        table = answer.json()["tables"][0]
        names = [column["name"] for column in table["columns"]]
        return [dict(zip(names, row)) for row in table["rows"]]

    def until(self, query, count=1, seconds=40):
        """The rows of a query, once there are that many: senders without answers are waited for."""
        deadline = time.monotonic() + seconds
        while True:
            rows = self.ask(query)
            if len(rows) >= count or time.monotonic() > deadline:
                assert len(rows) == count, f"{query}\n{rows}\n{(self.folder / 'err').read_text()[-3000:]}"
                return rows
            time.sleep(0.1)

    def close(self):
        self.process.terminate()
        assert self.process.wait(120) == 0


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    if not BINARY:
        pytest.skip("SKIPPED: TAFFRAIL_BINARY does not name the program")
    running = Server(tmp_path_factory.mktemp("ways"))
    yield running
    running.close()


def json_lines(rows):
    return "\n".join(map(json.dumps, rows))

"""Every way in, by its own client; the rows are queried back."""

import base64
import contextlib
import gzip
import hashlib
import hmac
import http.server
import io
import json
import logging
import logging.handlers
import os
import socket
import ssl
import subprocess
import threading
import time
import uuid
from datetime import datetime, timezone
from pathlib import Path

import pytest
import requests
from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError

from conftest import free_port, json_lines, libraries, program

HERE = Path(__file__).resolve().parent


def word():
    """Text that nobody else sends."""
    return f"w{uuid.uuid4().hex}"


def utc():
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@contextlib.contextmanager
def running(command, **options):
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Token:
    def __init__(self, text):
        self.text = text

    def get_token(self, *scopes, **kwargs):
        return AccessToken(self.text, int(time.time()) + 3600)


class TestSyslog:
    def test_logger_by_udp_and_by_tcp_in_both_framings(self, server):
        for protocol, options in [("syslog-udp", ["-d"]), ("syslog-tcp", ["-T"]), ("syslog-tcp", ["-T", "--octet-count"])]:
            text = word()
            subprocess.run(
                [program("logger"), *options, "-n", "127.0.0.1", "-P", str(server.ports[protocol]), "-p", "auth.warning", "-t", "app", text],
                check=True,
            )
            (row,) = server.until(f"Syslog | where SyslogMessage == '{text}'")
            assert (row["Facility"], row["SeverityLevel"], row["ProcessName"]) == ("auth", "warning", "app")
            assert (row["Cluster"], row["HostIP"]) == (protocol, "127.0.0.1")

    def test_python_logging(self, server):
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            text, port = word(), server.ports["syslog-udp" if kind == socket.SOCK_DGRAM else "syslog-tcp"]
            handler = logging.handlers.SysLogHandler(("127.0.0.1", port), socktype=kind)
            handler.ident = "python: "
            handler.emit(logging.LogRecord("x", logging.ERROR, "", 0, text, (), None))
            handler.close()
            (row,) = server.until(f"Syslog | where SyslogMessage has '{text}'")
            assert row["SeverityLevel"] == "err"

    def test_cef_goes_to_its_table(self, server):
        text = word()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            message = f"<134>Jan 15 10:00:31 fw1 CEF:0|Example|Gate|1.0|100|Blocked|5|src=10.0.4.7 msg={text}"
            sender.sendto(message.encode(), ("127.0.0.1", server.ports["syslog-udp"]))
        (row,) = server.until(f"CommonSecurityLog | where Message == '{text}'")
        assert (row["DeviceVendor"], row["SourceIP"]) == ("Example", "10.0.4.7")

    def test_rsyslog_by_tcp_and_tls(self, server, tmp_path):
        rsyslogd = program("rsyslogd")
        modules = Path(rsyslogd).parents[2] / "usr/lib/x86_64-linux-gnu/rsyslog"
        text, local = word(), free_port()
        config = tmp_path / "rsyslog.conf"
        config.write_text(f"""
            global(workDirectory="{tmp_path}" defaultNetstreamDriverCAFile="{server.folder}/cert.pem")
            module(load="imtcp")
            input(type="imtcp" address="127.0.0.1" port="{local}")
            action(type="omfwd" target="127.0.0.1" port="{server.ports['syslog-tcp']}" protocol="tcp" TCP_Framing="octet-counted"
                   template="RSYSLOG_SyslogProtocol23Format")
            action(type="omfwd" target="127.0.0.1" port="{server.ports['syslog-tls']}" protocol="tcp" StreamDriver="gtls"
                   StreamDriverMode="1" StreamDriverAuthMode="x509/name" StreamDriverPermittedPeers="localhost")
        """)
        command = [rsyslogd, "-n", "-f", config, "-i", tmp_path / "pid", "-M", modules]
        with running(command, env=libraries()):
            send_line(local, f"<38>1 {utc()} n1 sshd 991 - - Failed password for root from 198.51.100.4 port 22 ssh2 {text}")
            rows = server.until(f"Syslog | where SyslogMessage has '{text}' | sort by Cluster asc", 2)
        assert [row["Cluster"] for row in rows] == ["syslog-tcp", "syslog-tls"]
        assert rows[0]["ProcessName"] == "sshd"

    def test_syslog_ng(self, server, tmp_path):
        syslog_ng = program("syslog-ng")
        text, local = word(), free_port()
        config = tmp_path / "syslog-ng.conf"
        config.write_text(f"""@version: 3.38
            source s {{ network(ip("127.0.0.1") port({local}) flags(syslog-protocol)); }};
            destination tcp {{ syslog("127.0.0.1" port({server.ports['syslog-tcp']}) transport("tcp")); }};
            destination tls {{ syslog("127.0.0.1" port({server.ports['syslog-tls']}) transport("tls")
                tls(ca-file("{server.folder}/cert.pem") peer-verify(required-untrusted))); }};
            destination hec {{ http(url("{server.url}/services/collector/event?cluster=hec") method("POST")
                headers("Authorization: Splunk {server.token}")
                body('{{"time":$S_UNIXTIME,"host":"$HOST","sourcetype":"syslog","event":"<$PRI>1 $ISODATE $HOST $PROGRAM $PID - - $MSG"}}')); }};
            log {{ source(s); destination(tcp); destination(tls); destination(hec); }};
        """)
        module = Path(syslog_ng).parents[2] / "usr/lib/syslog-ng"
        path = next((str(found.parent) for found in module.rglob("libhttp.so")), str(module))
        folders = f"{path}:{next((str(found.parent) for found in module.rglob('libafsocket*')), path)}"
        command = [syslog_ng, "-F", "--no-caps", "-f", config, "-R", tmp_path / "persist", "-p", tmp_path / "pid",
                   "-c", tmp_path / "ctl", "--module-path", folders]  # fmt: skip
        with running(command, env=libraries()):
            send_line(local, f"<38>1 {utc()} n1 app 7 - - {text}")
            rows = server.until(f"Syslog | where SyslogMessage has '{text}' | sort by Cluster asc", 3)
        assert [row["Cluster"] for row in rows] == ["hec", "syslog-tcp", "syslog-tls"]

    def test_rsyslog_to_elasticsearch(self, server, tmp_path):
        rsyslogd = program("rsyslogd")
        modules = Path(rsyslogd).parents[2] / "usr/lib/x86_64-linux-gnu/rsyslog"
        if not (modules / "omelasticsearch.so").exists():
            pytest.skip("SKIPPED: rsyslog-elasticsearch is not there")
        text, local = word(), free_port()
        config = tmp_path / "rsyslog.conf"
        config.write_text(f"""
            global(workDirectory="{tmp_path}")
            module(load="imtcp")
            module(load="omelasticsearch")
            input(type="imtcp" address="127.0.0.1" port="{local}")
            template(name="taffrail" type="list" option.jsonf="on") {{
              property(outname="timereported" name="timereported" dateFormat="rfc3339" format="jsonf")
              property(outname="fromhost" name="hostname" format="jsonf")
              property(outname="syslogfacility-text" name="syslogfacility-text" format="jsonf")
              property(outname="syslogseverity-text" name="syslogseverity-text" format="jsonf")
              property(outname="syslogtag" name="syslogtag" format="jsonf")
              property(outname="message" name="msg" format="jsonf")
            }}
            action(type="omelasticsearch" server="{server.host}" serverport="{server.port}" uid="rsyslog" pwd="{server.token}"
                   template="taffrail" searchIndex="rsyslog" searchType="" bulkmode="on")
        """)
        with running([rsyslogd, "-n", "-f", config, "-i", tmp_path / "pid", "-M", modules], env=libraries()):
            send_line(local, f"<38>1 {utc()} n1 sshd 991 - - {text}")
            (row,) = server.until(f"Syslog | where SyslogMessage has '{text}'")
        assert (row["Cluster"], row["Facility"], row["ProcessName"], row["Computer"]) == ("rsyslog", "auth", "sshd", "n1")


def send_line(port, line):
    deadline = time.monotonic() + 20
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), 5) as sender:
                sender.sendall(line.encode() + b"\n")
                return
        except ConnectionRefusedError:
            assert time.monotonic() < deadline, "the program does not listen"
            time.sleep(0.1)


class TestHttp:
    def test_curl_with_lines_gzip_and_zstd_and_what_it_was_recognised_as(self, server, tmp_path):
        event = lambda id: {"kind": "Event", "apiVersion": "audit.k8s.io/v1", "auditID": id, "stage": "ResponseComplete", "stageTimestamp": utc()}  # noqa: E731
        ids = [word() for _ in range(3)]
        (tmp_path / "plain").write_text(json_lines([event(ids[0])]))
        (tmp_path / "gzip").write_bytes(gzip.compress(json_lines([event(ids[1])]).encode()))
        (tmp_path / "zstd.json").write_text(json_lines([event(ids[2])]))
        subprocess.run([program("zstd"), "-q", tmp_path / "zstd.json", "-o", tmp_path / "zstd"], check=True)
        for name in ("plain", "gzip", "zstd"):
            sent = subprocess.run(
                ["curl", "-sS", "--fail-with-body", "-H", f"Authorization: Bearer {server.token}", "-H", "Content-Type: application/x-ndjson",
                 *(["-H", f"Content-Encoding: {name}"] if name != "plain" else []), "--data-binary", f"@{tmp_path / name}",
                 f"{server.url}/ingest/auto/curl"],
                check=True, capture_output=True, text=True,
            )  # fmt: skip
            assert json.loads(sent.stdout) == {
                "stored": 1, "duplicates": 0, "rejected": 0, "rejections": [], "recognised": "kubernetes-audit",
            }  # fmt: skip
        names = ", ".join(f"'{id}'" for id in ids)
        assert len(server.ask(f"KubernetesAudit | where AuditId in ({names}) and Cluster == 'curl'")) == 3


class TestElasticsearch:
    def test_client(self, server):
        from elasticsearch import Elasticsearch, helpers

        text = word()
        client = Elasticsearch(f"{server.url}/elasticsearch", basic_auth=("elastic", server.token))
        assert client.info()["version"]["number"]
        documents = [{"_index": "app", "message": f"{text} {number}", "@timestamp": utc()} for number in range(3)]
        stored, errors = helpers.bulk(client, documents, stats_only=False)
        assert (stored, errors) == (3, [])
        operations = [{"create": {"_index": "app"}}, {"message": f"{text} good"}, {"delete": {"_index": "app", "_id": "1"}}]
        answer = client.bulk(operations=operations)
        assert answer["errors"] and answer["items"][0]["create"]["status"] == 201 and answer["items"][1]["delete"]["status"] == 400
        assert client.index(index="app", document={"message": f"{text} one"})["result"] == "created"
        assert len(server.ask(f"CustomLog_CL | where Message has '{text}'")) == 5
        from elasticsearch import AuthenticationException

        with pytest.raises(AuthenticationException):
            Elasticsearch(f"{server.url}/elasticsearch", api_key="d3Jvbmc6d3Jvbmc=").bulk(operations=operations)


class TestLoki:
    def test_python_logging_loki(self, server):
        import logging_loki

        text = word()
        handler = logging_loki.LokiHandler(
            url=f"{server.url}/loki/api/v1/push", tags={"namespace": "shop", "pod": "web-1", "container": "web"}, auth=("blue", server.token), version="1"
        )
        handler.handleError = lambda record: pytest.fail("the handler could not send")
        handler.emit(logging.LogRecord("orders", logging.WARNING, "", 0, text, (), None))
        (row,) = server.ask(f"ContainerLogV2 | where tostring(LogMessage) has '{text}'")
        assert (row["PodName"], row["PodNamespace"], row["Cluster"]) == ("web-1", "shop", "blue")


class TestOpenTelemetry:
    @pytest.mark.parametrize("transport", ["http", "grpc"])
    def test_logs_and_metrics(self, server, transport):
        from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
        from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
        from opentelemetry.sdk.resources import Resource

        text = word()
        headers = {"authorization": f"Bearer {server.token}", "x-taffrail-cluster": transport}
        if transport == "http":
            from opentelemetry.exporter.otlp.proto.http import Compression
            from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
            from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

            logs = OTLPLogExporter(endpoint=f"{server.url}/v1/logs", headers=headers, compression=Compression.Gzip)
            metrics = OTLPMetricExporter(endpoint=f"{server.url}/v1/metrics", headers=headers)
        else:
            from grpc import Compression
            from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
            from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter

            logs = OTLPLogExporter(endpoint=server.url, insecure=True, headers=tuple(headers.items()), compression=Compression.Gzip)
            metrics = OTLPMetricExporter(endpoint=server.url, insecure=True, headers=tuple(headers.items()))
        resource = Resource.create({"service.name": "orders", "host.name": "n1"})
        provider = LoggerProvider(resource=resource)
        provider.add_log_record_processor(SimpleLogRecordProcessor(logs))
        LoggingHandler(logger_provider=provider).emit(logging.LogRecord("orders", logging.ERROR, "", 0, text, (), None))
        provider.shutdown()
        (row,) = server.until(f"CustomLog_CL | where Message == '{text}'")
        assert (row["Cluster"], row["Computer"]) == (transport, "n1")
        assert json.loads(row["RawData"])["severityText"] == "ERROR"
        meters = MeterProvider(resource=resource, metric_readers=[PeriodicExportingMetricReader(metrics, 60_000)])
        meters.get_meter("x").create_counter(text).add(7, {"queue": "mail"})
        meters.shutdown()
        (row,) = server.until(f"InsightsMetrics | where Name == '{text}'")
        assert (row["Val"], row["Namespace"], json.loads(row["Tags"])["queue"]) == (7, "orders", "mail")


class TestSplunk:
    def test_handler(self, server):
        from splunk_handler import SplunkHandler

        text = word()
        handler = SplunkHandler(
            host=server.host, port=server.port, token=server.token, index="main", protocol="http", hostname="n1", source="app",
            sourcetype="app", verify=False, flush_interval=0, retry_count=0,
        )  # fmt: skip
        handler.emit(logging.LogRecord("orders", logging.ERROR, "", 0, text, (), None))
        handler.force_flush()
        handler.shutdown()
        (row,) = server.until(f"CustomLog_CL | where RawData has '{text}'")
        assert row["Computer"] == "n1"

    def test_acknowledgement(self, server):
        text, channel = word(), str(uuid.uuid4())
        headers = {"Authorization": f"Splunk {server.token}", "X-Splunk-Request-Channel": channel}
        sent = requests.post(f"{server.url}/services/collector/event", json={"event": text}, headers=headers, timeout=30)
        assert sent.json() == {"text": "Success", "code": 0, "ackId": 0}
        acks = requests.post(f"{server.url}/services/collector/ack", json={"acks": [0, 1]}, headers=headers, timeout=30)
        assert acks.json() == {"acks": {"0": True, "1": False}}
        assert len(server.ask(f"CustomLog_CL | where Message == '{text}'")) == 1


class TestFluent:
    def test_node_client_with_shared_key_and_acknowledgement(self, server):
        node = program("node")
        if not (HERE / "node_modules/fluent-logger").exists():
            pytest.skip("SKIPPED: npm packages are not installed (npm ci in tests/clients)")
        text = word()
        done = subprocess.run(
            [node, HERE / "fluent.mjs", str(server.ports["fluent"]), "shared", text], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stdout + done.stderr
        rows = server.ask(f"CustomLog_CL | where Message has '{text}' | sort by Message asc")
        assert [row["Message"] for row in rows] == [f"{text} {number}" for number in range(3)], "they were acknowledged"
        assert rows[0]["Cluster"] == "fluent" and json.loads(rows[0]["RawData"])["tag"] == "app.orders"
        wrong = subprocess.run([node, HERE / "fluent.mjs", str(server.ports["fluent"]), "wrong", text], capture_output=True, timeout=60)
        assert wrong.returncode != 0


class TestGelf:
    def test_graypy(self, server):
        import graypy

        udp, tcp = server.ports["gelf-udp"], server.ports["gelf-tcp"]
        long = word() * 600
        handlers = [
            (graypy.GELFUDPHandler("127.0.0.1", udp), word()),
            # In chunks: it is random enough not to shrink into one.
            (graypy.GELFUDPHandler("127.0.0.1", udp, compress=False, gelf_chunker=graypy.handler.GELFTruncatingChunker(chunk_size=500)), long),
            (graypy.GELFTCPHandler("127.0.0.1", tcp), word()),
        ]
        for handler, text in handlers:
            handler.emit(logging.LogRecord("orders", logging.ERROR, "", 0, text, (), None))
            handler.close()
            (row,) = server.until(f"CustomLog_CL | where Message == '{text}'")
            assert row["Computer"] in (socket.gethostname(), socket.getfqdn())
        text = word()
        body = {"version": "1.1", "host": "n1", "short_message": text}
        assert requests.post(f"{server.url}/gelf", json=body, headers=server.bearer, timeout=30).status_code == 202
        assert len(server.ask(f"CustomLog_CL | where Message == '{text}'")) == 1


class TestAzure:
    def test_logs_ingestion_with_a_transformation(self, server):
        from azure.monitor.ingestion import LogsIngestionClient

        text = word()
        client = LogsIngestionClient(server.url, Token(server.token))
        rows = [{"TimeGenerated": utc(), "Text": f"{text} secret", "Level": level} for level in (1, 2)]
        client.upload("dcr-1", "Custom-Orders", rows, enforce_https=False)
        (row,) = server.ask(f"CustomLog_CL | where Message has '{text}'")
        assert row["Message"] == f"{text} ***", "the other was dropped, and the secret masked"
        (health,) = server.until("TaffrailHealth | where ResourceName == 'logs-ingestion' | where toint(ExtendedProperties.dropped) == 1 | take 1")
        assert health["Status"] == "Success"
        client.upload("dcr-1", "Microsoft-Syslog", [{"TimeGenerated": utc(), "SyslogMessage": text}], enforce_https=False)
        assert len(server.ask(f"Syslog | where SyslogMessage == '{text}'")) == 1
        with pytest.raises(HttpResponseError) as caught:
            client.upload("dcr-1", "Custom-Nothing", rows, enforce_https=False)
        assert caught.value.status_code == 404

    def test_data_collector_makes_its_table(self, server):
        text, name = word(), f"Orders{uuid.uuid4().hex[:8]}"
        body = json.dumps([{"text": text, "count": 3, "at": utc(), "good": True, "more": {"a": 1}}])
        date = datetime.now(timezone.utc).strftime("%a, %d %b %Y %H:%M:%S GMT")

        def send(key):
            signed = f"POST\n{len(body)}\napplication/json\nx-ms-date:{date}\n/api/logs".encode()
            signature = base64.b64encode(hmac.new(base64.b64decode(key), signed, hashlib.sha256).digest()).decode()
            headers = {
                "Content-Type": "application/json", "Log-Type": name, "x-ms-date": date,
                "Authorization": f"SharedKey {server.workspace}:{signature}",
            }  # fmt: skip
            return requests.post(f"{server.url}/api/logs?api-version=2016-04-01", data=body, headers=headers, timeout=30)

        assert (send(server.key).status_code, send("d3JvbmcgYW5kIGxvbmcgZW5vdWdo").status_code) == (200, 403)
        (row,) = server.ask(f"{name}_CL")
        assert (row["text_s"], row["count_d"], row["good_b"], row["Cluster"]) == (text, 3, True, "collector")

    def test_kusto_streaming_ingest(self, server):
        from azure.kusto.data import KustoConnectionStringBuilder
        from azure.kusto.data.data_format import DataFormat
        from azure.kusto.data.exceptions import KustoServiceError
        from azure.kusto.ingest import IngestionProperties, KustoStreamingIngestClient

        text = word()
        client = KustoStreamingIngestClient(KustoConnectionStringBuilder.with_token_provider(server.url, lambda: server.token))
        json_properties = IngestionProperties("taffrail", "Syslog", data_format=DataFormat.MULTIJSON)
        body = json_lines([{"TimeGenerated": utc(), "SyslogMessage": text, "ProcessID": 7}])
        client.ingest_from_stream(io.BytesIO(body.encode()), json_properties)
        (row,) = server.ask(f"Syslog | where SyslogMessage == '{text}'")
        assert row["ProcessID"] == 7
        csv = IngestionProperties("taffrail", "CustomLog_CL", data_format=DataFormat.CSV)
        client.ingest_from_stream(io.BytesIO(f'{utc()},prod,"n,1",,{text}\n'.encode()), csv)
        (row,) = server.ask(f"CustomLog_CL | where Message == '{text}'")
        assert row["Computer"] == "n,1"
        with pytest.raises(KustoServiceError):
            client.ingest_from_stream(io.BytesIO(body.encode()), IngestionProperties("taffrail", "Nothing", data_format=DataFormat.MULTIJSON))


class TestCloudEvents:
    def test_python_sdk(self, server):
        from cloudevents.v1.conversion import to_binary, to_structured
        from cloudevents.v1.http import CloudEvent

        text = word()
        for number, convert in enumerate((to_binary, to_structured)):
            event = CloudEvent({"type": "com.example.order", "source": "/shop"}, {"message": f"{text} {number}"})
            headers, body = convert(event)
            answer = requests.post(f"{server.url}/cloudevents", data=body, headers={**headers, **server.bearer}, timeout=30)
            assert answer.status_code == 204, answer.text
        rows = server.ask(f"CustomLog_CL | where Message has '{text}'")
        assert {json.loads(row["RawData"])["type"] for row in rows} == {"com.example.order"} and len(rows) == 2


class Page(http.server.BaseHTTPRequestHandler):
    """A page of metrics, and a cluster's API that names the pod that has it."""

    def do_GET(self):
        if self.path.startswith("/api/v1/pods"):
            about = {"prometheus.io/scrape": "true", "prometheus.io/port": str(self.server.server_port), "prometheus.io/path": "/pod"}
            pod = {
                "metadata": {"name": "web-1", "namespace": "shop", "annotations": about},
                "status": {"phase": "Running", "podIP": "127.0.0.1"}, "spec": {"nodeName": "n1"},
            }  # fmt: skip
            body = json.dumps({"metadata": {}, "items": [pod]})
        else:
            body = "# TYPE requests_total counter\nrequests_total{path=\"/\"} 7\n"
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *arguments):
        pass


class TestMonitoring:
    def test_prometheus_writes_and_its_alerts_come_through_alertmanager(self, server, tmp_path):
        prometheus, alertmanager = program("prometheus"), program("prometheus-alertmanager")
        web, alerts = free_port(), free_port()
        (tmp_path / "rules.yml").write_text("groups: [{name: a, rules: [{alert: Always, expr: vector(1), labels: {severity: critical}}]}]")
        (tmp_path / "prometheus.yml").write_text(f"""
            global: {{scrape_interval: 1s, evaluation_interval: 1s}}
            rule_files: [{tmp_path}/rules.yml]
            alerting: {{alertmanagers: [{{static_configs: [{{targets: ['127.0.0.1:{alerts}']}}]}}]}}
            scrape_configs: [{{job_name: self, static_configs: [{{targets: ['127.0.0.1:{web}']}}]}}]
            remote_write: [{{url: '{server.url}/ingest/prometheus-remote-write/prom', authorization: {{credentials: {server.token}}}}}]
        """)
        (tmp_path / "alertmanager.yml").write_text(f"""
            route: {{receiver: taffrail, group_wait: 1s, group_interval: 1s}}
            receivers: [{{name: taffrail, webhook_configs: [{{url: '{server.url}/ingest/alertmanager/prom', http_config: {{authorization: {{credentials: {server.token}}}}}}}]}}]
        """)
        metrics = [prometheus, f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/tsdb", f"--web.listen-address=127.0.0.1:{web}"]
        manager = [alertmanager, f"--config.file={tmp_path}/alertmanager.yml", f"--storage.path={tmp_path}/am",
                   f"--web.listen-address=127.0.0.1:{alerts}", "--cluster.listen-address="]  # fmt: skip
        with running(manager), running(metrics):
            (row,) = server.until("InsightsMetrics | where Cluster == 'prom' and Name == 'up' | take 1", seconds=60)
            assert json.loads(row["Tags"])["job"] == "self"
            (row,) = server.until("OperationalAlert | where AlertName == 'Always' | take 1", seconds=60)
            assert (row["Cluster"], row["AlertSeverity"]) == ("prom", "critical")

    def test_scraping_of_addresses_and_of_pods(self, server):
        page = http.server.ThreadingHTTPServer(("127.0.0.1", server.ports["page"]), Page)
        threading.Thread(target=page.serve_forever, daemon=True).start()
        try:
            query = "InsightsMetrics | where Cluster == 'scraped' and Name == 'requests_total' | where Tags {} 'web-1' | take 1"
            (row,) = server.until(query.format("!has"))
            assert (row["Val"], json.loads(row["Tags"])["job"]) == (7, "page")
            (row,) = server.until(query.format("has"))
            assert json.loads(row["Tags"]) | {"instance": ""} == {
                "path": "/", "instance": "", "job": "page", "namespace": "shop", "node": "n1", "pod": "web-1",
            }  # fmt: skip
            assert server.ask("InsightsMetrics | where Name == 'up' and Cluster == 'scraped' and Val == 1 | count")[0]["Count"] > 0
        finally:
            page.shutdown()


class TestFiles:
    def test_watched_folders_in_the_forms_of_exports(self, server):
        folder = server.folder / "watched" / "2026" / "01"
        folder.mkdir(parents=True)
        text = [word() for _ in range(3)]
        line = lambda text: json.dumps({"time": utc(), "message": text}) + "\n"  # noqa: E731
        with open(folder / "grows.json", "w") as growing:
            growing.write(line(f"{text[0]} one") + line(f"{text[0]} two")[:10])
            growing.flush()
            server.until(f"CustomLog_CL | where Message has '{text[0]}'")
            growing.write(line(f"{text[0]} two")[10:])
        server.until(f"CustomLog_CL | where Message has '{text[0]}'", 2)
        (folder / "export.json.gz").write_bytes(gzip.compress(line(text[1]).encode()))
        record = {"time": utc(), "category": "kube-scheduler", "operationName": "x", "resourceId": "/C",
                  "properties": {"log": f"I0115 10:00:01.123456    4711 a.go:1] {text[2]}", "stream": "stderr", "pod": "p"}}  # fmt: skip
        (folder / "PT1H.json").write_text(json.dumps(record) + "\n")
        server.until(f"CustomLog_CL | where Message has '{text[1]}'")
        server.until(f"AKSControlPlane | where Message has '{text[2]}'")


class TestHealth:
    def test_what_could_not_be_used_is_told_with_samples(self, server):
        sent = requests.post(f"{server.url}/ingest/kubernetes-audit/broken", data="{", headers={**server.bearer, "Content-Type": "text/plain"}, timeout=30)
        assert sent.status_code == 400
        (row,) = server.until("TaffrailHealth | where tostring(ExtendedProperties.cluster) == 'broken' | take 1")
        assert row["Status"] == "Failure" and "JSON" in row["Reason"]

    def test_transformation_of_a_table_drops_and_counts(self, server):
        record = lambda pod: {"log": "x", "stream": "stdout", "time": utc(), "kubernetes": {"namespace_name": "n", "pod_name": pod}}  # noqa: E731
        sent = requests.post(f"{server.url}/ingest/container-logs/t", json=[record("noise"), record("keep")], headers=server.bearer, timeout=30)
        assert (sent.status_code, sent.json()["stored"], sent.json()["dropped"]) == (200, 1, 1)
        assert [row["PodName"] for row in server.ask("ContainerLogV2 | where Cluster == 't'")] == ["keep"]

"""Queries through azure-monitor-query (Log Analytics) and azure-kusto-data (Kusto)."""

import json
import os
import time
import uuid
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest
import requests
from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError
from azure.kusto.data import ClientRequestProperties, KustoClient, KustoConnectionStringBuilder
from azure.kusto.data.exceptions import KustoApiError, KustoMultiApiError, KustoServiceError
from azure.monitor.query import LogsBatchQuery, LogsQueryClient, LogsQueryError, LogsQueryStatus

URL = os.environ["TAFFRAIL_URL"].rstrip("/")
TOKEN = os.environ.get("TAFFRAIL_TOKEN", "")
USER = os.environ.get("TAFFRAIL_USER", "")
PASSWORD = os.environ.get("TAFFRAIL_PASSWORD", "")

EVERY_TYPE = """
print b = true, i = int(-5), l = long(9007199254740993), r = 1.5, m = decimal(12.25), s = "text",
      t = datetime(2026-01-02T03:04:05.1234567Z), d = timespan(1.02:03:04.5), g = guid(74be27de-1e4e-49d9-b579-fe0b331d3642),
      o = dynamic({"a": [1, "x"]}), n = long(null)
"""
ROWS = 'datatable(name: string, size: long) ["a", 1, "b", 2, "c", 3]'
TABLE = "KubernetesAudit"


class Token:
    """Gives out the token that it was given."""

    def __init__(self, text):
        self.text = text

    def get_token(self, *scopes, **kwargs):
        return AccessToken(self.text, int(time.time()) + 3600)


def logs_client(token=TOKEN or "none"):
    return LogsQueryClient(Token(token), endpoint=URL)


def ask(query, timespan=None, client=None, **options):
    # Over plain http the client must be told that it may send its token.
    return (client or logs_client()).query_workspace(
        "taffrail", query, timespan=timespan, enforce_https=False, **options
    )


def ingest_token():
    """Signs in as the portal does and makes a token that may send."""
    with requests.Session() as session:
        signed_in = session.post(f"{URL}/api/v1/session", json={"username": USER, "password": PASSWORD})
        assert signed_in.status_code == 200, signed_in.text
        csrf = {"X-CSRF-Token": signed_in.json()["csrf"]}
        made = session.post(f"{URL}/api/v1/tokens", json={"name": "clients test", "kind": "ingest"}, headers=csrf)
        assert made.status_code == 201, made.text
        session.delete(f"{URL}/api/v1/session", headers=csrf)
        return made.json()["token"]


def send_events(ids_and_times):
    """Stores audit events: of each, id and time."""
    lines = []
    for id_and_time in ids_and_times:
        id, time_ = id_and_time.split(" ")
        event = {
            "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "auditID": id,
            "stage": "ResponseComplete", "requestURI": "/version", "verb": "get", "user": {"username": "test-client"},
            "sourceIPs": ["192.0.2.1"], "responseStatus": {"code": 200}, "requestReceivedTimestamp": time_,
            "stageTimestamp": time_,
        }  # fmt: skip
        lines.append(json.dumps(event))
    answer = requests.post(
        f"{URL}/ingest/kubernetes-audit/clients-test",
        data="\n".join(lines),
        headers={"Authorization": f"Bearer {ingest_token()}", "Content-Type": "application/json"},
        timeout=60,
    )
    assert answer.status_code == 200, answer.text


@pytest.fixture(scope="module")
def kusto():
    if TOKEN:
        parts = KustoConnectionStringBuilder.with_token_provider(URL, lambda: TOKEN)
    else:
        parts = KustoConnectionStringBuilder.with_no_authentication(URL)
    client = KustoClient(parts)
    yield client
    client.close()


needs_token = pytest.mark.skipif(not TOKEN, reason="the server asks for no token")


class TestLogAnalytics:
    pytestmark = needs_token

    def test_types(self):
        answer = ask(EVERY_TYPE)
        assert answer.status == LogsQueryStatus.SUCCESS
        (table,) = answer.tables
        assert table.name == "PrimaryResult"
        types = dict(zip(table.columns, table.columns_types))
        assert types == {
            "b": "bool", "i": "int", "l": "long", "r": "real", "m": "decimal", "s": "string", "t": "datetime",
            "d": "timespan", "g": "guid", "o": "dynamic", "n": "long",
        }  # fmt: skip
        (row,) = table.rows
        assert (row["b"], row["i"], row["l"], row["r"], row["s"]) == (True, -5, 9007199254740993, 1.5, "text")
        assert Decimal(row["m"]) == Decimal("12.25")
        # Python's clock counts microseconds; the seventh digit is the protocol's.
        assert row["t"] == datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=timezone.utc)
        assert row["d"] in ("1.02:03:04.5000000", "1.02:03:04.5")
        assert uuid.UUID(row["g"]) == uuid.UUID("74be27de-1e4e-49d9-b579-fe0b331d3642")
        assert json.loads(row["o"]) == {"a": [1, "x"]}
        assert row["n"] is None

    def test_rows(self):
        answer = ask(f"{ROWS} | where size > 1 | sort by size desc")
        assert [list(row) for row in answer.tables[0].rows] == [["c", 3], ["b", 2]]

    def test_statistics_and_render(self):
        answer = ask(
            f'{ROWS} | render columnchart with (title = "Sizes")',
            include_statistics=True,
            include_visualization=True,
            server_timeout=60,
        )
        assert answer.statistics["query"]["executionTime"] >= 0
        assert answer.visualization["visualization"] == "columnchart"
        assert answer.visualization["title"] == "Sizes"

    @pytest.mark.skipif(not PASSWORD, reason="TAFFRAIL_USER and TAFFRAIL_PASSWORD are not set")
    def test_timespan(self):
        now = datetime.now(timezone.utc)
        times = {"recent": now - timedelta(minutes=30), "older": now - timedelta(hours=5)}
        ids = {name: str(uuid.uuid4()) for name in times}
        send_events(ids[name] + " " + times[name].strftime("%Y-%m-%dT%H:%M:%S.%fZ") for name in times)
        query = f'{TABLE} | where AuditId in ("{ids["recent"]}", "{ids["older"]}") | project AuditId'

        def found(timespan):
            rows = ask(query, timespan=timespan).tables[0].rows
            return {name for name, id in ids.items() if id in [row["AuditId"] for row in rows]}

        assert found(None) == {"recent", "older"}
        assert found(timedelta(hours=1)) == {"recent"}
        assert found((now - timedelta(hours=6), timedelta(hours=2))) == {"older"}
        assert found((now - timedelta(hours=6), now)) == {"recent", "older"}
        # The start is in, the end is not.
        assert found((times["older"], times["recent"])) == {"older"}

    def test_wrong_query(self):
        with pytest.raises(HttpResponseError) as caught:
            ask(f"{ROWS} | where")
        assert caught.value.status_code == 400
        error = caught.value.response.json()["error"]
        assert error["code"] == "BadArgumentError"
        assert error["innererror"]["line"] == 1
        assert error["diagnostics"][0]["severity"] == "error"

    def test_unknown_name(self):
        with pytest.raises(HttpResponseError) as caught:
            ask(f"{ROWS} | where sise > 1")
        assert "sise" in caught.value.response.json()["error"]["innererror"]["message"]

    def test_wrong_token(self):
        with pytest.raises(HttpResponseError) as caught:
            ask("print 1", client=logs_client("tfr_wrong"))
        assert caught.value.status_code == 401

    def test_batch(self):
        queries = [
            LogsBatchQuery("taffrail", "print x = 1", timespan=None),
            LogsBatchQuery("taffrail", "print x = ", timespan=timedelta(hours=1)),
            LogsBatchQuery("taffrail", "print x = 3", timespan=None, include_statistics=True),
        ]
        first, second, third = logs_client().query_batch(queries, enforce_https=False)
        assert first.tables[0].rows[0]["x"] == 1
        assert isinstance(second, LogsQueryError) and second.code == "BadArgumentError"
        assert third.tables[0].rows[0]["x"] == 3 and third.statistics


class TestKusto:
    def test_types(self, kusto):
        answer = kusto.execute_query("taffrail", EVERY_TYPE)
        assert answer.errors_count == 0
        (table,) = answer.primary_results
        types = {column.column_name: column.column_type for column in table.columns}
        assert types == {
            "b": "bool", "i": "int", "l": "long", "r": "real", "m": "decimal", "s": "string", "t": "datetime",
            "d": "timespan", "g": "guid", "o": "dynamic", "n": "long",
        }  # fmt: skip
        row = table[0]
        assert (row["b"], row["i"], row["l"], row["r"], row["s"]) == (True, -5, 9007199254740993, 1.5, "text")
        assert row["m"] == Decimal("12.25")
        assert row["t"] == datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=timezone.utc)
        assert row["d"] == timedelta(days=1, hours=2, minutes=3, seconds=4.5)
        assert uuid.UUID(row["g"]) == uuid.UUID("74be27de-1e4e-49d9-b579-fe0b331d3642")
        assert row["o"] == {"a": [1, "x"]}
        assert row["n"] is None

    def test_rows(self, kusto):
        (table,) = kusto.execute("taffrail", f"{ROWS} | summarize total = sum(size), names = count()").primary_results
        assert table[0].to_dict() == {"total": 6, "names": 3}

    def test_streaming(self, kusto):
        answer = kusto.execute_streaming_query("taffrail", f"{ROWS} | sort by size asc")
        table = next(answer.iter_primary_results())
        assert [row["name"] for row in table] == ["a", "b", "c"]

    def test_first_form(self, kusto):
        """The client reads the first form only for commands; queries can ask for it all the same."""
        from azure.kusto.data.response import KustoResponseDataSetV1

        session = kusto._session
        headers = {"Authorization": f"Bearer {TOKEN}"} if TOKEN else {}
        body = {"db": "taffrail", "csl": f"{ROWS} | sort by size asc"}
        sent = session.post(f"{URL}/v1/rest/query", json=body, headers=headers)
        assert sent.status_code == 200, sent.text
        answer = KustoResponseDataSetV1(sent.json())
        (table,) = answer.primary_results
        assert [row["size"] for row in table] == [1, 2, 3]
        assert answer.errors_count == 0

    def test_wrong_query(self, kusto):
        with pytest.raises(KustoApiError) as caught:
            kusto.execute_query("taffrail", f"{ROWS} | where")
        error = caught.value.get_api_error()
        assert error.code == "BadRequest_SyntaxError" and error.permanent
        assert "line:position=1:" in error.description

    def test_unknown_database(self, kusto):
        with pytest.raises(KustoServiceError):
            kusto.execute_query("other", "print 1")

    def test_limit_of_rows(self, kusto):
        properties = ClientRequestProperties()
        properties.set_option("truncationmaxrecords", 2)
        with pytest.raises(KustoMultiApiError) as caught:
            kusto.execute_query("taffrail", "range x from 1 to 10 step 1", properties)
        assert "E_QUERY_RESULT_SET_TOO_LARGE" in str(caught.value.get_api_errors()[0].description)

    def test_parameters(self, kusto):
        properties = ClientRequestProperties()
        properties.set_parameter("least", "2")
        properties.set_parameter("who", "b")
        query = f"declare query_parameters(least: long, who: string); {ROWS} | where size >= least and name == who"
        (table,) = kusto.execute_query("taffrail", query, properties).primary_results
        assert [row["name"] for row in table] == ["b"]

    def test_commands(self, kusto):
        (tables,) = kusto.execute_mgmt("taffrail", ".show tables").primary_results
        assert TABLE in [row["TableName"] for row in tables]
        (version,) = kusto.execute_mgmt("taffrail", ".show version").primary_results
        assert version[0]["ServiceType"] == "Engine"
        (schema,) = kusto.execute_mgmt("taffrail", f".show table {TABLE} cslschema").primary_results
        assert "TimeGenerated:datetime" in schema[0]["Schema"]
        (schema,) = kusto.execute_mgmt("taffrail", ".show database schema as json").primary_results
        assert TABLE in json.loads(schema[0]["DatabaseSchema"])["Databases"]["taffrail"]["Tables"]
        with pytest.raises(KustoApiError):
            kusto.execute_mgmt("taffrail", f".drop table {TABLE}")

    @needs_token
    def test_wrong_token(self):
        parts = KustoConnectionStringBuilder.with_token_provider(URL, lambda: "tfr_wrong")
        with KustoClient(parts) as client, pytest.raises(KustoServiceError):
            client.execute_query("taffrail", "print 1")

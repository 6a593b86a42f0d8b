"""The files of the lake are open: other engines read the same rows out of them."""

import json
import os
import subprocess
from pathlib import Path

import deltalake
import duckdb
import pytest

BINARY = os.environ.get("TAFFRAIL_BINARY", "")
DATA = os.environ.get("TAFFRAIL_DATA_DIR", "")

pytestmark = pytest.mark.skipif(not (BINARY and DATA), reason="needs TAFFRAIL_BINARY and TAFFRAIL_DATA_DIR: a data directory without a server")


def taffrail(*arguments):
    done = subprocess.run([BINARY, *arguments, "--data-dir", DATA, "--format", "json"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def counts():
    """Rows by table, all of them in files."""
    taffrail("tables", "compact")
    tables = taffrail("tables", "stats")
    assert all(table["RowsInMemory"] == 0 for table in tables)
    return {table["Table"]: table["Rows"] for table in tables if table["Rows"]}


def live_files(folder):
    """The files that the Delta log names, by its protocol: added and not removed since."""
    live = {}
    for entry in sorted((folder / "_delta_log").glob("*.json")):
        for line in entry.read_text().splitlines():
            action = json.loads(line)
            if "add" in action:
                live[action["add"]["path"]] = True
            if "remove" in action:
                live.pop(action["remove"]["path"], None)
    return [str(folder / path) for path in live]


def test_duckdb_counts_the_same(counts):
    assert counts["KubernetesAudit"] > 0
    for table, rows in counts.items():
        files = live_files(Path(DATA) / "lake" / "tables" / table)
        # The partition column is in the folders' names, and no column of the table.
        read = duckdb.execute("select count(*) from read_parquet(?, union_by_name = true, hive_partitioning = false)", [files])
        assert read.fetchone()[0] == rows, table


def test_delta_counts_and_groups_the_same(counts):
    for table, rows in counts.items():
        opened = deltalake.DeltaTable(Path(DATA) / "lake" / "tables" / table)
        assert opened.to_pyarrow_table().num_rows == rows, table
    verbs = deltalake.DeltaTable(Path(DATA) / "lake" / "tables" / "KubernetesAudit").to_pyarrow_table(columns=["Verb"])
    ours = taffrail("query", "KubernetesAudit | summarize Count = count() by Verb")
    counted = {row["values"]: row["counts"] for row in verbs["Verb"].value_counts().to_pylist()}
    assert counted == {row["Verb"]: row["Count"] for row in ours}


def test_the_account_is_whole():
    report = taffrail("verify")
    assert report["ok"] and report["commits"] > 0 and report["files"] > 0, report


def test_an_export_has_every_row(counts, tmp_path):
    taffrail("tables", "export", "KubernetesAudit", str(tmp_path / "audit.parquet"))
    read = duckdb.execute("select count(*), count(distinct AuditId) > 0 from read_parquet(?)", [str(tmp_path / "audit.parquet")])
    assert read.fetchone() == (counts["KubernetesAudit"], True)

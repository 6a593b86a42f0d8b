//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use taffrail_detect::Severity;

/// An open, self-hosted SIEM and SOAR for Kubernetes.
#[derive(Debug, Parser)]
#[command(name = "taffrail", version, about, propagate_version = true, max_term_width = 110)]
#[command(
    after_help = "Examples:\n  taffrail scan /var/log/kubernetes/audit.log          what the rules find in a log, no server needed\n  taffrail serve --data-dir /var/lib/taffrail          the server, on 127.0.0.1:8090\n  taffrail query 'KubernetesAudit | count'             KQL against a data directory or a server\n  taffrail demo                                        a server with a recorded day of attacks in it"
)]
pub struct Arguments {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// Commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run all rules over audit logs and print what they find; no server, no configuration
    Scan(ScanOptions),
    /// Run the server: receives logs, keeps them, detects, answers queries, serves the portal
    Serve(ServeOptions),
    /// Ask a question in KQL, of a data directory or of a server
    Query(QueryOptions),
    /// Check and format queries, list functions; no server needed
    Kql(KqlOptions),
    /// List, check and test detection rules
    Rules(RulesOptions),
    /// List sources of logs, show how to connect one, try a file
    Sources(SourcesOptions),
    /// List, describe, compact, export and delete tables of a data directory; how long they are kept
    Tables(TablesOptions),
    /// Compare a data directory with its signed account: what was changed, removed or put elsewhere
    Verify(VerifyArguments),
    /// Copy a data directory, incrementally and verified; beside a running server, that one makes them ([backup])
    Backup(BackupOptions),
    /// Make a data directory out of a backup
    Restore(RestoreOptions),
    /// Start a server on a temporary data directory and replay a recorded day with attacks in it
    Demo(DemoOptions),
    /// Print a completion script for a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
}

/// `scan`
#[derive(Debug, Args)]
#[command(
    after_help = "Reads JSON lines, EventList, AKS diagnostic exports, EKS CloudWatch exports and GKE log entries, plain, gzip or zstd: recognised by content.\n\nExit codes: 0 nothing at or above --fail-on, 1 something was found, 2 an error.\n\nExamples:\n  taffrail scan audit.log\n  taffrail scan --format sarif logs/ > findings.sarif\n  kubectl logs -n kube-system kube-apiserver-node | taffrail scan -"
)]
pub struct ScanOptions {
    /// Files, directories and globs; - for standard input
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<String>,
    /// Form of the findings
    #[arg(long, value_enum, default_value_t = ScanFormat::Text)]
    pub format: ScanFormat,
    /// Leave out findings below this severity
    #[arg(long, value_name = "SEVERITY", value_parser = severity, default_value = "Informational")]
    pub min_severity: Severity,
    /// Exit with 1 when there is a finding of this severity or above
    #[arg(long, value_name = "SEVERITY", value_parser = severity, default_value = "Medium")]
    pub fail_on: Severity,
    /// Directory with rules to run besides the built-in ones; one with the same id replaces it
    #[arg(long, value_name = "DIR")]
    pub rules: Vec<PathBuf>,
    /// Only rules whose id contains this
    #[arg(long, value_name = "TEXT")]
    pub only: Vec<String>,
    /// Source of the files; auto recognises each by its content
    #[arg(long, default_value = "kubernetes-audit")]
    pub source: String,
    /// Name of the cluster, for the findings
    #[arg(long, default_value = "")]
    pub cluster: String,
    /// No progress bar
    #[arg(long, short)]
    pub quiet: bool,
}

/// Forms of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ScanFormat {
    /// For people
    Text,
    /// One JSON array
    Json,
    /// One JSON object a finding
    Jsonl,
    /// SARIF 2.1.0, for code-scanning dashboards
    Sarif,
    /// One line a finding
    Csv,
}

/// `serve`
#[derive(Debug, Args)]
#[command(
    after_help = "Settings come from the defaults, then the configuration file, then TAFFRAIL_* variables, then these options.\nSee all keys with --print-config."
)]
pub struct ServeOptions {
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE", env = "TAFFRAIL_CONFIG")]
    pub config: Option<PathBuf>,
    /// Where everything is kept
    #[arg(long, value_name = "DIR", env = "TAFFRAIL_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// Address and port; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", env = "TAFFRAIL_LISTEN")]
    pub listen: Option<SocketAddr>,
    /// No sign-in and no tokens: everybody who reaches the port is administrator. Only on a loopback address
    #[arg(long)]
    pub no_auth: bool,
    /// Certificate chain (PEM), for TLS
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Key of the certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Let `externaldata` in queries read: an address (https://host/path/), a directory, or without a value any https address
    #[arg(long, value_name = "ADDRESS|DIR", num_args = 0..=1, require_equals = true, default_missing_value = crate::external::ANY_HTTPS)]
    pub allow_external_data: Vec<String>,
    /// Print every setting with its default and meaning, and end
    #[arg(long)]
    pub print_config: bool,
}

/// `query`
#[derive(Debug, Args)]
#[command(
    after_help = "Without a query: a prompt on a terminal, else the query is read from standard input.\n\nExamples:\n  taffrail query 'KubernetesAudit | summarize count() by Verb'\n  taffrail query --server https://taffrail.example --format csv 'SecurityAlert | take 10'\n  taffrail query --batch < queries.jsonl"
)]
pub struct QueryOptions {
    /// KQL
    pub query: Option<String>,
    /// Data directory to read; beside a running server it sees what is durable
    #[arg(long, value_name = "DIR", env = "TAFFRAIL_DATA_DIR", conflicts_with = "server")]
    pub data_dir: Option<PathBuf>,
    /// Server to ask; the token comes from TAFFRAIL_TOKEN
    #[arg(long, value_name = "URL", env = "TAFFRAIL_SERVER")]
    pub server: Option<String>,
    /// Form of the answer
    #[arg(long, value_enum)]
    pub format: Option<QueryFormat>,
    /// Let `externaldata` read: an address (https://host/path/), a directory, or without a value any https address
    #[arg(long, value_name = "ADDRESS|DIR", num_args = 0..=1, require_equals = true, default_missing_value = crate::external::ANY_HTTPS, conflicts_with = "server")]
    pub allow_external_data: Vec<String>,
    /// Read JSON lines {"id","query"} and answer each with {"id","columns","rows"} or {"id","error"}
    #[arg(long, conflicts_with = "query")]
    pub batch: bool,
    /// Print the plan instead of the answer (data directory only)
    #[arg(long, conflicts_with_all = ["batch", "server"])]
    pub explain: bool,
}

/// Forms of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum QueryFormat {
    /// For people
    Table,
    /// One JSON array of objects
    Json,
    /// One JSON object a row
    Jsonl,
    /// With a header line
    Csv,
}

/// `kql`
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 all well, 1 the query has errors (or is not formatted), 2 it did not work.\n\nExamples:\n  taffrail kql check hunt.kql\n  taffrail kql check --batch --schema schema.json < queries.jsonl\n  taffrail kql format hunt.kql"
)]
pub struct KqlOptions {
    /// What to do
    #[command(subcommand)]
    pub command: KqlCommand,
}

/// `kql …`
#[derive(Debug, Subcommand)]
pub enum KqlCommand {
    /// Say what is wrong with a query, or which columns it gives
    Check {
        /// File with one query; - or nothing for standard input
        file: Option<PathBuf>,
        /// Read JSON lines {"id","query"} and answer each with {"id","ok","errors","columns"}
        #[arg(long, conflicts_with = "file")]
        batch: bool,
        /// Tables to check against, in the form of `.show schema as json`; without it, the built-in ones
        #[arg(long, value_name = "FILE")]
        schema: Option<PathBuf>,
    },
    /// Print a query in the canonical layout
    Format {
        /// File with one query; - or nothing for standard input
        file: Option<PathBuf>,
        /// Print nothing; exit with 1 when the query is laid out otherwise
        #[arg(long)]
        check: bool,
    },
    /// List every function, aggregate and plugin
    Functions {
        /// Form of the list
        #[arg(long, value_enum, default_value_t = RulesFormat::Text)]
        format: RulesFormat,
    },
    /// Print every name of the language with its state, as docs/kql.md has it
    Docs,
    /// Print the built-in tables, views and functions in the form of `.show schema as json`
    Schema,
}

/// `rules`
#[derive(Debug, Args)]
pub struct RulesOptions {
    /// What to do with them
    #[command(subcommand)]
    pub command: RulesCommand,
    /// Directory with rules besides the built-in ones; one with the same id replaces it
    #[arg(long, value_name = "DIR", global = true)]
    pub rules: Vec<PathBuf>,
    /// JSON instead of text
    #[arg(long, value_enum, global = true, default_value_t = RulesFormat::Text)]
    pub format: RulesFormat,
}

/// Forms of `rules` output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RulesFormat {
    /// For people
    Text,
    /// For programs
    Json,
}

/// `rules …`
#[derive(Debug, Subcommand)]
pub enum RulesCommand {
    /// List rules with severity, kind and techniques
    List,
    /// Print one rule as YAML
    Show {
        /// Its id
        id: String,
    },
    /// Check rules: query, mappings, names
    Lint,
    /// Run the test events beside each rule
    Test {
        /// Only rules whose id contains this
        only: Vec<String>,
    },
    /// Say how a rule is evaluated, and why: row by row on the stream, over kept rows on its schedule, or over the whole table
    Explain {
        /// Its id; without one, all rules in short
        id: Option<String>,
    },
    /// Read rules as published (a file, a directory, a Git checkout) and write them as files that --rules reads
    Import {
        /// Files and directories
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// Directory to write them to
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
    },
    /// Write rules as Sentinel YAML, tests left out
    Export {
        /// Only rules whose id contains this
        only: Vec<String>,
        /// Directory to write them to
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
    },
    /// Turn Sigma rules into rules with readable KQL, and say what could not be converted
    Convert {
        /// Files and directories
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// Directory to write them to, instead of printing them
        #[arg(long, value_name = "DIR")]
        to: Option<PathBuf>,
    },
    /// Run rules over history and show what they would have raised
    Backtest {
        /// Rules: ids, or files with a rule; without any, all rules ordered by noise
        only: Vec<String>,
        /// Data directory with the history
        #[arg(long, value_name = "DIR", env = "TAFFRAIL_DATA_DIR", required_unless_present = "log")]
        data_dir: Option<PathBuf>,
        /// Logs with the history, instead of a data directory
        #[arg(long, value_name = "PATH", conflicts_with = "data_dir")]
        log: Vec<PathBuf>,
        /// How far back from the last row, in days
        #[arg(long, default_value_t = 7.0)]
        days: f64,
    },
    /// Show which techniques and detections have rules, hunting queries and tests
    Coverage {
        /// Write a layer for ATT&CK Navigator instead
        #[arg(long)]
        navigator: bool,
    },
}

/// `sources`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  taffrail sources list\n  taffrail sources show ingress-nginx\n  taffrail sources test /var/log/syslog\n  taffrail sources connect kubernetes-audit --cluster prod --server https://taffrail.example --data-dir taffrail-data\n  journalctl -o export | taffrail sources test - --query 'KubeletLogs | summarize count() by Level'"
)]
pub struct SourcesOptions {
    /// What to do with them
    #[command(subcommand)]
    pub command: SourcesCommand,
}

/// `sources …`
#[derive(Debug, Subcommand)]
pub enum SourcesCommand {
    /// List sources with their tables and the state of their formats
    List,
    /// Print what a source is and how to connect it
    Show {
        /// Its name
        name: String,
    },
    /// Print the configuration that connects a source, with the address and a new token filled in
    Connect {
        /// Its name
        name: String,
        /// Name of the cluster; the token is good for it only
        #[arg(long, default_value = "")]
        cluster: String,
        /// Address under which senders reach the server
        #[arg(long, value_name = "URL", env = "TAFFRAIL_URL", default_value = "http://127.0.0.1:8090")]
        server: String,
        /// Data directory of the server, to make the token there; without it the server is asked, with the administrator's API token in TAFFRAIL_TOKEN
        #[arg(long, value_name = "DIR", env = "TAFFRAIL_DATA_DIR")]
        data_dir: Option<PathBuf>,
    },
    /// Decode a file, say what it was recognised as, and print rows; nothing is stored
    Test {
        /// File, plain, gzip or zstd; - for standard input
        file: PathBuf,
        /// Its source; auto recognises it by its content
        #[arg(long, default_value = "auto")]
        source: String,
        /// Name of the cluster, for the rows
        #[arg(long, default_value = "")]
        cluster: String,
        /// KQL over the rows, instead of the first of each table
        #[arg(long, value_name = "KQL")]
        query: Option<String>,
        /// Form of the rows
        #[arg(long, value_enum, default_value_t = QueryFormat::Jsonl)]
        format: QueryFormat,
    },
}

/// `tables`
#[derive(Debug, Args)]
#[command(
    after_help = "list, show, stats, verify and export read a data directory, beside a running server too; the others need it for themselves.\n\nExamples:\n  taffrail tables list --data-dir /var/lib/taffrail\n  taffrail tables retention KubernetesAudit --days 365 --cluster prod\n  taffrail tables retention KubernetesAudit --hold 'case 2026-17'\n  taffrail tables delete KubernetesAudit --equal Username=anna --reason 'request 12'"
)]
pub struct TablesOptions {
    /// What to do
    #[command(subcommand)]
    pub command: TablesCommand,
    /// Data directory
    #[arg(
        long,
        value_name = "DIR",
        env = "TAFFRAIL_DATA_DIR",
        default_value = "taffrail-data",
        global = true
    )]
    pub data_dir: PathBuf,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t = QueryFormat::Table, global = true)]
    pub format: QueryFormat,
}

/// `tables …`
#[derive(Debug, Subcommand)]
pub enum TablesCommand {
    /// List tables with their size and how long they are kept
    List,
    /// Print a table's columns; with --format json everything about it
    Show {
        /// Its name
        table: String,
    },
    /// Rows, files and bytes of every table
    Stats,
    /// Write rows in memory to files, merge small files, delete what nobody reads any more
    Compact,
    /// Print how long tables are kept, or change it
    Retention {
        /// Table; all, when nothing is changed
        table: Option<String>,
        /// Days that rows are kept; 0: for ever
        #[arg(long)]
        days: Option<u32>,
        /// Only rows of this cluster
        #[arg(long, requires = "days")]
        cluster: Option<String>,
        /// Delete nothing, whatever else is said, for this reason
        #[arg(long, value_name = "REASON")]
        hold: Option<String>,
        /// Lift the hold
        #[arg(long, conflicts_with = "hold")]
        release: bool,
        /// Most bytes of files; 0: no limit
        #[arg(long, value_name = "SIZE")]
        quota: Option<crate::config::Size>,
    },
    /// Delete rows for good, with a record of why: those that have all the values, in the range of time
    Delete {
        /// Table
        table: String,
        /// Column and value that rows to delete have
        #[arg(long, value_name = "COLUMN=VALUE", required = true)]
        equal: Vec<String>,
        /// Only rows from this time on
        #[arg(long, value_parser = crate::tables::time)]
        from: Option<chrono::DateTime<chrono::Utc>>,
        /// Only rows before this time
        #[arg(long, value_parser = crate::tables::time)]
        before: Option<chrono::DateTime<chrono::Utc>>,
        /// Why, for the account
        #[arg(long)]
        reason: String,
    },
    /// As taffrail verify
    Verify {
        /// Compare sizes of data files instead of their content
        #[arg(long)]
        quick: bool,
    },
    /// Write a table to a Parquet file
    Export {
        /// Table
        table: String,
        /// File, which must not exist
        file: PathBuf,
    },
}

/// `verify`
#[derive(Debug, Args)]
#[command(
    after_help = "Works beside a running server. Note the last record it prints somewhere else, and give it with --expect the next time: then even who has the signing key cannot write another history.\n\nExit codes: 0 everything is as it was written, 1 something is not, 2 it could not be looked at."
)]
pub struct VerifyArguments {
    /// Data directory
    #[arg(long, value_name = "DIR", env = "TAFFRAIL_DATA_DIR", default_value = "taffrail-data")]
    pub data_dir: PathBuf,
    /// Compare sizes of data files instead of their content
    #[arg(long)]
    pub quick: bool,
    /// The public key that must have signed, hexadecimal; without it, the one in the data directory
    #[arg(long, value_name = "HEX")]
    pub public_key: Option<String>,
    /// A record that must be in the account, as an earlier run printed it
    #[arg(long, value_name = "HASH")]
    pub expect: Option<String>,
    /// Form of the report
    #[arg(long, value_enum, default_value_t = QueryFormat::Table)]
    pub format: QueryFormat,
}

/// `backup`
#[derive(Debug, Args)]
pub struct BackupOptions {
    /// Where to; what is there of an earlier backup is not copied again
    pub target: PathBuf,
    /// Data directory
    #[arg(long, value_name = "DIR", env = "TAFFRAIL_DATA_DIR", default_value = "taffrail-data")]
    pub data_dir: PathBuf,
    /// Form of the report
    #[arg(long, value_enum, default_value_t = QueryFormat::Table)]
    pub format: QueryFormat,
}

/// `restore`
#[derive(Debug, Args)]
pub struct RestoreOptions {
    /// The backup
    pub source: PathBuf,
    /// Data directory to make; it must not have a lake
    #[arg(long, value_name = "DIR", env = "TAFFRAIL_DATA_DIR", default_value = "taffrail-data")]
    pub data_dir: PathBuf,
    /// Form of the report
    #[arg(long, value_enum, default_value_t = QueryFormat::Table)]
    pub format: QueryFormat,
}

/// `demo`
#[derive(Debug, Args)]
pub struct DemoOptions {
    /// Address and port; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8090")]
    pub listen: SocketAddr,
    /// Keep the data here instead of in a temporary directory
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

fn severity(text: &str) -> Result<Severity, String> {
    Severity::ALL
        .into_iter()
        .find(|known| known.as_str().eq_ignore_ascii_case(text))
        .ok_or_else(|| "one of informational, low, medium, high".to_owned())
}

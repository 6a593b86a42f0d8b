//! Settings of the server: defaults, then the configuration file, then `TAFFRAIL_*` variables, then the command line.

pub mod ways;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use serde::Deserialize;

use crate::args::ServeOptions;

/// Every key with its default and meaning: what `--print-config` prints. It is parsed by a test, so it is true.
pub const DOCUMENTED: &str = r#"# Configuration of `taffrail serve`. Every key is optional; the values here are the defaults.

# Where everything is kept: the lake, the state database, the lock.
data_dir = "taffrail-data"

# Address and port of the portal, the API and ingestion. Keep it on loopback unless TLS is set or something in front terminates it.
listen = "127.0.0.1:8090"

# Without sign-in and tokens everybody who reaches the port is administrator. Refused unless `listen` is a loopback address.
no_auth = false

# Directory laid over the built-in content: files of the same path replace built-in ones (rules/…, tables/…, functions/…).
# content_dir = "/etc/taffrail/content"

# Further directories with rules; a rule with the id of a built-in one replaces it.
rules = []

[tls]
# Certificate chain and key, PEM. Both or none.
# cert = "/etc/taffrail/tls.crt"
# key = "/etc/taffrail/tls.key"

[log]
# error, warn, info, debug or trace, or directives such as "info,taffrail_lake=debug".
level = "info"
# text or json; on standard error.
format = "text"

[ingest]
# Largest request body as sent, and after decompression.
max_body = "64MiB"
max_decompressed = "512MiB"

[lake]
# Rows are durable at once; after this time or size they move from the log into Parquet files.
flush_interval = "30s"
flush_size = "32MiB"
# How long files stay on disk after others took their place, for those outside of this process who still read them.
keep_removed = "24h"
# Memory for columns that queries read again and again.
column_cache = "128MiB"
# Days that rows are kept where the policy of their table does not say (taffrail tables retention); 0: for ever.
retention_days = 0
# Keep a signed account of everything written and deleted, so that later changes show (taffrail verify).
chain = true
# The key that signs it (Ed25519, PKCS #8 in PEM); without one, a key is made in the data directory.
# signing_key = "/etc/taffrail/chain.pem"

[backup]
# Where to copy everything to, now and then, verified and incrementally (taffrail restore reads it); nowhere, by default.
# directory = "/backup/taffrail"
interval = "24h"

[detection]
# Whether this server runs the rules. Without it stores and answers only.
enabled = true

[query]
# Memory that all running queries may use together, rows of one answer, and time of one query.
memory = "2GiB"
max_rows = 500000
timeout = "3m"
# What `externaldata` may read: addresses ("https://lists.example/"; "https://" is any) and directories. Nothing, by default:
# whoever may ask queries could reach, through the server, what they cannot reach themselves.
external_data = []
# Memory for answers that may be asked for again while nothing new has arrived; 0 keeps none. A request with
# "Cache-Control: no-cache" is always run.
result_cache = "64MiB"

[health]
# How often a row of TaffrailHealth says how each source fares.
interval = "1m"

# Sockets for senders that do not speak HTTP; none by default. syslog-udp, syslog-tcp (RFC 6587; with cert and key RFC 5425), gelf-udp,
# gelf-tcp, fluent. Messages of syslog in CEF or LEEF go to CommonSecurityLog, others to Syslog.
# [[listeners]]
# protocol = "syslog-tcp"
# address = "127.0.0.1:6514"
# cluster = "prod"
# cert = "/etc/taffrail/tls.crt"
# key = "/etc/taffrail/tls.key"
# client_ca = "/etc/taffrail/senders.crt"   # only senders with a certificate of these authorities
# shared_key = "…"                           # protocol fluent only
# max_connections = 1024
# max_message = "256KiB"

# Pages of metrics that are fetched: fixed addresses, or those that a cluster's API names (role "pod": the annotations prometheus.io/scrape,
# port, path; role "node": kubelets). Without server it is the cluster this runs in.
# [[scrape]]
# job = "nodes"
# cluster = "prod"
# targets = ["http://10.0.0.7:9100/metrics"]
# kubernetes = { role = "pod", namespace = "shop" }
# interval = "30s"
# timeout = "10s"
# bearer_token_file = "/etc/taffrail/scrape.token"
# ca_file = "/etc/taffrail/scrape-ca.crt"

# Files that are followed as they grow or appear, also those of mounted buckets.
# [[watch]]
# pattern = "/exports/aks/**/*.json"
# source = "auto"
# cluster = "prod"
# interval = "10s"

# KQL over rows before they are stored; `source` is what arrives. By table (and source, where given), or as a stream of a data collection
# rule that declares its columns.
# [[transform]]
# table = "ContainerLogV2"
# source = "container-logs"
# query = "source | where LogLevel != 'DEBUG'"
# [[transform]]
# stream = "Custom-Orders"
# rule = "dcr-0123456789abcdef"
# columns = [{ name = "TimeGenerated", type = "datetime" }, { name = "Text", type = "string" }]
# table = "CustomLog_CL"
# query = "source | extend Message = replace_string(Text, 'secret', '***') | project TimeGenerated, Message"

# Workspaces and keys (base64) of the Data Collector API.
# [[data_collector]]
# workspace = "11111111-2222-3333-4444-555555555555"
# key = "c2VjcmV0"
# cluster = "prod"
"#;

/// Settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `data_dir`
    pub data_dir: PathBuf,
    /// `listen`
    pub listen: SocketAddr,
    /// `no_auth`
    pub no_auth: bool,
    /// `content_dir`
    pub content_dir: Option<PathBuf>,
    /// `rules`
    pub rules: Vec<PathBuf>,
    /// `[tls]`
    pub tls: Tls,
    /// `[log]`
    pub log: Log,
    /// `[ingest]`
    pub ingest: Ingest,
    /// `[lake]`
    pub lake: Lake,
    /// `[backup]`
    pub backup: Backup,
    /// `[detection]`
    pub detection: Detection,
    /// `[query]`
    pub query: Query,
    /// `[health]`
    pub health: HealthRows,
    /// `[[listeners]]`
    pub listeners: Vec<ways::Listener>,
    /// `[[scrape]]`
    pub scrape: Vec<ways::Scrape>,
    /// `[[watch]]`
    pub watch: Vec<ways::Watch>,
    /// `[[transform]]`
    pub transform: Vec<ways::Transform>,
    /// `[[data_collector]]`
    pub data_collector: Vec<ways::Workspace>,
}

/// `[health]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HealthRows {
    /// `interval`
    pub interval: Interval,
}

impl Default for HealthRows {
    fn default() -> HealthRows {
        HealthRows {
            interval: Interval(Duration::from_secs(60)),
        }
    }
}

/// `[tls]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// `cert`
    pub cert: Option<PathBuf>,
    /// `key`
    pub key: Option<PathBuf>,
}

/// `[log]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `level`
    pub level: String,
    /// `format`
    pub format: LogFormat,
}

/// Form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people
    Text,
    /// For shippers
    Json,
}

/// `[ingest]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ingest {
    /// `max_body`
    pub max_body: Size,
    /// `max_decompressed`
    pub max_decompressed: Size,
}

/// `[lake]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Lake {
    /// `flush_interval`
    pub flush_interval: Interval,
    /// `flush_size`
    pub flush_size: Size,
    /// `keep_removed`
    pub keep_removed: Interval,
    /// `column_cache`
    pub column_cache: Size,
    /// `retention_days`
    pub retention_days: u32,
    /// `chain`
    pub chain: bool,
    /// `signing_key`
    pub signing_key: Option<PathBuf>,
}

/// `[backup]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Backup {
    /// `directory`
    pub directory: Option<PathBuf>,
    /// `interval`
    pub interval: Interval,
}

impl Default for Backup {
    fn default() -> Backup {
        Backup {
            directory: None,
            interval: Interval(Duration::from_secs(24 * 3600)),
        }
    }
}

/// `[detection]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Detection {
    /// `enabled`
    pub enabled: bool,
}

impl Default for Detection {
    fn default() -> Detection {
        Detection { enabled: true }
    }
}

/// `[query]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Query {
    /// `memory`
    pub memory: Size,
    /// `max_rows`
    pub max_rows: usize,
    /// `timeout`
    pub timeout: Interval,
    /// `external_data`
    pub external_data: Vec<String>,
    /// `result_cache`
    pub result_cache: Size,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            data_dir: PathBuf::from("taffrail-data"),
            listen: SocketAddr::from(([127, 0, 0, 1], 8090)),
            no_auth: false,
            content_dir: None,
            rules: Vec::new(),
            tls: Tls::default(),
            log: Log::default(),
            ingest: Ingest::default(),
            lake: Lake::default(),
            backup: Backup::default(),
            detection: Detection::default(),
            query: Query::default(),
            health: HealthRows::default(),
            listeners: Vec::new(),
            scrape: Vec::new(),
            watch: Vec::new(),
            transform: Vec::new(),
            data_collector: Vec::new(),
        }
    }
}

impl Default for Log {
    fn default() -> Log {
        Log {
            level: "info".to_owned(),
            format: LogFormat::Text,
        }
    }
}

impl Default for Ingest {
    fn default() -> Ingest {
        Ingest {
            max_body: Size(64 << 20),
            max_decompressed: Size(512 << 20),
        }
    }
}

impl Default for Lake {
    fn default() -> Lake {
        Lake {
            flush_interval: Interval(Duration::from_secs(30)),
            flush_size: Size(32 << 20),
            keep_removed: Interval(Duration::from_secs(24 * 3600)),
            column_cache: Size(128 << 20),
            retention_days: 0,
            chain: true,
            signing_key: None,
        }
    }
}

impl Default for Query {
    fn default() -> Query {
        Query {
            memory: Size(2 << 30),
            max_rows: 500_000,
            timeout: Interval(Duration::from_secs(180)),
            external_data: Vec::new(),
            result_cache: Size(64 << 20),
        }
    }
}

/// A number of bytes: `64MiB`, `1GB`, `1024`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

impl std::str::FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Size, String> {
        let value = serde::de::value::StrDeserializer::<serde::de::value::Error>::new(text);
        Size::deserialize(value).map_err(|error| error.to_string())
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Size, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bad = || serde::de::Error::custom(format!("{text:?} is no size: write 64MiB, 1GB or a number of bytes"));
        let digits = text.trim().find(|c: char| !c.is_ascii_digit()).unwrap_or(text.trim().len());
        let (number, unit) = text.trim().split_at(digits);
        let unit: u64 = match unit.trim().to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "kib" | "k" => 1 << 10,
            "mib" | "m" => 1 << 20,
            "gib" | "g" => 1 << 30,
            "tib" | "t" => 1 << 40,
            "kb" => 1_000,
            "mb" => 1_000_000,
            "gb" => 1_000_000_000,
            "tb" => 1_000_000_000_000,
            _ => return Err(bad()),
        };
        number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(unit))
            .map(Size)
            .ok_or_else(bad)
    }
}

/// A length of time: `30s`, `3m`, `1h`, `7d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval(pub Duration);

impl<'de> Deserialize<'de> for Interval {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Interval, D::Error> {
        let text = String::deserialize(deserializer)?;
        taffrail_detect::rule::parse_duration(&text)
            .map(Interval)
            .map_err(serde::de::Error::custom)
    }
}

impl Config {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// When it cannot be read, is no TOML, or has a key that does not exist: with line and column.
    pub fn read(path: &Path) -> anyhow::Result<Config> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read the configuration file {}", path.display()))?;
        toml::from_str(&text).with_context(|| format!("the configuration file {} is not valid", path.display()))
    }

    /// The settings in force for a command line.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn for_serve(options: &ServeOptions) -> anyhow::Result<Config> {
        let mut config = match &options.config {
            Some(path) => Config::read(path)?,
            None => Config::default(),
        };
        if let Some(data_dir) = &options.data_dir {
            config.data_dir.clone_from(data_dir);
        }
        if let Some(listen) = options.listen {
            config.listen = listen;
        }
        config.no_auth |= options.no_auth;
        config.query.external_data.extend(options.allow_external_data.iter().cloned());
        if options.tls_cert.is_some() {
            config.tls.cert.clone_from(&options.tls_cert);
            config.tls.key.clone_from(&options.tls_key);
        }
        if config.tls.cert.is_some() != config.tls.key.is_some() {
            anyhow::bail!("TLS needs both a certificate and its key: set tls.cert and tls.key");
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_values_are_the_defaults() {
        let documented: Config = toml::from_str(DOCUMENTED).expect("the documented configuration is valid");
        assert_eq!(format!("{documented:?}"), format!("{:?}", Config::default()));
    }

    #[test]
    fn the_commented_keys_exist() {
        let text = DOCUMENTED
            .replace("# content_dir", "content_dir")
            .replacen("# cert", "cert", 1)
            .replacen("# key", "key", 1)
            .replace("# directory", "directory")
            .replace("# signing_key", "signing_key");
        let config: Config = toml::from_str(&text).expect("valid");
        assert!(config.content_dir.is_some() && config.tls.cert.is_some() && config.tls.key.is_some());
    }

    #[test]
    fn the_commented_ways_in_are_valid() {
        let start = DOCUMENTED.find("# [[listeners]]").expect("they are documented");
        let is_setting = |line: &&str| line.starts_with("[[") || line.split(" = ").next().is_some_and(|key| !key.contains(' '));
        let lines: Vec<&str> = DOCUMENTED
            .get(start..)
            .unwrap_or_default()
            .lines()
            .filter_map(|line| line.strip_prefix("# "))
            .filter(is_setting)
            .collect();
        let config: Config = toml::from_str(&lines.join("\n")).expect("valid");
        assert_eq!((config.listeners.len(), config.scrape.len(), config.watch.len()), (1, 1, 1));
        assert_eq!((config.transform.len(), config.data_collector.len()), (2, 1));
        assert!(config.scrape.iter().all(|scrape| scrape.options().is_ok()));
    }

    #[test]
    fn an_unknown_key_is_named() {
        let error = toml::from_str::<Config>("listne = \"127.0.0.1:1\"")
            .expect_err("no such key")
            .to_string();
        assert!(error.contains("listne"), "{error}");
        let error = toml::from_str::<Config>("[lake]\nflush_size = \"64 bananas\"")
            .expect_err("no size")
            .to_string();
        assert!(error.contains("64 bananas"), "{error}");
    }
}

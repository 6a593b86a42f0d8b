//! What `externaldata` may read: addresses and directories that whoever runs the process has allowed, nothing else.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use taffrail_engine::{ExternalSource, Reading};
use url::Url;

/// The value of the option when none is given: any address of the web over TLS.
pub const ANY_HTTPS: &str = "https://";

/// Something that may be read.
enum Allowed {
    /// Any address with this scheme
    Scheme(String),
    /// Addresses below this one
    Address(Url),
    /// Files below this directory
    Directory(PathBuf),
}

/// Reads what is allowed.
pub struct External {
    allowed: Vec<Allowed>,
    client: reqwest::Client,
}

impl External {
    /// From `https://`, `https://host/path/` and directories.
    ///
    /// # Errors
    /// When an entry is neither an address nor a directory.
    pub fn new(entries: &[String]) -> anyhow::Result<External> {
        let mut allowed = Vec::with_capacity(entries.len());
        for entry in entries {
            allowed.push(match entry.as_str() {
                "http://" | "https://" => Allowed::Scheme(entry.trim_end_matches("://").to_owned()),
                address if address.starts_with("http://") || address.starts_with("https://") => {
                    Allowed::Address(Url::parse(address).with_context(|| format!("{address} is no address"))?)
                }
                directory => {
                    let directory = Path::new(directory);
                    let real = directory
                        .canonicalize()
                        .with_context(|| format!("externaldata cannot be allowed for {}", directory.display()))?;
                    Allowed::Directory(real)
                }
            });
        }
        // A redirect could lead anywhere.
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(10))
            .build()
            .context("cannot make an HTTP client")?;
        Ok(External { allowed, client })
    }

    fn allows(&self, address: &Url) -> bool {
        self.allowed.iter().any(|allowed| match allowed {
            Allowed::Scheme(scheme) => address.scheme() == scheme,
            Allowed::Address(known) => {
                let same = address.scheme() == known.scheme()
                    && address.host() == known.host()
                    && address.port_or_known_default() == known.port_or_known_default();
                same && address.path().starts_with(known.path())
            }
            Allowed::Directory(_) => false,
        })
    }

    async fn fetch(&self, address: Url, limit: usize) -> Result<Vec<u8>, String> {
        if !self.allows(&address) {
            return Err("this address is not among those that are allowed (--allow-external-data)".to_owned());
        }
        let sent = self.client.get(address).send().await;
        let mut response = sent.map_err(|error| error.without_url().to_string())?;
        if !response.status().is_success() {
            return Err(format!("the answer is {}", response.status()));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| error.without_url().to_string())? {
            if bytes.len() + chunk.len() > limit {
                return Err(format!("it is larger than {limit} bytes"));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    async fn file(&self, path: &Path, limit: usize) -> Result<Vec<u8>, String> {
        let refused = || "this file is not below a directory that is allowed (--allow-external-data)".to_owned();
        // Where there is nothing and where nothing is allowed look the same from outside.
        let real = tokio::fs::canonicalize(path).await.map_err(|_| refused())?;
        let below = |allowed: &Allowed| matches!(allowed, Allowed::Directory(directory) if real.starts_with(directory));
        if !self.allowed.iter().any(below) {
            return Err(refused());
        }
        let size = tokio::fs::metadata(&real).await.map_err(|error| error.to_string())?.len();
        if usize::try_from(size).map_or(true, |size| size > limit) {
            return Err(format!("it is larger than {limit} bytes"));
        }
        tokio::fs::read(&real).await.map_err(|error| error.to_string())
    }
}

impl ExternalSource for External {
    fn read<'a>(&'a self, uri: &'a str, limit: usize) -> Reading<'a> {
        Box::pin(async move {
            if let Some(path) = uri.strip_prefix("file://") {
                return self.file(Path::new(path), limit).await;
            }
            match Url::parse(uri) {
                Ok(address) if matches!(address.scheme(), "http" | "https") => self.fetch(address, limit).await,
                _ if Path::new(uri).is_absolute() => self.file(Path::new(uri), limit).await,
                _ => Err("an address starts with https://, http:// or file://, or is an absolute path".to_owned()),
            }
        })
    }
}

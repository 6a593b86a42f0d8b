//! The Linux audit system: records `type=T msg=audit(SECONDS.MILLIS:SERIAL): key=value ...`, of which those of one serial belong to one
//! event and become one row of LinuxAudit (linux-audit, "Audit event fields"; auditd's log format RAW and ENRICHED).
//!
//! Records of different events may be interleaved, so some events stay open until their end record or until enough others came.

use std::borrow::Cow;

use super::sockaddr;
use crate::decode::{Sink, SourceError};
use crate::json;
use crate::lines::{self, Pairs, hex};

const TABLE: &str = "LinuxAudit";
/// Events that may be open at a time.
const OPEN_LIMIT: usize = 32;
/// Records of an event that are kept.
const RECORD_LIMIT: usize = 256;

/// A record of an event.
struct Record {
    kind: String,
    text: String,
}

struct Event {
    node: String,
    /// `SECONDS.MILLIS:SERIAL`
    id: String,
    records: Vec<Record>,
}

/// The head of a line: node, type, id and the rest.
struct Head<'a> {
    node: &'a str,
    kind: &'a str,
    id: &'a str,
    rest: &'a str,
}

fn head(line: &str) -> Option<Head<'_>> {
    // As audispd hands it to syslog, a header is in front.
    let start = line.find("type=")?;
    let mut node = "";
    if let Some(at) = line.find("node=").filter(|at| *at < start) {
        node = line.get(at + 5..start)?.trim();
    }
    let (kind, rest) = line.get(start + 5..)?.split_once(' ')?;
    let rest = rest.trim_start().strip_prefix("msg=")?.strip_prefix("audit(")?;
    let (id, rest) = rest.split_once(')')?;
    let (seconds, serial) = id.split_once(':')?;
    seconds.parse::<f64>().ok()?;
    serial.parse::<u64>().ok()?;
    Some(Head {
        node,
        kind,
        id,
        rest: rest.strip_prefix(':').unwrap_or(rest).trim_start(),
    })
}

/// Id of the event a line belongs to: where a file may be cut.
pub(crate) fn event_id(line: &[u8]) -> Option<&[u8]> {
    let start = memchr::memmem::find(line, b"msg=audit(")?;
    let rest = line.get(start..)?;
    rest.get(..memchr::memchr(b')', rest)?)
}

pub(crate) fn decode(body: &[u8], sink: &mut Sink<'_>) -> Result<(), SourceError> {
    let mut open: Vec<Event> = Vec::new();
    for line in lines::lines(body) {
        if sink.too_large(line.as_bytes()) {
            continue;
        }
        let Some(head) = head(&line) else {
            sink.unknown_line(&line, "type=TYPE msg=audit(SECONDS.MILLIS:SERIAL): key=value ...");
            continue;
        };
        let index = open.iter().position(|event| event.id == head.id && event.node == head.node);
        let index = match index {
            Some(index) => index,
            None => {
                if open.len() >= OPEN_LIMIT {
                    row(&open.remove(0), sink)?;
                }
                open.push(Event {
                    node: head.node.to_owned(),
                    id: head.id.to_owned(),
                    records: Vec::new(),
                });
                open.len() - 1
            }
        };
        if head.kind == "EOE" {
            row(&open.remove(index), sink)?;
        } else if let Some(event) = open.get_mut(index)
            && event.records.len() < RECORD_LIMIT
        {
            event.records.push(Record {
                kind: head.kind.to_owned(),
                text: line.clone().into_owned(),
            });
        }
    }
    for event in &open {
        row(event, sink)?;
    }
    Ok(())
}

/// A value as people read it: hexadecimal digits where a field that users write is unquoted are text.
fn readable<'a>(key: &str, value: &'a str, quoted: bool) -> Cow<'a, str> {
    let may_be_hex = !quoted
        && matches!(
            key,
            "argument" | "proctitle" | "comm" | "exe" | "cwd" | "name" | "key" | "acct" | "cmd" | "data" | "path"
        );
    match hex(value).filter(|_| may_be_hex) {
        // Arguments of a process title are ended by zero bytes.
        Some(bytes) => {
            let text = String::from_utf8_lossy(&bytes).replace('\0', " ");
            Cow::Owned(text.trim_end().to_owned())
        }
        None if value == "(null)" || value == "?" => Cow::Borrowed(""),
        None => Cow::Borrowed(value),
    }
}

/// What is gathered from all records of an event.
#[derive(Default)]
struct Gathered {
    /// In the order they came; the first of a name counts
    fields: Vec<(String, String)>,
    arguments: Vec<(usize, String)>,
    title: String,
    paths: Vec<String>,
    objects: Vec<String>,
    peer: Option<(&'static str, String, Option<i64>)>,
    syscall_name: String,
}

impl Gathered {
    fn record(&mut self, record: &Record) {
        let Some(head) = head(&record.text) else { return };
        // Behind a group separator stand the names that numbers have, in capitals.
        let (plain, enriched) = head.rest.split_once('\x1d').unwrap_or((head.rest, ""));
        match record.kind.as_str() {
            "EXECVE" => self.execve(plain),
            "PROCTITLE" => {
                if let Some((key, value, quoted)) = Pairs::new(plain).next() {
                    self.title = readable(key, value, quoted).into_owned();
                }
            }
            "PATH" => self.path(plain),
            "SOCKADDR" => {
                let saddr = Pairs::new(plain).find(|(key, ..)| *key == "saddr");
                self.peer = saddr.and_then(|(_, value, _)| sockaddr::parse(value));
            }
            _ => self.fields(plain),
        }
        for (key, value, _) in Pairs::new(enriched) {
            match key {
                "SYSCALL" => value.clone_into(&mut self.syscall_name),
                "AUID" => self.add("audit_user", value),
                "UID" => self.add("user", value),
                "GID" => self.add("group", value),
                "EUID" => self.add("effective_user", value),
                "EGID" => self.add("effective_group", value),
                _ => {}
            }
        }
    }

    fn add(&mut self, key: &str, value: &str) {
        if !value.is_empty() && !self.fields.iter().any(|(name, _)| name == key) {
            self.fields.push((key.to_owned(), value.to_owned()));
        }
    }

    fn fields(&mut self, text: &str) {
        for (key, value, quoted) in Pairs::new(text) {
            // Records of user programs nest theirs.
            if key == "msg" && value.contains('=') {
                self.fields(value);
            } else if !(key == "saddr" && self.peer.is_some()) {
                self.add(key, &readable(key, value, quoted));
            }
        }
    }

    fn execve(&mut self, text: &str) {
        for (key, value, quoted) in Pairs::new(text) {
            if key == "argc" {
                self.add("argc", value);
            } else if let Some(rest) = key.strip_prefix('a') {
                // Long arguments come in pieces: a1[0], a1[1].
                let (number, piece) = rest.split_once('[').unwrap_or((rest, ""));
                let Ok(number) = number.parse::<usize>() else { continue };
                let value = readable("argument", value, quoted).into_owned();
                match self.arguments.iter_mut().find(|(of, _)| *of == number) {
                    Some((_, argument)) if !piece.is_empty() => argument.push_str(&value),
                    Some(_) => {}
                    None => self.arguments.push((number, value)),
                }
            }
        }
    }

    fn path(&mut self, text: &str) {
        let mut object = String::from("{");
        for (key, value, quoted) in Pairs::new(text) {
            let value = readable(key, value, quoted);
            if key == "name" && !value.is_empty() {
                self.paths.push(value.clone().into_owned());
            }
            if object.len() > 1 {
                object.push(',');
            }
            json::push_string(&mut object, key);
            object.push(':');
            json::push_string(&mut object, &value);
        }
        object.push('}');
        self.objects.push(object);
    }

    fn field(&self, key: &str) -> &str {
        self.fields.iter().find(|(name, _)| name == key).map_or("", |(_, value)| value)
    }
}

fn row(event: &Event, sink: &mut Sink<'_>) -> Result<(), SourceError> {
    let Some(first) = event.records.first() else { return Ok(()) };
    let mut gathered = Gathered::default();
    for record in &event.records {
        gathered.record(record);
    }
    let (seconds, serial) = event.id.split_once(':').unwrap_or((&event.id, ""));
    let time = seconds
        .parse::<f64>()
        .map_or(sink.received, |seconds| (seconds * 1e6).round() as i64);
    let mut kinds: Vec<&str> = Vec::new();
    for record in &event.records {
        if !kinds.contains(&record.kind.as_str()) {
            kinds.push(&record.kind);
        }
    }
    gathered.arguments.sort_by_key(|(number, _)| *number);
    let command: Vec<&str> = gathered.arguments.iter().map(|(_, argument)| argument.as_str()).collect();
    let command = command.join(" ");
    let syscall = syscall(&gathered);
    let raw: Vec<&str> = event.records.iter().map(|record| record.text.as_str()).collect();

    let to = sink.named_row(TABLE, time)?;
    to.text("Computer", &event.node);
    to.text("node", &event.node);
    to.text("AuditID", &event.id);
    to.text("SerialNumber", serial);
    to.text("RecordType", &kinds.join(", "));
    to.text("Category", category(&first.kind, &syscall));
    to.text("syscall", &syscall);
    let command = [command.as_str(), gathered.field("cmd"), &gathered.title]
        .into_iter()
        .find(|text| !text.is_empty())
        .unwrap_or_default();
    to.text("cmd", command);
    // Of an execve, the arguments of the program rather than the registers of the system call.
    for (number, argument) in gathered.arguments.iter().filter(|(number, _)| *number < 10) {
        to.text(&format!("a{number}"), argument);
    }
    if let Some((family, address, port)) = &gathered.peer {
        to.text("family", family);
        to.text(if *family == "unix" { "path" } else { "addr" }, address);
        if let Some(port) = port {
            to.text("port", &port.to_string());
        }
    }
    to.text("path", &gathered.paths.join(";"));
    to.text("name", gathered.paths.first().map_or("", String::as_str));
    if !gathered.objects.is_empty() {
        to.json("Paths", &format!("[{}]", gathered.objects.join(",")));
    }
    for (key, value) in &gathered.fields {
        // These are what they say in the table's columns, not in records.
        if !matches!(
            key.as_str(),
            "node" | "Computer" | "AuditID" | "Category" | "Cluster" | "Paths" | "TimeGenerated" | "RawRecord"
        ) {
            to.text(key, value);
        }
    }
    let result = [gathered.field("res"), gathered.field("success")]
        .into_iter()
        .find(|text| !text.is_empty());
    to.text(
        "result",
        match result {
            Some("success" | "yes" | "1") => "success",
            Some("failed" | "no" | "0") => "failed",
            _ => "",
        },
    );
    to.text("RawRecord", &raw.join("\n"));
    to.end_row()?;
    sink.accept();
    Ok(())
}

/// Name of the system call; its number where the record has no name and it is not one of those that matter here.
fn syscall(gathered: &Gathered) -> String {
    if !gathered.syscall_name.is_empty() {
        return gathered.syscall_name.clone();
    }
    let number = gathered.field("syscall");
    let name = match (gathered.field("arch"), number) {
        ("c000003e", number) => X86_64.iter().find(|(of, _)| *of == number),
        ("c00000b7", number) => AARCH64.iter().find(|(of, _)| *of == number),
        _ => None,
    };
    name.map_or(number, |(_, name)| name).to_owned()
}

/// System calls that rules of the audit system usually watch.
const X86_64: &[(&str, &str)] = &[
    ("0", "read"),
    ("1", "write"),
    ("2", "open"),
    ("41", "socket"),
    ("42", "connect"),
    ("43", "accept"),
    ("49", "bind"),
    ("50", "listen"),
    ("56", "clone"),
    ("57", "fork"),
    ("59", "execve"),
    ("62", "kill"),
    ("76", "truncate"),
    ("82", "rename"),
    ("83", "mkdir"),
    ("84", "rmdir"),
    ("86", "link"),
    ("87", "unlink"),
    ("88", "symlink"),
    ("90", "chmod"),
    ("91", "fchmod"),
    ("92", "chown"),
    ("93", "fchown"),
    ("101", "ptrace"),
    ("105", "setuid"),
    ("106", "setgid"),
    ("155", "pivot_root"),
    ("161", "chroot"),
    ("164", "settimeofday"),
    ("165", "mount"),
    ("166", "umount2"),
    ("170", "sethostname"),
    ("175", "init_module"),
    ("176", "delete_module"),
    ("188", "setxattr"),
    ("227", "clock_settime"),
    ("257", "openat"),
    ("263", "unlinkat"),
    ("264", "renameat"),
    ("268", "fchmodat"),
    ("272", "unshare"),
    ("288", "accept4"),
    ("308", "setns"),
    ("313", "finit_module"),
    ("316", "renameat2"),
    ("319", "memfd_create"),
    ("321", "bpf"),
    ("322", "execveat"),
    ("437", "openat2"),
];
const AARCH64: &[(&str, &str)] = &[
    ("35", "unlinkat"),
    ("40", "mount"),
    ("41", "pivot_root"),
    ("51", "chroot"),
    ("53", "fchmodat"),
    ("54", "fchownat"),
    ("56", "openat"),
    ("63", "read"),
    ("64", "write"),
    ("97", "unshare"),
    ("105", "init_module"),
    ("106", "delete_module"),
    ("117", "ptrace"),
    ("129", "kill"),
    ("144", "setgid"),
    ("146", "setuid"),
    ("198", "socket"),
    ("200", "bind"),
    ("201", "listen"),
    ("202", "accept"),
    ("203", "connect"),
    ("220", "clone"),
    ("221", "execve"),
    ("242", "accept4"),
    ("268", "setns"),
    ("273", "finit_module"),
    ("276", "renameat2"),
    ("279", "memfd_create"),
    ("280", "bpf"),
    ("281", "execveat"),
    ("437", "openat2"),
];

fn category(kind: &str, syscall: &str) -> &'static str {
    match kind {
        "EXECVE" | "PROCTITLE" | "CWD" | "USER_CMD" => "Process",
        "SYSCALL" => match syscall {
            "execve" | "execveat" | "fork" | "clone" | "kill" | "ptrace" | "setuid" | "setgid" | "setns" | "unshare" | "memfd_create" => {
                "Process"
            }
            "socket" | "connect" | "accept" | "accept4" | "bind" | "listen" => "Network",
            "init_module" | "finit_module" | "delete_module" | "bpf" | "settimeofday" | "clock_settime" | "sethostname" => "Configuration",
            _ => "File",
        },
        "PATH" => "File",
        "SOCKADDR" | "NETFILTER_CFG" | "NETFILTER_PKT" => "Network",
        _ if kind.starts_with("ADD_") || kind.starts_with("DEL_") || kind.starts_with("USER_MGMT") || kind.starts_with("GRP_") => "Account",
        _ if kind.starts_with("USER_CHAUTHTOK") || kind.starts_with("ROLE_") || kind.starts_with("ACCT_") => "Account",
        _ if kind.starts_with("USER_") || kind.starts_with("CRED_") || kind == "LOGIN" => "Login",
        _ if kind.starts_with("ANOM_") || kind == "SECCOMP" || kind == "AVC" => "Anomaly",
        _ if kind.starts_with("CONFIG_") || kind.starts_with("DAEMON_") || kind.starts_with("SERVICE_") || kind.starts_with("KERN_") => {
            "Configuration"
        }
        _ if kind.starts_with("MAC_") || kind == "BPF" => "Configuration",
        _ => "Other",
    }
}

//! Logins and changes of user in the messages of sshd, sudo and su, as rows of the normalised shape (ASIM authentication schema).
//! sshd's messages are matched by their text: recent releases log from a helper of another name.

use crate::decode::{Sink, SourceError};
use crate::json;
use crate::lines::Pairs;
use crate::tables::AuthenticationRow;

/// What a message says about a login.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Login<'a> {
    pub(crate) app: &'static str,
    /// Logon, Logoff or Elevate
    pub(crate) event: &'static str,
    pub(crate) failed: bool,
    pub(crate) details: &'static str,
    pub(crate) actor: &'a str,
    pub(crate) target: &'a str,
    pub(crate) address: &'a str,
    pub(crate) port: Option<i64>,
    pub(crate) method: &'a str,
    pub(crate) command: &'a str,
    pub(crate) terminal: &'a str,
}

/// Reads a message.
pub(crate) fn parse<'a>(program: &str, text: &'a str) -> Option<Login<'a>> {
    match program {
        "sudo" => sudo(text),
        "su" => su(text),
        _ if program.starts_with("sshd") => ssh(text),
        _ => None,
    }
}

fn ssh(text: &str) -> Option<Login<'_>> {
    let base = Login {
        app: "sshd",
        event: "Logon",
        ..Login::default()
    };
    if let Some(rest) = text.strip_prefix("Accepted ") {
        let (method, rest) = rest.split_once(" for ")?;
        let (target, address, port) = user_from(rest)?;
        return Some(Login {
            target,
            address,
            port,
            method: method_name(method),
            ..base
        });
    }
    if let Some(rest) = text.strip_prefix("Failed ") {
        let (method, rest) = rest.split_once(" for ")?;
        let (unknown, rest) = match rest.strip_prefix("invalid user ") {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        let (target, address, port) = user_from(rest)?;
        let details = match method {
            _ if unknown => "No such user",
            "password" => "Incorrect password",
            "publickey" => "Incorrect key",
            _ => "Other",
        };
        return Some(Login {
            failed: true,
            details,
            target,
            address,
            port,
            method: method_name(method),
            ..base
        });
    }
    let failed = Login { failed: true, ..base };
    if let Some(rest) = text.strip_prefix("Invalid user ") {
        let (target, address, port) = user_from(rest)?;
        return Some(Login {
            details: "No such user",
            target,
            address,
            port,
            ..failed
        });
    }
    if let Some(rest) = text.strip_prefix("error: maximum authentication attempts exceeded for ") {
        let (target, address, port) = user_from(rest.strip_prefix("invalid user ").unwrap_or(rest))?;
        return Some(Login {
            details: "Logon violates policy",
            target,
            address,
            port,
            ..failed
        });
    }
    if let Some(rest) = text.strip_prefix("User ")
        && let Some((rest, _)) = rest.split_once(" not allowed because ")
    {
        let (target, address) = rest.rsplit_once(" from ")?;
        return Some(Login {
            details: "Logon violates policy",
            target,
            address,
            ..failed
        });
    }
    for (start, details) in [
        ("Connection closed by authenticating user ", "Other"),
        ("Connection closed by invalid user ", "No such user"),
        ("Disconnected from authenticating user ", "Other"),
        ("Disconnected from invalid user ", "No such user"),
        ("Disconnecting authenticating user ", "Logon violates policy"),
        ("Disconnecting invalid user ", "No such user"),
    ] {
        if let Some(rest) = text.strip_prefix(start) {
            let (before, port) = rest.rsplit_once(" port ")?;
            let (target, address) = before.rsplit_once(' ').unwrap_or(("", before));
            return Some(Login {
                details,
                target,
                address,
                port: leading_number(port),
                ..failed
            });
        }
    }
    pam(text, base)
}

/// `USER from ADDRESS port PORT ...`. A user's name is what the client sent and may hold any of these words: the last count.
fn user_from(rest: &str) -> Option<(&str, &str, Option<i64>)> {
    let (user, peer) = rest.rsplit_once(" from ")?;
    let (address, port) = peer.split_once(" port ")?;
    Some((user, address, leading_number(port)))
}

fn leading_number(text: &str) -> Option<i64> {
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    text.get(..end)?.parse().ok()
}

fn method_name(method: &str) -> &'static str {
    match method {
        "publickey" | "hostbased" => "PKI",
        "password" | "none" => "Password",
        "gssapi-with-mic" => "Kerberos",
        _ if method.starts_with("keyboard-interactive") => "Interactive",
        _ => "Other",
    }
}

/// `pam_unix(sshd:session): session closed for user U`. That one was opened, or a password was wrong, sshd and sudo say themselves,
/// too: those are not counted twice. Of su, a failure may be said here only.
fn pam<'a>(text: &'a str, base: Login<'a>) -> Option<Login<'a>> {
    let (module, rest) = text.split_once("): ")?;
    if !module.starts_with("pam_") {
        return None;
    }
    if let Some(target) = rest.strip_prefix("session closed for user ") {
        return Some(Login {
            event: "Logoff",
            target: target.split('(').next().unwrap_or_default().trim(),
            ..base
        });
    }
    let details = rest.strip_prefix("authentication failure;").filter(|_| base.app == "su")?;
    let mut login = Login {
        failed: true,
        details: "No such user or password",
        ..base
    };
    for (key, value, _) in Pairs::new(details) {
        match key {
            "rhost" => login.address = value,
            "user" => login.target = value,
            "ruser" => login.actor = value,
            "tty" => login.terminal = value,
            _ => {}
        }
    }
    Some(login)
}

/// `ana : TTY=pts/0 ; PWD=/home/ana ; USER=root ; COMMAND=/bin/sh`, with what was wrong behind the first colon.
fn sudo(text: &str) -> Option<Login<'_>> {
    let base = Login {
        app: "sudo",
        event: "Elevate",
        ..Login::default()
    };
    let Some((actor, rest)) = text.split_once(" : ").filter(|(_, rest)| rest.contains("COMMAND=")) else {
        return pam(text, base);
    };
    let mut login = Login {
        actor: actor.trim(),
        ..base
    };
    // The command is last and may hold semicolons.
    let (head, command) = rest.split_once("COMMAND=")?;
    login.command = command;
    for part in head.split(" ; ") {
        match part.trim().split_once('=') {
            Some(("USER", user)) => login.target = user,
            Some(("TTY", terminal)) => login.terminal = terminal,
            Some(_) => {}
            None if part.trim().is_empty() => {}
            None => {
                login.failed = true;
                login.details = if part.contains("incorrect password") {
                    "Incorrect password"
                } else {
                    "Logon violates policy"
                };
            }
        }
    }
    Some(login)
}

/// The forms of util-linux, shadow and BusyBox.
fn su(text: &str) -> Option<Login<'_>> {
    let base = Login {
        app: "su",
        event: "Elevate",
        ..Login::default()
    };
    let (failed, rest) = match text.strip_prefix("FAILED SU ").or_else(|| text.strip_prefix("FAILED su ")) {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let details = if failed { "No such user or password" } else { "" };
    if let Some(rest) = rest.strip_prefix("(to ") {
        let (target, rest) = rest.split_once(") ")?;
        let (actor, terminal) = rest.split_once(" on ").unwrap_or((rest, ""));
        return Some(Login {
            failed,
            details,
            target,
            actor,
            terminal,
            ..base
        });
    }
    let (failed, rest) = match rest.strip_prefix("Successful su for ") {
        Some(rest) => (false, rest),
        None => match rest.strip_prefix("for ") {
            Some(rest) => (true, rest),
            None => return pam(text, base),
        },
    };
    let (target, actor) = rest.split_once(" by ")?;
    Some(Login {
        failed,
        details: if failed { "No such user or password" } else { "" },
        target,
        actor,
        ..base
    })
}

/// Adds the row of a login.
pub(crate) fn row(login: &Login<'_>, time: i64, host: &str, text: &str, sink: &mut Sink<'_>) -> Result<(), SourceError> {
    let mut additional = String::new();
    for (name, value) in [("Command", login.command), ("Terminal", login.terminal)] {
        if !value.is_empty() {
            additional.push(if additional.is_empty() { '{' } else { ',' });
            json::push_string(&mut additional, name);
            additional.push(':');
            json::push_string(&mut additional, value);
        }
    }
    if !additional.is_empty() {
        additional.push('}');
    }
    let is_address = login.address.parse::<std::net::IpAddr>().is_ok();
    sink.authentication(&AuthenticationRow {
        time,
        vendor: if login.app == "sshd" { "OpenBSD" } else { "Linux" },
        product: if login.app == "sshd" { "OpenSSH" } else { login.app },
        schema_version: "0.1.3",
        event_type: login.event,
        result: if login.failed { "Failure" } else { "Success" },
        result_details: login.details,
        severity: if login.failed { "Low" } else { "Informational" },
        message: text,
        host,
        method: login.method,
        protocol: if login.app == "sshd" { "SSH" } else { "" },
        actor: login.actor,
        target: login.target,
        target_type: if login.target == "root" { "Admin" } else { "" },
        target_host: host,
        app: login.app,
        address: if is_address { login.address } else { "" },
        port: login.port,
        source_host: if is_address { "" } else { login.address },
        additional: Some(additional.as_str()).filter(|additional| !additional.is_empty()),
        ..AuthenticationRow::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_name_cannot_forge_the_address() {
        let login = parse(
            "sshd",
            "Failed password for invalid user x from 10.0.0.1 port 1 from 198.51.100.4 port 50122 ssh2",
        )
        .unwrap();
        assert_eq!(
            (login.target, login.address, login.port),
            ("x from 10.0.0.1 port 1", "198.51.100.4", Some(50122))
        );
    }
}

//! Management commands that make, change and drop tables and say how long their rows are kept
//! (<https://learn.microsoft.com/kusto/management/create-table-command> and its neighbours). They need the role Administrator.

use std::iter::Peekable;
use std::str::CharIndices;

use serde_json::{Value, json};
use taffrail_kql::Type;
use taffrail_state::users::Role;

use super::kusto::DATABASE;
use super::kusto_answer::table_v1;
use crate::api::schema::tables;
use crate::app::Context;
use crate::auth::Principal;
use crate::ports::TableChange;

const TEXT: Type = Type::String;

/// A word, a quoted text, or a sign.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    Sign(char),
}

fn quoted(chars: &mut Peekable<CharIndices<'_>>, quote: char, verbatim: bool) -> Result<String, String> {
    let mut text = String::new();
    while let Some((_, c)) = chars.next() {
        match c {
            c if c == quote => {
                // In a verbatim text the quote itself is written twice.
                if verbatim && chars.next_if(|(_, next)| *next == quote).is_some() {
                    text.push(quote);
                    continue;
                }
                return Ok(text);
            }
            '\\' if !verbatim => match chars.next() {
                Some((_, 'n')) => text.push('\n'),
                Some((_, 't')) => text.push('\t'),
                Some((_, other)) => text.push(other),
                None => break,
            },
            c => text.push(c),
        }
    }
    Err("a text that begins with a quote does not end".to_owned())
}

fn tokens(command: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut chars = command.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            c if c.is_whitespace() => {}
            '"' | '\'' => tokens.push(Token::Text(quoted(&mut chars, c, false)?)),
            '@' => match chars.next() {
                Some((_, quote @ ('"' | '\''))) => tokens.push(Token::Text(quoted(&mut chars, quote, true)?)),
                _ => return Err("behind @ a quoted text is expected".to_owned()),
            },
            '[' => {
                let Some((_, quote @ ('"' | '\''))) = chars.next() else {
                    return Err("behind [ a quoted name is expected".to_owned());
                };
                tokens.push(Token::Word(quoted(&mut chars, quote, false)?));
                if chars.next().is_none_or(|(_, close)| close != ']') {
                    return Err("a name that begins with [ ends with ]".to_owned());
                }
            }
            c if c.is_alphanumeric() || matches!(c, '_' | '.' | '-') => {
                let mut end = at + c.len_utf8();
                while let Some((next, c)) = chars.next_if(|(_, c)| c.is_alphanumeric() || matches!(c, '_' | '-' | '.')) {
                    end = next + c.len_utf8();
                }
                tokens.push(Token::Word(command.get(at..end).unwrap_or_default().to_owned()));
            }
            c => tokens.push(Token::Sign(c)),
        }
    }
    Ok(tokens)
}

/// A command that this module knows.
#[derive(Debug, PartialEq)]
enum Command {
    Change {
        change: TableChange,
        table: String,
        columns: Vec<(String, Type)>,
        about: Option<String>,
        folder: Option<String>,
    },
    Drop {
        table: String,
        if_exists: bool,
    },
    Details(Option<String>),
    ShowRetention(String),
    SetRetention {
        table: String,
        days: Option<u32>,
    },
}

/// What is left to read.
struct Rest<'a>(&'a [Token]);

impl Rest<'_> {
    fn next(&mut self) -> Option<Token> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first.clone())
    }

    fn word(&mut self, what: &str) -> Result<String, String> {
        match self.next() {
            Some(Token::Word(word) | Token::Text(word)) => Ok(word),
            other => Err(format!("{what} is expected, not {}", shown(other.as_ref()))),
        }
    }

    fn sign(&mut self, sign: char) -> Result<(), String> {
        match self.next() {
            Some(Token::Sign(found)) if found == sign => Ok(()),
            other => Err(format!("{sign} is expected, not {}", shown(other.as_ref()))),
        }
    }

    fn takes(&mut self, keyword: &str) -> bool {
        let is = matches!(self.0.first(), Some(Token::Word(word)) if word.eq_ignore_ascii_case(keyword));
        if is {
            self.next();
        }
        is
    }

    fn end(&self) -> Result<(), String> {
        match self.0.first() {
            None => Ok(()),
            token => Err(format!("the command goes on with {}, which is not understood", shown(token))),
        }
    }

    /// `(Name:type, …)`
    fn columns(&mut self) -> Result<Vec<(String, Type)>, String> {
        self.sign('(')?;
        let mut columns = Vec::new();
        if self.0.first() == Some(&Token::Sign(')')) {
            self.next();
            return Ok(columns);
        }
        loop {
            let name = self.word("the name of a column")?;
            self.sign(':')?;
            let ty = self.word("the type of a column")?;
            let parsed = Type::parse(&ty).ok_or_else(|| {
                format!(
                    "{ty} is no type; column {name} needs one of bool, int, long, real, decimal, string, datetime, timespan, guid, dynamic"
                )
            })?;
            columns.push((name, parsed));
            match self.next() {
                Some(Token::Sign(',')) => {}
                Some(Token::Sign(')')) => return Ok(columns),
                other => return Err(format!(", or ) is expected, not {}", shown(other.as_ref()))),
            }
        }
    }

    /// `with (docstring = "…", folder = "…")`
    fn properties(&mut self) -> Result<(Option<String>, Option<String>), String> {
        let (mut about, mut folder) = (None, None);
        if !self.takes("with") {
            return Ok((about, folder));
        }
        self.sign('(')?;
        loop {
            let name = self.word("the name of a property")?;
            self.sign('=')?;
            let value = self.word("the value of a property")?;
            match name.to_ascii_lowercase().as_str() {
                "docstring" => about = Some(value),
                "folder" => folder = Some(value),
                _ => return Err(format!("there is no property {name}; docstring and folder are known")),
            }
            match self.next() {
                Some(Token::Sign(',')) => {}
                Some(Token::Sign(')')) => return Ok((about, folder)),
                other => return Err(format!(", or ) is expected, not {}", shown(other.as_ref()))),
            }
        }
    }
}

fn shown(token: Option<&Token>) -> String {
    match token {
        Some(Token::Word(text)) => text.clone(),
        Some(Token::Text(text)) => format!("{text:?}"),
        Some(Token::Sign(sign)) => sign.to_string(),
        None => "the end".to_owned(),
    }
}

/// Days of a length of time: `10d`, `240h`, `10.00:00:00`.
fn days(text: &str) -> Result<u32, String> {
    let bad = || format!("{text:?} is no time in days; write 30d or 30.00:00:00");
    let lower = text.trim().to_ascii_lowercase();
    if let Some(number) = lower.strip_suffix('d') {
        return number.parse().map_err(|_| bad());
    }
    if let Some(number) = lower.strip_suffix('h') {
        return number.parse::<u32>().map(|hours| hours.div_ceil(24)).map_err(|_| bad());
    }
    let whole = lower.split_once('.').map_or(lower.as_str(), |(days, _)| days);
    let clock = lower.split_once('.').map_or("", |(_, clock)| clock);
    if !clock.is_empty() && !clock.chars().all(|c| c.is_ascii_digit() || matches!(c, ':' | '.')) {
        return Err(bad());
    }
    whole.parse().map_err(|_| bad())
}

/// The command, if it is one of ours.
fn parse(command: &str) -> Result<Option<Command>, String> {
    let command = command.trim().trim_end_matches(';');
    let first = command.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
    let ours = [".create", ".create-merge", ".alter", ".alter-merge", ".drop", ".delete"].contains(&first.as_str())
        || (first == ".show" && (command.contains("details") || command.contains("policy")));
    if !ours {
        return Ok(None);
    }
    let all = tokens(command)?;
    let mut rest = Rest(&all);
    rest.next();
    let change = match first.as_str() {
        ".create" => Some(TableChange::Create),
        ".create-merge" => Some(TableChange::CreateMerge),
        ".alter" => Some(TableChange::Alter),
        ".alter-merge" => Some(TableChange::AlterMerge),
        _ => None,
    };
    if first == ".show" && rest.takes("tables") {
        return if rest.takes("details") && rest.end().is_ok() {
            Ok(Some(Command::Details(None)))
        } else {
            Ok(None)
        };
    }
    if !rest.takes("table") {
        return if first == ".show" {
            Ok(None)
        } else {
            Err(format!("{first} is supported for: table"))
        };
    }
    let table = rest.word("the name of a table")?;
    if rest.takes("policy") {
        if !rest.takes("retention") {
            return Err("of policies, retention is supported".to_owned());
        }
        return policy(&first, table, rest).map(Some);
    }
    let command = match (first.as_str(), change) {
        (_, Some(change)) => {
            let columns = rest.columns()?;
            let (about, folder) = rest.properties()?;
            Command::Change {
                change,
                table,
                columns,
                about,
                folder,
            }
        }
        (".drop", _) => Command::Drop {
            table,
            if_exists: rest.takes("ifexists"),
        },
        (".show", _) if rest.takes("details") => Command::Details(Some(table)),
        _ => return Ok(None),
    };
    rest.end()?;
    Ok(Some(command))
}

fn policy(first: &str, table: String, mut rest: Rest<'_>) -> Result<Command, String> {
    let command = match first {
        ".show" => Command::ShowRetention(table),
        ".delete" => Command::SetRetention { table, days: None },
        ".alter" => {
            let text = rest.word("the policy as JSON")?;
            let policy: Value = serde_json::from_str(&text).map_err(|error| format!("the policy is no JSON: {error}"))?;
            let period = policy.get("SoftDeletePeriod").and_then(Value::as_str);
            let period = period.ok_or("the policy needs SoftDeletePeriod, such as \"365.00:00:00\"")?;
            Command::SetRetention {
                table,
                days: Some(days(period)?),
            }
        }
        ".alter-merge" => {
            let mut found = None;
            while !rest.0.is_empty() {
                let name = rest.word("softdelete or recoverability")?;
                rest.sign('=')?;
                let value = rest.word("a value")?;
                match name.to_ascii_lowercase().as_str() {
                    "softdelete" => found = Some(days(&value)?),
                    "recoverability" => {}
                    _ => return Err(format!("there is no property {name} of retention")),
                }
            }
            Command::SetRetention {
                table,
                days: Some(found.ok_or("softdelete = … is expected")?),
            }
        }
        _ => return Err(format!("{first} is not supported for policies")),
    };
    rest.end()?;
    Ok(command)
}

/// Runs a command if it is one of this module's; gives its table.
pub(crate) async fn run(context: &Context, principal: &Principal, command: &str) -> Option<Result<Value, String>> {
    let command = match parse(command) {
        Ok(command) => command?,
        Err(message) => return Some(Err(message)),
    };
    let reads = matches!(command, Command::Details(_) | Command::ShowRetention(_));
    if !reads && principal.role < Role::Administrator {
        return Some(Err(format!(
            "this command needs the role Administrator; {} has the role {}",
            principal.name, principal.role
        )));
    }
    Some(execute(context, command).await)
}

async fn execute(context: &Context, command: Command) -> Result<Value, String> {
    let storage = &context.app.storage;
    match command {
        Command::Change {
            change,
            table,
            columns,
            about,
            folder,
        } => {
            storage.change_table(&table, columns, change, about, folder).await?;
            super::kusto_commands::one(context, &table, true)
        }
        Command::Drop { table, if_exists } => {
            let exists = tables(context).iter().any(|known| known.name == table);
            if exists || !if_exists {
                storage.drop_table(&table).await?;
            }
            Ok(super::kusto_commands::list(context))
        }
        Command::Details(only) => details(context, only.as_deref()).await,
        Command::ShowRetention(table) => retention(context, &table).await,
        Command::SetRetention { table, days } => {
            storage.set_retention(&table, days).await?;
            retention(context, &table).await
        }
    }
}

fn policy_json(days: Option<u32>) -> String {
    // Kusto's own default is a hundred years.
    let days = days.unwrap_or(36_500);
    json!({"SoftDeletePeriod": format!("{days}.00:00:00"), "Recoverability": "Disabled"}).to_string()
}

async fn retention(context: &Context, table: &str) -> Result<Value, String> {
    let days = context.app.storage.retention(table).await?;
    let columns = [
        ("PolicyName", TEXT),
        ("EntityName", TEXT),
        ("Policy", TEXT),
        ("ChildEntities", TEXT),
        ("EntityType", TEXT),
    ];
    let row = json!(["RetentionPolicy", format!("[{DATABASE}].[{table}]"), policy_json(days), "", "Table"]);
    Ok(table_v1("Table_0", &columns, vec![row]))
}

async fn details(context: &Context, only: Option<&str>) -> Result<Value, String> {
    let columns = [
        ("TableName", TEXT),
        ("DatabaseName", TEXT),
        ("Folder", TEXT),
        ("DocString", TEXT),
        ("TotalExtents", Type::Long),
        ("TotalExtentSize", Type::Real),
        ("TotalRowCount", Type::Long),
        ("HotExtents", Type::Long),
        ("HotRowCount", Type::Long),
        ("RetentionPolicy", TEXT),
    ];
    let storage = &context.app.storage;
    let described = tables(context);
    let mut rows = Vec::new();
    for table in storage.statistics().await? {
        if only.is_some_and(|only| only != table.name) {
            continue;
        }
        let known = described.iter().find(|known| known.name == table.name);
        let kept = storage.retention(&table.name).await.unwrap_or_default();
        rows.push(json!([
            table.name,
            DATABASE,
            known.map_or("", |known| known.group.as_str()),
            known.map_or("", |known| known.about.as_str()),
            table.files,
            table.bytes as f64,
            table.rows,
            0,
            table.hot_rows,
            policy_json(kept)
        ]));
    }
    match only {
        Some(only) if rows.is_empty() => Err(format!("there is no table {only}; .show tables lists them")),
        _ => Ok(table_v1("Table_0", &columns, rows)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(command: &str) -> Command {
        parse(command).unwrap().unwrap()
    }

    #[test]
    fn commands_are_read_as_kusto_writes_them() {
        assert_eq!(
            parsed(
                ".create-merge table ['My_CL'] (Name:string, ['At']: datetime,\n N:long) with (docstring = \"what it is\", folder='own');"
            ),
            Command::Change {
                change: TableChange::CreateMerge,
                table: "My_CL".to_owned(),
                columns: vec![
                    ("Name".to_owned(), Type::String),
                    ("At".to_owned(), Type::DateTime),
                    ("N".to_owned(), Type::Long)
                ],
                about: Some("what it is".to_owned()),
                folder: Some("own".to_owned()),
            }
        );
        let drop = |if_exists| Command::Drop {
            table: "T".to_owned(),
            if_exists,
        };
        assert_eq!(
            (parsed(".drop table T"), parsed(".drop table T ifexists")),
            (drop(false), drop(true))
        );
        let kept = |days| Command::SetRetention {
            table: "T".to_owned(),
            days,
        };
        let json = r#".alter table T policy retention @'{"SoftDeletePeriod": "365.00:00:00", "Recoverability":"Enabled"}'"#;
        assert_eq!(parsed(json), kept(Some(365)));
        assert_eq!(
            parsed(".alter-merge table T policy retention softdelete = 10d recoverability = disabled"),
            kept(Some(10))
        );
        assert_eq!(parsed(".delete table T policy retention"), kept(None));
        assert_eq!(parsed(".show table T policy retention"), Command::ShowRetention("T".to_owned()));
        assert_eq!(
            (parsed(".show tables details"), parsed(".show table T details")),
            (Command::Details(None), Command::Details(Some("T".to_owned())))
        );
        for other in [
            ".show tables",
            ".show table T cslschema",
            ".show database schema as json",
            "T | count",
        ] {
            assert_eq!(parse(other), Ok(None), "{other}");
        }
        for wrong in [
            ".create table T (a:text)",
            ".create table T (a string)",
            ".create table T",
            ".create function f() {1}",
            ".drop table T and more",
            ".alter table T policy caching hot = 1d",
            ".alter-merge table T policy retention softdelete = soon",
            ".create table 'T (a:string)",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}

//! `docs/kql.md`: every name of the language and whether it is here, made from the reference's names and the catalogue.

use std::fmt::Write;

use taffrail_engine::functions::catalog;
use taffrail_kql::catalog::{Entity, Function, FunctionKind, Schema};
use taffrail_kql::{Code, Environment, compile, reference};

/// The table that the examples are tried on.
struct Example;

impl Schema for Example {
    fn entity(&self, name: &str) -> Option<Entity> {
        (name == "T").then(|| Entity::Table {
            columns: reference::EXAMPLE_TABLE
                .iter()
                .map(|(name, ty)| ((*name).to_owned(), *ty))
                .collect(),
        })
    }

    fn names(&self) -> Vec<String> {
        vec!["T".to_owned()]
    }
}

/// Counted for the first lines of the page.
#[derive(Default)]
struct Count {
    here: usize,
    all: usize,
}

/// The page.
pub fn page() -> String {
    let mut body = String::new();
    let mut count = Count::default();
    examples(&mut body, &mut count, "Tabular operators", reference::OPERATORS);
    examples(&mut body, &mut count, "Statements", reference::STATEMENTS);
    functions(
        &mut body,
        &mut count,
        "Scalar functions",
        reference::SCALAR_FUNCTIONS,
        FunctionKind::Scalar,
    );
    functions(
        &mut body,
        &mut count,
        "Window functions",
        reference::WINDOW_FUNCTIONS,
        FunctionKind::Window,
    );
    functions(&mut body, &mut count, "Aggregates", reference::AGGREGATES, FunctionKind::Aggregate);
    functions(&mut body, &mut count, "Plugins", reference::PLUGINS, FunctionKind::Plugin);
    plain(&mut body, &mut count, "Functions of graphs", reference::GRAPH_FUNCTIONS);
    plain(&mut body, &mut count, "References", reference::REFERENCES);
    format!(
        "# The language, name by name\n\n\
         Made by `taffrail kql docs`; a test compares. {} of {} names are here, and each of the others has its reason.\n\
         Where a result differs from Kusto's, [kql-differences.md](kql-differences.md) says how and why.\n{body}",
        count.here, count.all
    )
}

fn heading(out: &mut String, title: &str) {
    let _ = write!(out, "\n## {title}\n\n| name | here | what it does |\n|---|---|---|\n");
}

fn row(out: &mut String, count: &mut Count, name: &str, here: bool, text: &str) {
    count.all += 1;
    count.here += usize::from(here);
    let text = text.replace('|', "\\|");
    let _ = writeln!(out, "| `{name}` | {} | {text} |", if here { "yes" } else { "no" });
}

/// Why a name is not here.
fn why(name: &str) -> String {
    let reason = reference::ABSENT.iter().find(|(absent, _)| *absent == name);
    reason.map_or_else(|| "not yet".to_owned(), |(_, reason)| (*reason).to_owned())
}

fn examples(out: &mut String, count: &mut Count, title: &str, names: &[(&str, &str)]) {
    heading(out, title);
    for (name, example) in names {
        let here = !example.is_empty() && runs(example);
        let text = if here { format!("`{example}`") } else { why(name) };
        row(out, count, name, here, &text);
    }
}

/// Whether the binder takes an example, or refuses it for another reason than that it is not here.
fn runs(example: &str) -> bool {
    let environment = Environment {
        catalog: catalog(),
        schema: &Example,
        now: super::check::NOW,
        parameters: &[],
    };
    match compile(example, &environment) {
        Ok(_) => true,
        Err(problems) => !problems
            .iter()
            .any(|problem| matches!(problem.code, Code::NotSupported | Code::Syntax)),
    }
}

fn functions(out: &mut String, count: &mut Count, title: &str, names: &[&str], kind: FunctionKind) {
    heading(out, title);
    let mut all: Vec<&str> = names.to_vec();
    // What is here and not in the list: aliases and additions.
    for function in catalog().functions() {
        if function.kind == kind && !all.contains(&function.name) {
            all.push(function.name);
        }
    }
    all.sort_unstable();
    for name in all {
        if let Some(function) = catalog().function(kind, name) {
            row(out, count, name, true, &described(function, name));
        } else if let Some((_, usage)) = taffrail_kql::forms().iter().find(|(form, _)| *form == name) {
            row(out, count, name, true, &format!("`{usage}`"));
        } else if let Some(text) = written(name) {
            row(out, count, name, true, text);
        } else if let Some(other) = elsewhere(name) {
            row(out, count, name, true, &described(other, name));
        } else {
            row(out, count, name, false, &why(name));
        }
    }
}

/// What the language has without a function: old spellings of forms, and what stands only in certain places.
fn written(name: &str) -> Option<&'static str> {
    Some(match name {
        "columnifexists" => "another name of `column_ifexists`",
        "column_names_of" => "`column_names_of(table)` The names of a table's columns, in `project-by-names`.",
        "typeof" => "`typeof(type)` A type, as an argument.",
        _ => return None,
    })
}

/// A function of another kind, for names that the reference lists in one place and the catalogue in another.
fn elsewhere(name: &str) -> Option<&'static Function> {
    let kinds = [FunctionKind::Scalar, FunctionKind::Window, FunctionKind::Aggregate];
    kinds.into_iter().find_map(|kind| catalog().function(kind, name))
}

fn described(function: &Function, name: &str) -> String {
    if function.name == name {
        format!("`{}` {}", function.usage, function.summary)
    } else {
        format!("another name of `{}`", function.name)
    }
}

fn plain(out: &mut String, count: &mut Count, title: &str, names: &[&str]) {
    heading(out, title);
    for name in names {
        let here = match *name {
            "database" | "table" => true,
            _ => catalog().function(FunctionKind::Scalar, name).is_some(),
        };
        let text = match *name {
            "database" => "this database, whatever its name".to_owned(),
            "table" => "a table by its name as a text".to_owned(),
            _ if here => String::new(),
            _ => why(name),
        };
        row(out, count, name, here, &text);
    }
}

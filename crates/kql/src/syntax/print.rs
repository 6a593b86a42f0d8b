//! Tree → text in one canonical layout: an operator a line, pipes in front, short inner queries on one line.
//!
//! What is printed parses to the same tree. Comments are not in the tree and are lost.

use super::ast::{Argument, BinaryOp, Expr, ExprKind, ListOp, Name, Parameter, ParameterType, Pattern, Query, Statement, StatementKind};
use super::json::quote_into;
use super::literal::{DAY, SECOND, format_datetime};
use super::print_operator::{operator, property_list};
use super::token::{continues_name, is_reserved_in_expression, starts_name};
use crate::types::{Type, Value};

/// Inner queries up to this length stay on one line.
const SHORT: usize = 70;

/// Prints a query.
pub fn print(query: &Query) -> String {
    let mut out = statements(query, 0);
    out.push('\n');
    out
}

/// Prints an expression.
pub fn print_expression(value: &Expr) -> String {
    expr(value, 0)
}

pub(super) fn pad(indent: usize) -> String {
    "    ".repeat(indent)
}

fn statements(query: &Query, indent: usize) -> String {
    let separator = format!(";\n{}", pad(indent));
    query
        .statements
        .iter()
        .map(|s| statement(s, indent))
        .collect::<Vec<_>>()
        .join(&separator)
}

fn statement(statement: &Statement, indent: usize) -> String {
    match &statement.kind {
        StatementKind::Let { name, value } => format!("let {} = {}", quoted(&name.text), pipe(value, indent)),
        StatementKind::LetFunction {
            name,
            view,
            parameters,
            body,
        } => {
            let view = if *view { "view " } else { "" };
            format!(
                "let {} = {view}{} {{{}}}",
                quoted(&name.text),
                parameter_list(parameters),
                body_text(body, indent)
            )
        }
        StatementKind::Set { name, value: None } => format!("set {}", quoted(&name.text)),
        StatementKind::Set { name, value: Some(value) } => format!("set {} = {}", quoted(&name.text), expr(value, indent)),
        StatementKind::DeclareParameters(parameters) => format!("declare query_parameters{}", parameter_list(parameters)),
        StatementKind::DeclarePattern(pattern) => declared_pattern(pattern, indent),
        StatementKind::AliasDatabase { name, target } => format!("alias database {} = {}", quoted(&name.text), expr(target, indent)),
        StatementKind::RestrictAccess { entities } => format!("restrict access to ({})", joined(entities, |e| expr(e, indent))),
        StatementKind::Expression(value) => pipe(value, indent),
    }
}

/// What stands between the braces of a function.
fn body_text(body: &Query, indent: usize) -> String {
    let inner = statements(body, indent + 1);
    if inner.contains('\n') || inner.len() > SHORT {
        format!("\n{}{inner}\n{}", pad(indent + 1), pad(indent))
    } else if inner.is_empty() {
        String::new()
    } else {
        format!(" {inner} ")
    }
}

fn declared_pattern(pattern: &Pattern, indent: usize) -> String {
    if pattern.arguments.is_empty() {
        return format!("declare pattern {}", quoted(&pattern.name.text));
    }
    let column = |(name, ty): &(Name, Type)| format!("{}: {ty}", quoted(&name.text));
    let path = pattern.path.as_ref().map(|path| format!("[{}]", column(path))).unwrap_or_default();
    let cases: String = pattern
        .cases
        .iter()
        .map(|case| {
            let path = case.path.as_ref().map(|p| format!(".[{}]", expr(p, indent))).unwrap_or_default();
            format!(
                "\n{}({}){path} = {{{}}};",
                pad(indent + 1),
                joined(&case.values, |v| expr(v, indent)),
                body_text(&case.body, indent + 1)
            )
        })
        .collect();
    if pattern.cases.is_empty() {
        return format!(
            "declare pattern {} = ({}){path}",
            quoted(&pattern.name.text),
            joined(&pattern.arguments, column)
        );
    }
    format!(
        "declare pattern {} = ({}){path} {{{cases}\n{}}}",
        quoted(&pattern.name.text),
        joined(&pattern.arguments, column),
        pad(indent)
    )
}

fn parameter_list(parameters: &[Parameter]) -> String {
    let one = |p: &Parameter| {
        let ty = match &p.ty {
            ParameterType::Scalar(ty) => ty.to_string(),
            ParameterType::Table { open: true, columns } => {
                let named: String = columns.iter().map(|(name, ty)| format!("{}: {ty}, ", quoted(&name.text))).collect();
                format!("({named}*)")
            }
            ParameterType::Table { columns, .. } => column_list(columns),
        };
        let default = p.default.as_ref().map(|d| format!(" = {}", expr(d, 0))).unwrap_or_default();
        format!("{}: {ty}{default}", quoted(&p.name.text))
    };
    format!("({})", joined(parameters, one))
}

pub(super) fn joined<T>(items: &[T], print: impl Fn(&T) -> String) -> String {
    items.iter().map(print).collect::<Vec<_>>().join(", ")
}

pub(super) fn column_list(columns: &[(Name, Type)]) -> String {
    format!("({})", joined(columns, |(name, ty)| format!("{}: {ty}", quoted(&name.text))))
}

/// A name, in `['...']` where it must be.
pub(super) fn quoted(name: &str) -> String {
    let plain = name.starts_with(starts_name) && name.chars().skip(1).all(continues_name);
    let constant = matches!(name, "true" | "false" | "True" | "False" | "TRUE" | "FALSE" | "null" | "not");
    if plain && !constant && !is_reserved_in_expression(name) {
        name.to_string()
    } else {
        format!("[{}]", string(name))
    }
}

/// A name where wildcards may stand.
pub(super) fn pattern(name: &Name) -> String {
    let wild = name.text.contains('*') && name.text.chars().all(|c| c == '*' || continues_name(c) || c == '-');
    if wild { name.text.clone() } else { quoted(&name.text) }
}

/// A string literal; with backslashes (patterns, paths) a verbatim one.
pub fn string(value: &str) -> String {
    if value.contains('\\') && !value.contains(char::is_control) {
        return format!("@\"{}\"", value.replace('"', "\"\""));
    }
    let mut out = String::new();
    quote_into(&mut out, value);
    out
}

fn literal(value: &Value) -> String {
    match value {
        Value::Null(ty) => format!("{ty}(null)"),
        Value::Bool(v) => v.to_string(),
        Value::Int(v) => format!("int({v})"),
        Value::Long(v) => v.to_string(),
        Value::Real(v) if v.is_nan() => "real(nan)".to_string(),
        Value::Real(v) if v.is_infinite() => (if *v > 0.0 { "real(+inf)" } else { "real(-inf)" }).to_string(),
        Value::Real(v) => format!("{v:?}"),
        Value::Decimal(v) => format!("decimal({v})"),
        Value::String(v) => string(v),
        Value::DateTime(v) => datetime(*v),
        Value::TimeSpan(v) => timespan(*v),
        Value::Guid(v) => format!("guid({v})"),
        Value::Dynamic(v) => format!("dynamic({v})"),
    }
}

fn datetime(ticks: i64) -> String {
    let text = format_datetime(ticks);
    let short = if ticks % DAY == 0 { text.get(..10) } else { None };
    format!("datetime({})", short.unwrap_or(&text).replace(".0000000Z", "Z"))
}

fn timespan(ticks: i64) -> String {
    let units = [
        (DAY, "d"),
        (3600 * SECOND, "h"),
        (60 * SECOND, "m"),
        (SECOND, "s"),
        (SECOND / 1000, "ms"),
        (SECOND / 1_000_000, "microseconds"),
    ];
    if ticks == 0 {
        return "0s".to_string();
    }
    let (size, unit) = units.iter().find(|(size, _)| ticks % size == 0).copied().unwrap_or((1, "ticks"));
    format!("{}{unit}", ticks / size)
}

fn symbol(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Or => "or",
        BinaryOp::And => "and",
        BinaryOp::Equal => "==",
        BinaryOp::NotEqual => "!=",
        BinaryOp::Less => "<",
        BinaryOp::LessEqual => "<=",
        BinaryOp::Greater => ">",
        BinaryOp::GreaterEqual => ">=",
        BinaryOp::EqualTilde => "=~",
        BinaryOp::NotEqualTilde => "!~",
        BinaryOp::Add => "+",
        BinaryOp::Subtract => "-",
        BinaryOp::Multiply => "*",
        BinaryOp::Divide => "/",
        BinaryOp::Modulo => "%",
        BinaryOp::Has => "has",
        BinaryOp::NotHas => "!has",
        BinaryOp::HasCs => "has_cs",
        BinaryOp::NotHasCs => "!has_cs",
        BinaryOp::HasPrefix => "hasprefix",
        BinaryOp::NotHasPrefix => "!hasprefix",
        BinaryOp::HasPrefixCs => "hasprefix_cs",
        BinaryOp::NotHasPrefixCs => "!hasprefix_cs",
        BinaryOp::HasSuffix => "hassuffix",
        BinaryOp::NotHasSuffix => "!hassuffix",
        BinaryOp::HasSuffixCs => "hassuffix_cs",
        BinaryOp::NotHasSuffixCs => "!hassuffix_cs",
        BinaryOp::Contains => "contains",
        BinaryOp::NotContains => "!contains",
        BinaryOp::ContainsCs => "contains_cs",
        BinaryOp::NotContainsCs => "!contains_cs",
        BinaryOp::StartsWith => "startswith",
        BinaryOp::NotStartsWith => "!startswith",
        BinaryOp::StartsWithCs => "startswith_cs",
        BinaryOp::NotStartsWithCs => "!startswith_cs",
        BinaryOp::EndsWith => "endswith",
        BinaryOp::NotEndsWith => "!endswith",
        BinaryOp::EndsWithCs => "endswith_cs",
        BinaryOp::NotEndsWithCs => "!endswith_cs",
        BinaryOp::MatchesRegex => "matches regex",
        BinaryOp::Colon => ":",
    }
}

fn list_word(op: ListOp) -> &'static str {
    match op {
        ListOp::In => "in",
        ListOp::NotIn => "!in",
        ListOp::InTilde => "in~",
        ListOp::NotInTilde => "!in~",
        ListOp::HasAny => "has_any",
        ListOp::HasAll => "has_all",
    }
}

/// How tightly an expression holds together; a looser one inside a tighter one needs parentheses.
fn precedence(e: &Expr) -> u8 {
    match &e.kind {
        ExprKind::Pipe { .. } | ExprKind::Source(_) | ExprKind::NameTuple(_) => 0,
        ExprKind::Binary { op, .. } => op_precedence(*op),
        ExprKind::Between { .. } | ExprKind::List { .. } => 3,
        ExprKind::Negate(_) | ExprKind::Plus(_) => 8,
        ExprKind::Literal(Value::Long(v)) if *v < 0 => 8,
        ExprKind::Literal(Value::TimeSpan(v)) if *v < 0 => 8,
        ExprKind::Literal(Value::Real(v)) if v.is_sign_negative() => 8,
        _ => 10,
    }
}

fn op_precedence(op: BinaryOp) -> u8 {
    match op {
        BinaryOp::Or => 1,
        BinaryOp::And => 2,
        BinaryOp::Equal | BinaryOp::NotEqual => 3,
        BinaryOp::Less | BinaryOp::LessEqual | BinaryOp::Greater | BinaryOp::GreaterEqual => 4,
        BinaryOp::Add | BinaryOp::Subtract => 5,
        BinaryOp::Multiply | BinaryOp::Divide | BinaryOp::Modulo => 6,
        _ => 7,
    }
}

/// In parentheses when looser than `lowest`.
pub(super) fn operand(e: &Expr, lowest: u8, indent: usize) -> String {
    if precedence(e) < lowest {
        format!("({})", inner(e, indent))
    } else {
        expr(e, indent)
    }
}

/// `a or b or c` of any tree shape: the operands from the left.
fn chain<'a>(op: BinaryOp, e: &'a Expr, operands: &mut Vec<&'a Expr>) {
    match &e.kind {
        ExprKind::Binary { op: inner, left, right } if *inner == op => {
            chain(op, left, operands);
            chain(op, right, operands);
        }
        _ => operands.push(e),
    }
}

/// What stands between brackets: a query on one line when short, else indented.
pub(super) fn inner(e: &Expr, indent: usize) -> String {
    let ExprKind::Pipe { source, operators } = &e.kind else {
        return expr(e, indent);
    };
    let flat = source
        .iter()
        .map(|s| source_text(s, indent))
        .chain(operators.iter().map(|o| operator(o, indent)))
        .collect::<Vec<_>>();
    let line = flat.join(" | ");
    if line.len() <= SHORT && !line.contains('\n') {
        return line;
    }
    let lines = source
        .iter()
        .map(|s| source_text(s, indent + 1))
        .chain(operators.iter().map(|o| operator(o, indent + 1)))
        .collect::<Vec<_>>();
    format!(
        "\n{}{}\n{}",
        pad(indent + 1),
        lines.join(&format!("\n{}| ", pad(indent + 1))),
        pad(indent)
    )
}

fn source_text(e: &Expr, indent: usize) -> String {
    if matches!(e.kind, ExprKind::Pipe { .. }) {
        format!("({})", inner(e, indent))
    } else {
        expr(e, indent)
    }
}

/// A query at the start of a statement: every operator on its own line.
fn pipe(e: &Expr, indent: usize) -> String {
    let ExprKind::Pipe { source, operators } = &e.kind else {
        return expr(e, indent);
    };
    let lines = source
        .iter()
        .map(|s| source_text(s, indent))
        .chain(operators.iter().map(|o| operator(o, indent)))
        .collect::<Vec<_>>();
    lines.join(&format!("\n{}| ", pad(indent)))
}

fn arguments(arguments: &[Argument], indent: usize) -> String {
    joined(arguments, |a| {
        let name = a.name.as_ref().map(|n| format!("{}=", quoted(&n.text))).unwrap_or_default();
        format!("{name}{}", inner(&a.value, indent))
    })
}

pub(super) fn expr(e: &Expr, indent: usize) -> String {
    match &e.kind {
        ExprKind::Literal(value) => literal(value),
        ExprKind::Name(name) => quoted(name),
        ExprKind::Star => "*".to_string(),
        ExprKind::Wildcard(text) => text.clone(),
        ExprKind::Member { base, member } => format!("{}.{}", operand(base, 9, indent), member.text),
        ExprKind::Element { base, index } => format!("{}[{}]", operand(base, 9, indent), expr(index, indent)),
        ExprKind::Call { name, arguments: list } if name.text == "typeof" => {
            let column = |a: &Argument| a.name.as_ref().map(|n| format!("{}: ", quoted(&n.text))).unwrap_or_default();
            format!("typeof({})", joined(list, |a| format!("{}{}", column(a), expr(&a.value, indent))))
        }
        ExprKind::Call { name, arguments: list } => format!("{}({})", quoted(&name.text), arguments(list, indent)),
        ExprKind::MethodCall {
            base,
            name,
            arguments: list,
        } => {
            format!("{}.{}({})", operand(base, 9, indent), name.text, arguments(list, indent))
        }
        ExprKind::Negate(value) | ExprKind::Plus(value) => {
            let sign = if matches!(e.kind, ExprKind::Negate(_)) { '-' } else { '+' };
            // `-5` is one constant, `-(5)` is not; `-int(5)` never is one.
            let number = |value: &Value| matches!(value, Value::Long(_) | Value::Real(_) | Value::TimeSpan(_));
            if matches!(&value.kind, ExprKind::Literal(value) if number(value)) {
                format!("{sign}({})", expr(value, indent))
            } else {
                format!("{sign}{}", operand(value, 8, indent))
            }
        }
        ExprKind::Binary { op, left, right } => {
            let own = op_precedence(*op);
            if matches!(op, BinaryOp::Or | BinaryOp::And) {
                let mut operands = Vec::new();
                chain(*op, e, &mut operands);
                if operands.len() > 16 {
                    let texts: Vec<String> = operands.iter().map(|o| operand(o, own, indent)).collect();
                    return texts.join(&format!(" {} ", symbol(*op)));
                }
            }
            let left = operand(left, if matches!(own, 3 | 4) { own + 1 } else { own }, indent);
            let right = operand(right, own + 1, indent);
            if *op == BinaryOp::Colon {
                format!("{left}:{right}")
            } else {
                format!("{left} {} {right}", symbol(*op))
            }
        }
        ExprKind::Between { value, low, high, negated } => {
            let word = if *negated { "!between" } else { "between" };
            format!(
                "{} {word} ({} .. {})",
                operand(value, 4, indent),
                operand(low, 5, indent),
                operand(high, 5, indent)
            )
        }
        ExprKind::List { op, value, items } => {
            format!(
                "{} {} ({})",
                operand(value, 4, indent),
                list_word(*op),
                joined(items, |i| inner(i, indent))
            )
        }
        ExprKind::Pipe { .. } => inner(e, indent),
        ExprKind::DataTable { columns, values } => {
            let width = columns.len().max(1);
            let rows: Vec<String> = values.chunks(width).map(|row| joined(row, |v| expr(v, indent))).collect();
            let flat = rows.join(", ");
            let body = if flat.len() <= SHORT && !flat.contains('\n') || rows.len() < 2 {
                flat
            } else {
                format!(
                    "\n{}{}\n{}",
                    pad(indent + 1),
                    rows.join(&format!(",\n{}", pad(indent + 1))),
                    pad(indent)
                )
            };
            format!("datatable{} [{body}]", column_list(columns))
        }
        ExprKind::ExternalData { columns, uris, properties } => {
            let with = if properties.is_empty() {
                String::new()
            } else {
                format!(" with ({})", property_list(properties, indent))
            };
            format!("externaldata{} [{}]{with}", column_list(columns), joined(uris, |u| expr(u, indent)))
        }
        ExprKind::Source(source) => operator(source, indent),
        ExprKind::NameTuple(names) => joined(names, |n| quoted(&n.text)),
    }
}

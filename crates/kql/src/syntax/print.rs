//! Tree → text in one canonical layout: an operator a line, pipes in front, short inner queries on one line.
//!
//! What is printed parses to the same tree. Comments are not in the tree and are lost.

use super::ast::{
    Argument, BinaryOp, ExpandItem, Expr, ExprKind, JoinKey, ListOp, Name, NamedExpr, Operator, OperatorKind, Parameter, ParameterType,
    ParseStep, Query, ScanStep, SortKey, Statement, StatementKind, TopNestedLevel,
};
use super::json::quote_into;
use super::literal::{DAY, SECOND, format_datetime};
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

fn pad(indent: usize) -> String {
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
        StatementKind::LetFunction { name, parameters, body } => {
            let inner = statements(body, indent + 1);
            let body = if inner.contains('\n') || inner.len() > SHORT {
                format!("\n{}{inner}\n{}", pad(indent + 1), pad(indent))
            } else if inner.is_empty() {
                String::new()
            } else {
                format!(" {inner} ")
            };
            format!("let {} = {} {{{body}}}", quoted(&name.text), parameter_list(parameters))
        }
        StatementKind::Set { name, value: None } => format!("set {}", quoted(&name.text)),
        StatementKind::Set { name, value: Some(value) } => format!("set {} = {}", quoted(&name.text), expr(value, indent)),
        StatementKind::DeclareParameters(parameters) => format!("declare query_parameters{}", parameter_list(parameters)),
        StatementKind::Other(text) => text.clone(),
        StatementKind::Expression(value) => pipe(value, indent),
    }
}

fn parameter_list(parameters: &[Parameter]) -> String {
    let one = |p: &Parameter| {
        let ty = match &p.ty {
            ParameterType::Scalar(ty) => ty.to_string(),
            ParameterType::Table { open: true, .. } => "(*)".to_string(),
            ParameterType::Table { columns, .. } => column_list(columns),
        };
        let default = p.default.as_ref().map(|d| format!(" = {}", expr(d, 0))).unwrap_or_default();
        format!("{}: {ty}{default}", quoted(&p.name.text))
    };
    format!("({})", joined(parameters, one))
}

fn joined<T>(items: &[T], print: impl Fn(&T) -> String) -> String {
    items.iter().map(print).collect::<Vec<_>>().join(", ")
}

fn column_list(columns: &[(Name, Type)]) -> String {
    format!("({})", joined(columns, |(name, ty)| format!("{}: {ty}", quoted(&name.text))))
}

/// A name, in `['...']` where it must be.
fn quoted(name: &str) -> String {
    let plain = name.starts_with(starts_name) && name.chars().skip(1).all(continues_name);
    let constant = matches!(name, "true" | "false" | "True" | "False" | "TRUE" | "FALSE" | "null" | "not");
    if plain && !constant && !is_reserved_in_expression(name) {
        name.to_string()
    } else {
        format!("[{}]", string(name))
    }
}

/// A name where wildcards may stand.
fn pattern(name: &Name) -> String {
    let wild = name.text.contains('*') && name.text.chars().all(|c| c == '*' || continues_name(c) || c == '-');
    if wild { name.text.clone() } else { quoted(&name.text) }
}

/// A string literal.
pub fn string(value: &str) -> String {
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
fn operand(e: &Expr, lowest: u8, indent: usize) -> String {
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
fn inner(e: &Expr, indent: usize) -> String {
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

fn expr(e: &Expr, indent: usize) -> String {
    match &e.kind {
        ExprKind::Literal(value) => literal(value),
        ExprKind::Name(name) => quoted(name),
        ExprKind::Star => "*".to_string(),
        ExprKind::Wildcard(text) => text.clone(),
        ExprKind::Member { base, member } => format!("{}.{}", operand(base, 9, indent), member.text),
        ExprKind::Element { base, index } => format!("{}[{}]", operand(base, 9, indent), expr(index, indent)),
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
            // `-5` is one constant, `-(5)` is not.
            if matches!(value.kind, ExprKind::Literal(_)) {
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

fn property(name: &Name, value: &Expr, indent: usize) -> String {
    format!("{}={}", name.text, expr(value, indent))
}

fn property_list(properties: &[(Name, Expr)], indent: usize) -> String {
    joined(properties, |(name, value)| property(name, value, indent))
}

fn named(e: &NamedExpr, indent: usize) -> String {
    let value = operand(&e.value, 1, indent);
    match e.names.as_slice() {
        [] => value,
        [name] => format!("{} = {value}", quoted(&name.text)),
        names => format!("({}) = {value}", joined(names, |n| quoted(&n.text))),
    }
}

fn order(ascending: Option<bool>) -> &'static str {
    match ascending {
        Some(true) => " asc",
        Some(false) => " desc",
        None => "",
    }
}

fn sort_key(key: &SortKey, indent: usize) -> String {
    let nulls = match key.nulls_first {
        Some(true) => " nulls first",
        Some(false) => " nulls last",
        None => "",
    };
    format!("{}{}{nulls}", named(&key.expr, indent), order(key.ascending))
}

fn expand_item(item: &ExpandItem, indent: usize) -> String {
    let to = item.to.map(|ty| format!(" to typeof({ty})")).unwrap_or_default();
    format!("{}{to}", named(&item.expr, indent))
}

/// ` word value`, or nothing.
fn clause(word: &str, value: Option<String>) -> String {
    value.map(|v| format!(" {word} {v}")).unwrap_or_default()
}

fn by(items: &[NamedExpr], indent: usize) -> String {
    if items.is_empty() {
        String::new()
    } else {
        format!(" by {}", joined(items, |i| named(i, indent)))
    }
}

fn joined_table(word: &str, right: &Expr, on: &[JoinKey], indent: usize) -> String {
    let keys = joined(on, |key| match key {
        JoinKey::Name(name) => quoted(&name.text),
        JoinKey::Expr(e) => expr(e, indent),
    });
    format!("{word} {} on {keys}", operand(right, 9, indent))
}

fn step(step: &ScanStep, indent: usize) -> String {
    let optional = if step.optional { " optional" } else { "" };
    let output = step.output.as_ref().map(|o| format!(" output={}", o.text)).unwrap_or_default();
    let assignments = if step.assignments.is_empty() {
        String::new()
    } else {
        format!(
            " => {}",
            joined(&step.assignments, |(name, value)| format!(
                "{} = {}",
                quoted(&name.text),
                expr(value, indent)
            ))
        )
    };
    format!(
        "step {}{optional}{output}: {}{assignments};",
        quoted(&step.name.text),
        expr(&step.condition, indent)
    )
}

fn level(level: &TopNestedLevel, indent: usize) -> String {
    let count = level.count.as_ref().map(|c| format!(" {}", expr(c, indent))).unwrap_or_default();
    let others = clause("with others =", level.others.as_ref().map(|o| expr(o, indent)));
    format!(
        "top-nested{count} of {}{others} by {}{}",
        named(&level.of, indent),
        named(&level.by, indent),
        order(level.ascending)
    )
}

/// Properties directly behind the keyword go there; the others are printed by the operator itself.
fn operator(operator: &Operator, indent: usize) -> String {
    let body = body(operator, indent);
    let trailing = matches!(
        operator.kind,
        OperatorKind::ParseKv { .. } | OperatorKind::Render { .. } | OperatorKind::Reduce { .. }
    );
    if operator.properties.is_empty() || trailing {
        return body;
    }
    let list: Vec<String> = operator
        .properties
        .iter()
        .map(|(name, value)| property(name, value, indent))
        .collect();
    let (word, rest) = body.split_once(' ').unwrap_or((&body, ""));
    format!("{word} {} {rest}", list.join(" ")).trim_end().to_string()
}

fn body(op: &Operator, indent: usize) -> String {
    let names = |names: &[Name]| joined(names, pattern);
    let list = |items: &[NamedExpr]| joined(items, |i| named(i, indent));
    let text = |e: &Expr| expr(e, indent);
    match &op.kind {
        OperatorKind::As { name } => format!("as {}", quoted(&name.text)),
        OperatorKind::Consume => "consume".to_string(),
        OperatorKind::Count { name } => format!("count{}", clause("as", name.as_ref().map(|n| quoted(&n.text)))),
        OperatorKind::Distinct { items } => format!("distinct {}", joined(items, text)),
        OperatorKind::Evaluate { call, schema } => {
            format!(
                "evaluate {}{}",
                text(call),
                schema.as_ref().map(|s| format!(": {}", column_list(s))).unwrap_or_default()
            )
        }
        OperatorKind::Extend { items } => format!("extend {}", list(items)),
        OperatorKind::Facet { by, with } => {
            format!(
                "facet by {}{}",
                names(by),
                with.as_ref().map(|w| format!(" with ({})", inner(w, indent))).unwrap_or_default()
            )
        }
        OperatorKind::Find {
            r#in,
            predicate,
            project,
            project_smart,
        } => {
            let tables = if r#in.is_empty() {
                String::new()
            } else {
                format!(" in ({})", joined(r#in, |t| table(t, indent)))
            };
            let project = if project.is_empty() {
                String::new()
            } else {
                let column = |(name, ty): &(Name, Option<Type>)| {
                    let name = if name.text == "pack(*)" {
                        name.text.clone()
                    } else {
                        quoted(&name.text)
                    };
                    format!("{name}{}", ty.map(|t| format!(": {t}")).unwrap_or_default())
                };
                format!(" project {}", joined(project, column))
            };
            let smart = if *project_smart { " project-smart" } else { "" };
            format!(
                "find{tables}{}{smart}{project}",
                clause("where", predicate.as_ref().map(|p| text(p)))
            )
        }
        OperatorKind::Fork { branches } => {
            let branch = |(name, body): &(Option<Name>, Expr)| {
                format!(
                    "{}({})",
                    name.as_ref().map(|n| format!("{} = ", quoted(&n.text))).unwrap_or_default(),
                    inner(body, indent)
                )
            };
            format!("fork {}", branches.iter().map(branch).collect::<Vec<_>>().join(" "))
        }
        OperatorKind::GetSchema => "getschema".to_string(),
        OperatorKind::Invoke { call } => format!("invoke {}", text(call)),
        OperatorKind::Join { right, on } => joined_table("join", right, on, indent),
        OperatorKind::Lookup { right, on } => joined_table("lookup", right, on, indent),
        OperatorKind::MakeSeries {
            items,
            on,
            from,
            to,
            step,
            in_range,
            by: keys,
        } => {
            let item =
                |i: &super::ast::SeriesItem| format!("{}{}", named(&i.expr, indent), clause("default =", i.default.as_ref().map(text)));
            let range = in_range
                .as_ref()
                .map(|(a, b, c)| format!("({}, {}, {})", text(a), text(b), text(c)));
            let bound = |word: &str, e: &Option<Expr>| clause(word, e.as_ref().map(text));
            format!(
                "make-series {}{}{}{}{}{}{}",
                joined(items, item),
                clause("on", on.as_ref().map(|o| named(o, indent))),
                clause("in range", range),
                bound("from", from),
                bound("to", to),
                bound("step", step),
                by(keys, indent)
            )
        }
        OperatorKind::MvApply { items, limit, id, body } => {
            let items = joined(items, |i| expand_item(i, indent));
            let limit = clause("limit", limit.as_ref().map(text));
            let id = clause("id", id.as_ref().map(|n| quoted(&n.text)));
            format!("mv-apply {items}{limit}{id} on ({})", inner(body, indent))
        }
        OperatorKind::MvExpand { items, limit } => {
            format!(
                "mv-expand {}{}",
                joined(items, |i| expand_item(i, indent)),
                clause("limit", limit.as_ref().map(text))
            )
        }
        OperatorKind::Parse { source, pattern, filter } => {
            let steps = pattern.iter().map(|step| match step {
                ParseStep::Skip => "*".to_string(),
                ParseStep::Text(value, _) => string(value),
                ParseStep::Column(name, ty) => format!("{}{}", quoted(&name.text), ty.map(|t| format!(": {t}")).unwrap_or_default()),
            });
            let word = if *filter { "parse-where" } else { "parse" };
            format!("{word} {} with {}", text(source), steps.collect::<Vec<_>>().join(" "))
        }
        OperatorKind::ParseKv { source, columns } => {
            let with = if op.properties.is_empty() {
                String::new()
            } else {
                format!(" with ({})", property_list(&op.properties, indent))
            };
            format!("parse-kv {} as {}{with}", text(source), column_list(columns))
        }
        OperatorKind::Partition { by, body } => format!("partition by {} ({})", quoted(&by.text), inner(body, indent)),
        OperatorKind::Print { items } => format!("print {}", list(items)),
        OperatorKind::Project { items } => format!("project {}", list(items)).trim_end().to_string(),
        OperatorKind::ProjectAway { patterns } => format!("project-away {}", names(patterns)),
        OperatorKind::ProjectKeep { patterns } => format!("project-keep {}", names(patterns)),
        OperatorKind::ProjectRename { items } => {
            format!(
                "project-rename {}",
                joined(items, |(new, old)| format!("{} = {}", quoted(&new.text), quoted(&old.text)))
            )
        }
        OperatorKind::ProjectReorder { items } => {
            let item = |i: &super::ast::ReorderItem| {
                format!(
                    "{}{}",
                    pattern(&i.pattern),
                    i.order.as_ref().map(|o| format!(" {o}")).unwrap_or_default()
                )
            };
            format!("project-reorder {}", joined(items, item))
        }
        OperatorKind::ProjectByNames { items } => format!("project-by-names {}", joined(items, text)),
        OperatorKind::Range { column, from, to, step } => {
            format!(
                "range {} from {} to {} step {}",
                quoted(&column.text),
                text(from),
                text(to),
                text(step)
            )
        }
        OperatorKind::Reduce { by } => {
            let (kind, with): (Vec<_>, Vec<_>) = op
                .properties
                .iter()
                .cloned()
                .partition(|(name, _)| name.text == "kind" || name.text.starts_with("hint."));
            let kind: String = kind
                .iter()
                .map(|(name, value)| format!("{} ", property(name, value, indent)))
                .collect();
            let with = if with.is_empty() {
                String::new()
            } else {
                format!(" with {}", property_list(&with, indent))
            };
            format!("reduce {kind}by {}{with}", named(by, indent))
        }
        OperatorKind::Render { chart } => {
            let legacy = |name: &str| matches!(name, "with" | "by");
            let (old, with): (Vec<_>, Vec<_>) = op.properties.iter().cloned().partition(|(name, _)| legacy(&name.text));
            let with = if with.is_empty() {
                String::new()
            } else {
                format!(" with ({})", property_list(&with, indent))
            };
            let old: String = old.iter().map(|(name, value)| format!(" {} {}", name.text, text(value))).collect();
            format!("render {}{with}{old}", chart.text)
        }
        OperatorKind::Sample { count } => format!("sample {}", text(count)),
        OperatorKind::SampleDistinct { count, of } => format!("sample-distinct {} of {}", text(count), named(of, indent)),
        OperatorKind::Scan {
            partition_by,
            declare,
            steps,
            ..
        } => {
            let partition = if partition_by.is_empty() {
                String::new()
            } else {
                format!(" partition by {}", joined(partition_by, text))
            };
            let column = |(name, ty, default): &(Name, Type, Option<Expr>)| {
                format!("{}: {ty}{}", quoted(&name.text), clause("=", default.as_ref().map(text)))
            };
            let declare = if declare.is_empty() {
                String::new()
            } else {
                format!(" declare ({})", joined(declare, column))
            };
            let lines: Vec<String> = steps
                .iter()
                .map(|s| format!("\n{}{}", pad(indent + 1), step(s, indent + 1)))
                .collect();
            format!("scan{partition}{declare} with ({}\n{})", lines.concat(), pad(indent))
        }
        OperatorKind::Search { r#in, predicate } => {
            let tables = if r#in.is_empty() {
                String::new()
            } else {
                format!("in ({}) ", joined(r#in, |t| table(t, indent)))
            };
            format!("search {tables}{}", text(predicate))
        }
        OperatorKind::Serialize { items } => format!("serialize {}", list(items)).trim_end().to_string(),
        OperatorKind::Sort { keys } => format!("sort by {}", joined(keys, |k| sort_key(k, indent))),
        OperatorKind::Summarize { aggregates, by: keys } => {
            format!("summarize {}", format!("{}{}", list(aggregates), by(keys, indent)).trim_start())
        }
        OperatorKind::Take { count } => format!("take {}", text(count)),
        OperatorKind::Top { count, by } => format!("top {} by {}", text(count), joined(by, |k| sort_key(k, indent))),
        OperatorKind::TopHitters { count, of, by } => {
            format!(
                "top-hitters {} of {}{}",
                text(count),
                named(of, indent),
                clause("by", by.as_ref().map(|b| named(b, indent)))
            )
        }
        OperatorKind::TopNested { levels } => joined(levels, |l| level(l, indent)),
        OperatorKind::Union { items } => format!("union {}", joined(items, |t| table(t, indent))),
        OperatorKind::Where { predicate } => format!("where {}", text(predicate)),
        OperatorKind::Unsupported { name } => name.clone(),
    }
}

/// A table of `union`, `search in`, `find in`.
fn table(e: &Expr, indent: usize) -> String {
    operand(e, 9, indent)
}

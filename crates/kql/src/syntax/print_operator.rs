//! Operators → text, part of [`super::print`].

use super::ast::{
    EdgeDirection, ExpandItem, Expr, GraphEdge, GraphNode, GraphPath, GraphTable, JoinKey, Name, NamedExpr, Operator, OperatorKind,
    ParseStep, ReorderItem, ScanStep, SeriesItem, SortKey, TopNestedLevel,
};
use super::print::{column_list, expr, inner, joined, operand, pad, pattern, quoted, string};
use crate::types::Type;

fn property(name: &Name, value: &Expr, indent: usize) -> String {
    format!("{}={}", name.text, expr(value, indent))
}

pub(super) fn property_list(properties: &[(Name, Expr)], indent: usize) -> String {
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
pub(super) fn operator(operator: &Operator, indent: usize) -> String {
    let body = body(operator, indent);
    let trailing = matches!(
        operator.kind,
        OperatorKind::ParseKv { .. } | OperatorKind::Render { .. } | OperatorKind::Reduce { .. } | OperatorKind::MakeGraph { .. }
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
        OperatorKind::Distinct { items } => format!("distinct {}", joined(items, |item| named(item, indent))),
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
                    let name = if name.text == "pack_all()" {
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
        OperatorKind::GraphMarkComponents => "graph-mark-components".to_string(),
        OperatorKind::GraphMatch { paths, predicate, project } => {
            format!("graph-match {}", graph_query(paths, predicate.as_ref(), project, indent))
        }
        OperatorKind::GraphShortestPaths {
            path: one,
            predicate,
            project,
        } => {
            let paths = std::slice::from_ref(one);
            format!("graph-shortest-paths {}", graph_query(paths, predicate.as_ref(), project, indent))
        }
        OperatorKind::GraphToTable { tables } => {
            let table = |table: &GraphTable| {
                let kind = if table.edges { "edges" } else { "nodes" };
                let properties: String = table
                    .properties
                    .iter()
                    .map(|(name, value)| format!(" {}", property(name, value, indent)))
                    .collect();
                format!("{kind}{}{properties}", clause("as", table.name.as_ref().map(|n| quoted(&n.text))))
            };
            format!("graph-to-table {}", joined(tables, table))
        }
        OperatorKind::GraphWhere { edges, predicate } => {
            let kind = if *edges { "edges" } else { "nodes" };
            format!("graph-where-{kind} {}", text(predicate))
        }
        OperatorKind::Invoke { call } => format!("invoke {}", text(call)),
        OperatorKind::Join { right, on } => joined_table("join", right, on, indent),
        OperatorKind::Lookup { right, on } => joined_table("lookup", right, on, indent),
        OperatorKind::MakeGraph {
            source,
            target,
            nodes,
            partition,
        } => {
            let id = op.property("with_node_id").map(|id| format!(" with_node_id={}", text(id)));
            let tables = joined(nodes, |(table, id)| {
                format!("{} on {}", operand(table, 9, indent), quoted(&id.text))
            });
            let tables = if tables.is_empty() { None } else { Some(tables) };
            let partition = partition
                .as_ref()
                .map(|(by, body)| format!("{} ({})", quoted(&by.text), inner(body, indent)));
            format!(
                "make-graph {} --> {}{}{}{}",
                quoted(&source.text),
                quoted(&target.text),
                id.unwrap_or_default(),
                clause("with", tables),
                clause("partitioned-by", partition)
            )
        }
        OperatorKind::MakeSeries {
            items,
            on,
            from,
            to,
            step,
            in_range,
            by: keys,
        } => {
            let item = |i: &SeriesItem| format!("{}{}", named(&i.expr, indent), clause("default =", i.default.as_ref().map(text)));
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
        OperatorKind::Partition { by, braces, body } => {
            let (open, close) = if *braces { ("{", "}") } else { ("(", ")") };
            format!("partition by {} {open}{}{close}", quoted(&by.text), inner(body, indent))
        }
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
            let item = |i: &ReorderItem| {
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

/// Pattern, predicate and projection of `graph-match` and its like.
fn graph_query(paths: &[GraphPath], predicate: Option<&Expr>, project: &[NamedExpr], indent: usize) -> String {
    let node = |node: &GraphNode| format!("({})", node.name.as_ref().map(|n| quoted(&n.text)).unwrap_or_default());
    let path = |path: &GraphPath| {
        let steps: String = path
            .steps
            .iter()
            .map(|(edge, to)| format!("{}{}", graph_edge(edge, indent), node(to)))
            .collect();
        format!("{}{steps}", node(&path.first))
    };
    let project = joined(project, |item| named(item, indent));
    let project = if project.is_empty() { None } else { Some(project) };
    format!(
        "{}{}{}",
        joined(paths, path),
        clause("where", predicate.map(|p| expr(p, indent))),
        clause("project", project)
    )
}

fn graph_edge(edge: &GraphEdge, indent: usize) -> String {
    let name = edge.name.as_ref().map(|n| quoted(&n.text)).unwrap_or_default();
    let range = edge
        .range
        .as_ref()
        .map(|(from, to)| format!("*{}..{}", expr(from, indent), expr(to, indent)));
    let (left, right) = match edge.direction {
        EdgeDirection::Right => ("-", "->"),
        EdgeDirection::Left => ("<-", "-"),
        EdgeDirection::Any => ("-", "-"),
    };
    format!("{left}[{name}{}]{right}", range.unwrap_or_default())
}

/// A table of `union`, `search in`, `find in`.
fn table(e: &Expr, indent: usize) -> String {
    operand(e, 9, indent)
}

//! Plugins of `evaluate` that are sugar: each is a query in the language itself over columns of agreed names, to which the
//! plugin's arguments are bound first.
//!
//! Source: Kusto Query Language reference, pages of the plugins.

use std::rc::Rc;

use super::expr::Ctx;
use super::naming::unique;
use super::{Binder, Binding, Bound, Scope};
use crate::bound::{Column, Expr, Rel, RelKind};
use crate::diagnostic::{Code, Span};
use crate::syntax::ast;
use crate::types::{Type, Value};

/// Where a plugin is called.
pub(crate) struct Call<'c> {
    pub(crate) name: &'c ast::Name,
    pub(crate) arguments: &'c [ast::Argument],
    /// Columns declared by the query
    pub(crate) schema: Option<&'c [(ast::Name, Type)]>,
    pub(crate) scope: &'c Scope,
    pub(crate) span: Span,
}

/// Columns of the query that carry a plugin's arguments, and names for constants: what its template sees.
pub(crate) struct Parts<'c> {
    call: &'c Call<'c>,
    columns: Vec<(String, Expr)>,
    scope: Scope,
}

impl Parts<'_> {
    pub(crate) fn column(&mut self, name: &str, value: Expr) {
        self.columns.push((name.to_owned(), value));
    }

    pub(crate) fn constant(&mut self, name: &str, value: Expr) {
        self.scope = self.scope.with(name, Binding::Scalar(value));
    }
}

impl Binder<'_> {
    /// A plugin that is sugar; `None` when it is not.
    pub(crate) fn plugin(&mut self, call: &Call<'_>, input: &Rel) -> Option<Bound<Rel>> {
        Some(match call.name.text.as_str() {
            "activity_counts_metrics" => self.activity_counts_metrics(call, input),
            "ipv4_lookup" => self.ip_lookup(call, input, &V4),
            "ipv6_lookup" => self.ip_lookup(call, input, &V6),
            "narrow" => self.narrow(call, input),
            "pivot" => self.pivot(call, input),
            "rolling_percentile" => self.rolling_percentile(call, input),
            "rows_near" => self.rows_near(call, input),
            "sliding_window_counts" => self.sliding_window_counts(call, input),
            _ => return None,
        })
    }

    /// Without a declaration, and all arguments by position: how many of them there may be.
    pub(crate) fn positional<'c>(&mut self, call: &'c Call<'_>, least: usize, most: usize) -> Bound<Vec<&'c ast::Expr>> {
        if call.schema.is_some() && call.name.text != "pivot" {
            return self.not_supported(call.span, &format!("declared columns of {}", call.name.text));
        }
        if let Some(name) = call.arguments.iter().find_map(|argument| argument.name.as_ref()) {
            return self.error(
                Code::Arguments,
                name.span,
                format!("{} has no argument '{}' by name", call.name.text, name.text),
            );
        }
        let given = call.arguments.len();
        if given < least || given > most {
            let wanted = match most {
                _ if least == most => format!("{least}"),
                usize::MAX => format!("at least {least}"),
                _ => format!("{least} to {most}"),
            };
            return self.error(
                Code::Arguments,
                call.name.span,
                format!("{} takes {wanted} arguments, and {given} are given", call.name.text),
            );
        }
        Ok(call.arguments.iter().map(|argument| &argument.value).collect())
    }

    /// A column by name.
    pub(crate) fn plain_column(&mut self, expr: &ast::Expr, input: &Rel, call: &Call<'_>) -> Bound<Column> {
        let value = self.expr(expr, &Ctx::row(call.scope, input))?;
        match (&value.kind, self.name_of(expr)) {
            (crate::bound::ExprKind::Column(id), Some(name)) => Ok(Column {
                id: *id,
                name,
                ty: value.ty,
            }),
            _ => self.error(Code::Arguments, expr.span, format!("{} wants a column here", call.name.text)),
        }
    }

    fn constant_of(&mut self, expr: &ast::Expr, ty: Type, call: &Call<'_>) -> Bound<Expr> {
        let value = self.expr(expr, &Ctx::constant(call.scope))?;
        self.assignable(value, ty, &format!("this argument of {}", call.name.text))
    }

    fn whole_number(&mut self, expr: &ast::Expr, call: &Call<'_>) -> Bound<i64> {
        match self.constant(expr, call.scope, "this number")? {
            Value::Long(n) if n >= 0 => Ok(n),
            Value::Int(n) if n >= 0 => Ok(i64::from(n)),
            _ => self.error(
                Code::Arguments,
                expr.span,
                format!("{} wants a whole number here, not negative", call.name.text),
            ),
        }
    }

    /// The type of the steps along a timeline of this type.
    fn step_type(&mut self, timeline: &Column, expr: &ast::Expr, call: &Call<'_>) -> Bound<Type> {
        match timeline.ty {
            Type::DateTime => Ok(Type::TimeSpan),
            ty @ (Type::Int | Type::Long | Type::Real) => Ok(ty),
            ty => self.error(
                Code::Type,
                expr.span,
                format!("{} wants a datetime or a number here, and this is of type {ty}", call.name.text),
            ),
        }
    }

    /// Dimensions as the columns `d0`, `d1`, ... of a template; gives their names.
    fn dimensions(&mut self, exprs: &[&ast::Expr], input: &Rel, parts: &mut Parts<'_>) -> Bound<Vec<String>> {
        let mut names = Vec::with_capacity(exprs.len());
        for (index, expr) in exprs.iter().enumerate() {
            let column = self.plain_column(expr, input, parts.call)?;
            let place = self.place(expr.span);
            parts.column(&format!("d{index}"), Expr::column(&column, place));
            names.push(column.name);
        }
        Ok(names)
    }

    /// A projection under names of a template.
    fn under_names(&mut self, input: &Rel, columns: Vec<(String, Expr)>, span: Span) -> Rel {
        let (names, exprs): (Vec<String>, Vec<Expr>) = columns.into_iter().unzip();
        let columns = names
            .into_iter()
            .zip(&exprs)
            .map(|(name, expr)| self.column(name, expr.ty))
            .collect();
        let kind = RelKind::Project {
            input: Box::new(input.clone()),
            exprs,
        };
        self.rel(kind, columns, input.serialized, span)
    }

    /// All columns of a relation, called `c0`, `c1`, ... with this prefix.
    fn numbered(&self, input: &Rel, prefix: char, span: Span) -> Vec<(String, Expr)> {
        let place = self.place(span);
        let columns = input.columns.iter().enumerate();
        columns
            .map(|(index, column)| (format!("{prefix}{index}"), Expr::column(column, place)))
            .collect()
    }

    /// Binds a template over `T`, the input under the names of the parts, and gives its columns the names people see.
    pub(crate) fn template(&mut self, parts: Parts<'_>, input: &Rel, text: &str, names: Vec<String>) -> Bound<Rel> {
        let (call, span) = (parts.call, parts.call.span);
        let table = self.under_names(input, parts.columns, span);
        let scope = parts.scope.with("T", Binding::Table(Rc::new(table)));
        let (query, problems) = crate::syntax::parse(text);
        if let Some(problem) = problems.first() {
            return self.error(
                Code::Semantic,
                span,
                format!("{} cannot be planned: {}", call.name.text, problem.message),
            );
        }
        let foreign = self.foreign;
        self.foreign = Some(self.place(span));
        self.expanding.push(call.name.text.clone());
        let result = self.deeper(span, |binder| binder.query_in(&query, &scope, span));
        self.expanding.pop();
        self.foreign = foreign;
        let mut rel = result?;
        let mut used: Vec<Column> = Vec::with_capacity(names.len());
        for (column, name) in rel.columns.iter_mut().zip(names) {
            column.name = unique(&name, used.iter());
            used.push(column.clone());
        }
        Ok(rel)
    }

    /// Counts in a window that slides over the bins of a timeline.
    fn sliding_window_counts(&mut self, call: &Call<'_>, input: &Rel) -> Bound<Rel> {
        let args = self.positional(call, 6, usize::MAX)?;
        let [id, at, first, last, window, step, dims @ ..] = args.as_slice() else {
            return Err(super::Reported);
        };
        let mut parts = new_parts(call);
        let id = self.plain_column(id, input, call)?;
        let timeline = self.plain_column(at, input, call)?;
        let step_type = self.step_type(&timeline, at, call)?;
        let place = self.place(call.span);
        parts.column("id", Expr::column(&id, place));
        parts.column("at", Expr::column(&timeline, place));
        parts.constant("begins", self.constant_of(first, timeline.ty, call)?);
        parts.constant("ends", self.constant_of(last, timeline.ty, call)?);
        parts.constant("width", self.constant_of(window, step_type, call)?);
        parts.constant("step", self.constant_of(step, step_type, call)?);
        let dims = self.dimensions(dims, input, &mut parts)?;
        let text = format!(
            "T | where at >= begins - width | extend at = bin_at(at, step, begins)
             | extend bins = range(at, min_of(at + width - step, ends), step)
             | mv-expand bins to typeof({}) | where bins >= begins
             | summarize n = count(), ids = dcount(id) by bins{dims}
             | project bins{dims}, n, ids | sort by bins asc",
            timeline.ty,
            dims = listed(&dims)
        );
        let names = named([timeline.name], dims, ["Count", "dcount"]);
        self.template(parts, input, &text, names)
    }

    /// A percentile in a window of bins that ends at each bin.
    fn rolling_percentile(&mut self, call: &Call<'_>, input: &Rel) -> Bound<Rel> {
        let args = self.positional(call, 5, usize::MAX)?;
        let [value, percent, at, step, bins, dims @ ..] = args.as_slice() else {
            return Err(super::Reported);
        };
        let mut parts = new_parts(call);
        let value = self.plain_column(value, input, call)?;
        let timeline = self.plain_column(at, input, call)?;
        let step_type = self.step_type(&timeline, at, call)?;
        let count = self.whole_number(bins, call)?;
        if count == 0 {
            return self.error(Code::Arguments, bins.span, "a window has at least one bin");
        }
        let place = self.place(call.span);
        parts.column("value", Expr::column(&value, place));
        parts.column("at", Expr::column(&timeline, place));
        parts.constant("step", self.constant_of(step, step_type, call)?);
        parts.constant("behind", Expr::literal(Value::Long(count - 1), place));
        let percentile = self.expr(percent, &Ctx::constant(call.scope))?;
        let shown = match percentile.as_literal() {
            Some(Value::Long(n)) => n.to_string(),
            Some(Value::Int(n)) => n.to_string(),
            Some(Value::Real(n)) => n.to_string(),
            _ => return self.error(Code::Arguments, percent.span, "the percentile must be a constant number"),
        };
        let dims = self.dimensions(dims, input, &mut parts)?;
        let text = format!(
            "let rows = materialize(T | where isnotnull(at) | extend at = bin(at, step));
             let ends = toscalar(rows | summarize max(at));
             rows | extend bins = range(at, min_of(at + behind * step, ends), step)
             | mv-expand bins to typeof({ty})
             | summarize answer = percentile(value, {shown}) by bins{dims}
             | project bins{dims}, answer | sort by {sorted}bins asc",
            ty = timeline.ty,
            dims = listed(&dims),
            sorted = dims
                .iter()
                .enumerate()
                .map(|(index, _)| format!("d{index} asc, "))
                .collect::<String>()
        );
        let answer = format!("rolling_{count}_percentile_{}_{shown}", value.name.replace(' ', "_"));
        let names = named([timeline.name], dims, [answer.as_str()]);
        self.template(parts, input, &text, names)
    }

    /// The rows around those for which a condition is true.
    fn rows_near(&mut self, call: &Call<'_>, input: &Rel) -> Bound<Rel> {
        let args = self.positional(call, 2, 3)?;
        let [condition, before, after @ ..] = args.as_slice() else {
            return Err(super::Reported);
        };
        if !input.serialized {
            return self.error(
                Code::Semantic,
                call.span,
                "rows_near needs rows in a defined order: put '| sort by ...' or '| serialize' in front",
            );
        }
        let mut parts = new_parts(call);
        parts.columns = self.numbered(input, 'c', call.span);
        let condition = self.expr(condition, &Ctx::row(call.scope, input))?;
        let condition = self.condition(condition)?;
        parts.column("hit", condition);
        let place = self.place(call.span);
        let before_rows = self.whole_number(before, call)?;
        let after_rows = match after.first() {
            Some(after) => self.whole_number(after, call)?,
            None => before_rows,
        };
        parts.constant("before", Expr::literal(Value::Long(before_rows), place));
        parts.constant("after", Expr::literal(Value::Long(after_rows), place));
        let columns: Vec<String> = (0..input.columns.len()).map(|index| format!("c{index}")).collect();
        let text = format!(
            "let rows = materialize(T | extend n = row_number());
             let near = rows | where hit | extend n = range(n - before, n + after, 1) | mv-expand n to typeof(long) | distinct n;
             rows | where n in (near) | sort by n asc | project {}",
            columns.join(", ")
        );
        let names = input.columns.iter().map(|column| column.name.clone()).collect();
        self.template(parts, input, &text, names)
    }

    /// Counts of records, of ids, of new ids and of all ids until then, for each window of a timeline.
    fn activity_counts_metrics(&mut self, call: &Call<'_>, input: &Rel) -> Bound<Rel> {
        let args = self.positional(call, 5, usize::MAX)?;
        let [id, at, first, last, step, dims @ ..] = args.as_slice() else {
            return Err(super::Reported);
        };
        let mut parts = new_parts(call);
        let id = self.plain_column(id, input, call)?;
        let timeline = self.plain_column(at, input, call)?;
        let step_type = self.step_type(&timeline, at, call)?;
        let place = self.place(call.span);
        parts.column("id", Expr::column(&id, place));
        parts.column("at", Expr::column(&timeline, place));
        parts.constant("begins", self.constant_of(first, timeline.ty, call)?);
        parts.constant("ends", self.constant_of(last, timeline.ty, call)?);
        parts.constant("step", self.constant_of(step, step_type, call)?);
        let dims = self.dimensions(dims, input, &mut parts)?;
        let mut sorted = String::new();
        let mut other = String::from("false");
        for index in 0..dims.len() {
            sorted.push_str(&format!("d{index} asc, "));
            other.push_str(&format!(" or d{index} != prev(d{index})"));
        }
        let text = format!(
            "let rows = materialize(T | where at between (begins .. ends) | extend at = bin_at(at, step, begins));
             let beginners = rows | summarize at = min(at) by id{dims} | summarize begun = count() by at{dims};
             rows | summarize n = count(), ids = dcount(id) by at{dims}
             | lookup kind=leftouter beginners on at{dims} | extend begun = coalesce(begun, 0)
             | sort by {sorted}at asc | extend all = row_cumsum(begun, {other})
             | project at{dims}, n, ids, begun, all",
            dims = listed(&dims)
        );
        let names = named([timeline.name], dims, ["count", "dcount", "new_dcount", "aggregated_dcount"]);
        self.template(parts, input, &text, names)
    }

    /// A row for each cell.
    fn narrow(&mut self, call: &Call<'_>, input: &Rel) -> Bound<Rel> {
        self.positional(call, 0, 0)?;
        let mut parts = new_parts(call);
        parts.columns = self.numbered(input, 'c', call.span);
        let mut names = String::from("[");
        for (index, column) in input.columns.iter().enumerate() {
            if index > 0 {
                names.push(',');
            }
            crate::syntax::json::quote_into(&mut names, &column.name);
        }
        names.push(']');
        let place = self.place(call.span);
        parts.constant("names", Expr::literal(Value::Dynamic(names), place));
        let cells: Vec<String> = (0..input.columns.len()).map(|index| format!("tostring(c{index})")).collect();
        let text = format!(
            "T | serialize n = row_number(0) | mv-expand name = names to typeof(string), cell = pack_array({}) to typeof(string)
             | project n, name, cell",
            cells.join(", ")
        );
        self.template(parts, input, &text, named(["Row".to_owned()], vec![], ["Column", "Value"]))
    }
}

pub(crate) fn new_parts<'c>(call: &'c Call<'c>) -> Parts<'c> {
    Parts {
        call,
        columns: Vec::new(),
        scope: Scope::default(),
    }
}

/// `, d0, d1`
fn listed(dims: &[String]) -> String {
    (0..dims.len()).map(|index| format!(", d{index}")).collect()
}

fn named<const N: usize>(first: [String; 1], dims: Vec<String>, last: [&str; N]) -> Vec<String> {
    let last = last.into_iter().map(str::to_owned);
    first.into_iter().chain(dims).chain(last).collect()
}

/// How addresses and networks of a family are read: expressions over a text `{}`.
struct Family {
    /// Bits of the prefix
    bits: &'static str,
    /// A network's address, in a form that can be compared
    network: &'static str,
    /// The address of the network of `bits` that an address `ip` is in
    masked: &'static str,
    /// The lookup's columns stand in front of the source's, as the reference shows it
    lookup_first: bool,
}

const V4: Family = Family {
    bits: "ipv4_netmask_suffix({})",
    network: "tostring(parse_ipv4({}))",
    masked: "tostring(parse_ipv4_mask(ip, bits))",
    lookup_first: false,
};

/// Of an IPv4 address, the prefix counts from bit 96 on.
const V6: Family = Family {
    bits: "iff({} has '/', tolong(split({}, '/')[1]) + iff({} contains ':', 0, 96), 128)",
    network: "parse_ipv6({})",
    masked: "parse_ipv6_mask(ip, bits)",
    lookup_first: true,
};

impl Binder<'_> {
    /// A join of addresses with the networks they are in. Networks are few, and their prefixes fewer: each address becomes
    /// one network for each prefix that occurs, and these are joined by equality.
    fn ip_lookup(&mut self, call: &Call<'_>, input: &Rel, family: &Family) -> Bound<Rel> {
        if call.schema.is_some() {
            return self.not_supported(call.span, &format!("declared columns of {}", call.name.text));
        }
        let mut given: Vec<&ast::Expr> = Vec::new();
        let mut unmatched = false;
        for argument in call.arguments {
            let flag = match &argument.name {
                Some(name) if name.text == "return_unmatched" => true,
                Some(name) => {
                    let message = format!("{} has no argument '{}' by name", call.name.text, name.text);
                    return self.error(Code::Arguments, name.span, message);
                }
                None => matches!(argument.value.kind, ast::ExprKind::Literal(Value::Bool(_))),
            };
            if flag {
                unmatched = self.constant(&argument.value, call.scope, "return_unmatched")? == Value::Bool(true);
            } else {
                given.push(&argument.value);
            }
        }
        let [lookup, ip, network, extra @ ..] = given.as_slice() else {
            let message = format!("{} takes a table, a column of the input and a column of that table", call.name.text);
            return self.error(Code::Arguments, call.name.span, message);
        };
        let table = self.tabular(lookup, call.scope)?;
        let (ip, network) = (self.plain_column(ip, input, call)?, self.plain_column(network, &table, call)?);
        if ip.ty != Type::String || network.ty != Type::String {
            let message = format!("{} compares columns of type string", call.name.text);
            return self.error(Code::Type, call.span, message);
        }
        let place = self.place(call.span);
        let mut parts = new_parts(call);
        parts.columns = self.numbered(input, 'c', call.span);
        parts.column("ip", Expr::column(&ip, place));
        let mut networks = self.numbered(&table, 'r', call.span);
        networks.push(("net".to_owned(), Expr::column(&network, place)));
        let mut kept: Vec<&Column> = table.columns.iter().collect();
        for (index, expr) in extra.iter().enumerate() {
            let (left, right) = (self.plain_column(expr, input, call)?, self.plain_column(expr, &table, call)?);
            if left.ty != right.ty {
                let message = format!("column '{}' is of type {} here and of type {} there", left.name, left.ty, right.ty);
                return self.error(Code::Type, expr.span, message);
            }
            parts.column(&format!("d{index}"), Expr::column(&left, place));
            networks.push((format!("d{index}"), Expr::column(&right, place)));
            kept.retain(|column| column.id != right.id);
        }
        let networks = self.under_names(&table, networks, call.span);
        parts.scope = parts.scope.with("N", Binding::Table(Rc::new(networks)));
        let keys: String = (0..extra.len()).map(|index| format!(", d{index}")).collect();
        let left: Vec<String> = (0..input.columns.len()).map(|index| format!("c{index}")).collect();
        let right: Vec<String> = table
            .columns
            .iter()
            .enumerate()
            .filter(|(_, column)| kept.iter().any(|other| other.id == column.id))
            .map(|(index, _)| format!("r{index}"))
            .collect();
        let (left_names, right_names) = (input.columns.iter(), kept.iter().copied());
        let (all, names): (Vec<&str>, Vec<&Column>) = if family.lookup_first {
            let all = right.iter().chain(&left).map(String::as_str).collect();
            (all, right_names.chain(left_names).collect())
        } else {
            let all = left.iter().chain(&right).map(String::as_str).collect();
            (all, left_names.chain(right_names).collect())
        };
        let all = all.join(", ");
        let names = names.into_iter().map(|column| column.name.clone()).collect();
        let networks = format!(
            "let networks = materialize(N | extend bits = {bits}, address = {network}
                 | where isnotnull(bits) and isnotempty(address));
             let prefixes = toscalar(networks | summarize make_set(bits));",
            bits = family.bits.replace("{}", "net"),
            network = family.network.replace("{}", "net"),
        );
        let found = format!(
            "extend bits = prefixes, own = {bits} | mv-expand bits to typeof(long) | where bits <= own
             | extend address = {masked} | where isnotempty(address)
             | join kind=inner networks on bits, address{keys}",
            bits = family.bits.replace("{}", "ip"),
            masked = family.masked,
        );
        let text = if unmatched {
            let right: String = right.iter().map(|name| format!(", {name}")).collect();
            format!(
                "{networks} let rows = materialize(T);
                 let found = rows | distinct ip{keys} | {found} | project ip{keys}{right};
                 rows | join kind=leftouter found on ip{keys} | project {all}"
            )
        } else {
            format!("{networks} T | {found} | project {all}")
        };
        self.template(parts, input, &text, names)
    }
}

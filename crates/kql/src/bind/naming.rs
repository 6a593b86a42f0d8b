//! Names of result columns that the query does not name.
//!
//! A plain column keeps its name, a path joins its steps with `_`, an aggregate is prefixed (`sum_x`, `count_`),
//! everything else is numbered (`Column1`; in `print`, `print_0` by position).

use super::Binder;
use super::expr::is_reference;
use crate::bound::Column;
use crate::catalog::{Function, FunctionKind, Naming};
use crate::syntax::ast::{self, ExprKind as Ast};
use crate::types::Value;

impl Binder<'_> {
    /// The name an expression has by itself.
    pub(crate) fn name_of(&self, expr: &ast::Expr) -> Option<String> {
        match &expr.kind {
            Ast::Name(name) => Some(name.clone()),
            Ast::Member { base, member } => match &base.kind {
                Ast::Name(side) if side.starts_with('$') => Some(member.text.clone()),
                _ if is_reference(base) => Some(member.text.clone()),
                _ => self.name_of(base).map(|base| format!("{base}_{}", member.text)),
            },
            Ast::Element { base, index } => {
                if let Some(result) = self.result_name(base, index) {
                    return Some(result);
                }
                let base = self.name_of(base)?;
                match &index.kind {
                    Ast::Literal(Value::Long(i)) => Some(format!("{base}_{i}")),
                    Ast::Literal(Value::String(key)) => Some(format!("{base}_{key}")),
                    _ => Some(format!("{base}_")),
                }
            }
            Ast::Call { name, arguments } => self.call_name(&name.text, arguments),
            _ => None,
        }
    }

    fn call_name(&self, name: &str, arguments: &[ast::Argument]) -> Option<String> {
        if matches!(name, "column_ifexists" | "columnifexists") {
            return match &arguments.first()?.value.kind {
                Ast::Literal(Value::String(column)) => Some(column.clone()),
                _ => None,
            };
        }
        if name == "ingestion_time" {
            return Some("$IngestionTime".to_owned());
        }
        if name == "bin_auto" {
            return self.name_of(&arguments.first()?.value);
        }
        let catalog = self.env.catalog;
        // Of two functions of one name, the aggregate has one argument (`hll_merge`).
        let aggregate = catalog.function(FunctionKind::Aggregate, name);
        let scalar = catalog.function(FunctionKind::Scalar, name);
        let first = if arguments.len() > 1 && scalar.is_some() {
            scalar
        } else {
            aggregate
        };
        let function = first.or(scalar).or_else(|| catalog.function(FunctionKind::Window, name))?;
        match function.naming {
            Naming::Positional if ARGUMENT_NAMED.contains(&function.name) => self.name_of(&arguments.first()?.value),
            Naming::Positional if matches!(function.name, "make_datetime" | "make_timespan") && arguments.len() == 1 => {
                self.name_of(&arguments.first()?.value)
            }
            Naming::Positional => {
                let (_, prefix) = PREFIXED.iter().find(|(known, _)| *known == function.name)?;
                Some(self.prefixed(prefix, arguments))
            }
            Naming::Columns => None,
            Naming::Argument => self.name_of(&arguments.first()?.value),
            Naming::Prefix(prefix) => Some(self.prefixed(prefix, arguments)),
            Naming::Percentile | Naming::Tuple(_) => {
                let first = self.output_names(function, arguments, 1).into_iter().next();
                first.filter(|name| !name.is_empty())
            }
        }
    }

    /// `array_sort_asc(a, b)[1]`: a call of several results, and which of them.
    fn result_name(&self, call: &ast::Expr, index: &ast::Expr) -> Option<String> {
        let (Ast::Call { name, arguments }, Ast::Literal(Value::Long(index))) = (&call.kind, &index.kind) else {
            return None;
        };
        let function = self.env.catalog.function(FunctionKind::Scalar, &name.text)?;
        let index = usize::try_from(*index).ok()?;
        if !matches!(function.naming, Naming::Tuple(_)) || index >= arguments.len() {
            return None;
        }
        let names = self.output_names(function, arguments, index + 1);
        names.into_iter().nth(index).filter(|name| !name.is_empty())
    }

    fn prefixed(&self, prefix: &str, arguments: &[ast::Argument]) -> String {
        let argument = arguments
            .first()
            .and_then(|argument| self.name_of(&argument.value))
            .unwrap_or_default();
        format!("{prefix}_{argument}")
    }

    /// Names of all results of a function that has several.
    pub(crate) fn output_names(&self, function: &Function, arguments: &[ast::Argument], outputs: usize) -> Vec<String> {
        let argument = |index: usize| {
            arguments
                .get(index)
                .and_then(|argument| self.name_of(&argument.value))
                .unwrap_or_default()
        };
        match function.naming {
            Naming::Percentile => {
                // The percentiles are the last arguments, one for each result.
                let first = arguments.len().saturating_sub(outputs);
                arguments
                    .iter()
                    .skip(first)
                    .map(|percentile| format!("percentile_{}_{}", argument(0), number_name(&percentile.value)))
                    .collect()
            }
            Naming::Tuple(templates) => (0..outputs)
                .map(|index| match templates {
                    // Without a name to build on there is none.
                    [only] if only.starts_with("{}") && argument(index).is_empty() => String::new(),
                    [only] => only.replace("{}", &argument(index)),
                    _ => templates
                        .get(index)
                        .map_or_else(String::new, |name| name.replace("{}", &argument(0))),
                })
                .collect(),
            // Named after the column alone.
            Naming::Prefix(prefix) if prefix.starts_with("binary_all_") => vec![argument(0)],
            Naming::Prefix(prefix) => vec![self.prefixed(prefix, arguments)],
            _ => Vec::new(),
        }
    }
}

/// Scalar functions whose result is named after their first argument, besides those that say so in the catalogue: a fact of
/// the language that its reference does not print.
const ARGUMENT_NAMED: &[&str] = &[
    "split",
    "tohex",
    "toobject",
    "parse_csv",
    "parse_xml",
    "format_datetime",
    "format_timespan",
    "startofday",
    "bin_at",
    "bin_auto",
    "binary_and",
    "binary_or",
    "binary_xor",
    "binary_not",
    "binary_shift_right",
    "binary_shift_left",
    "bitset_count_ones",
    "series_fir",
    "series_iir",
    "series_fill_backward",
    "series_fill_forward",
    "series_fill_const",
    "series_fill_linear",
    "round",
    "ceiling",
    "pow",
    "sqrt",
    "log",
    "log2",
    "log10",
    "exp",
    "exp2",
    "exp10",
    "cos",
    "sin",
    "tan",
    "acos",
    "asin",
    "atan",
    "atan2",
    "abs",
    "rand",
    "gamma",
    "loggamma",
    "erf",
    "erfc",
    "format_bytes",
];

/// Scalar functions whose result is named after them and their first argument.
const PREFIXED: &[(&str, &str)] = &[
    ("gettype", "type"),
    ("percentile_tdigest", "percentile_tdigest"),
    ("percentiles_array_tdigest", "percentile_tdigest"),
    ("dcount_hll", "dcount_hll"),
    ("repeat", "repeat"),
    ("string_size", "string_size"),
    ("strlen", "strlen"),
    ("treepath", "tree"),
];

fn number_name(expr: &ast::Expr) -> String {
    match &expr.kind {
        Ast::Literal(Value::Long(n)) => n.to_string(),
        Ast::Literal(Value::Int(n)) => n.to_string(),
        Ast::Literal(Value::Real(n)) => identifier(&n.to_string()),
        Ast::Literal(Value::Decimal(n)) => identifier(n),
        Ast::Name(name) => name.clone(),
        _ => String::new(),
    }
}

/// Text as part of a name: what is no letter, digit or `_` becomes `_`.
fn identifier(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_alphanumeric() || c == '_' { c } else { '_' })
        .collect()
}

/// A name that no column has: the name itself, or with the first number behind it that is free.
pub(crate) fn unique<'c>(name: &str, taken: impl IntoIterator<Item = &'c Column> + Clone) -> String {
    let is_taken = |candidate: &str| taken.clone().into_iter().any(|column| column.name == candidate);
    if !is_taken(name) {
        return name.to_owned();
    }
    let mut number = 1usize;
    loop {
        let candidate = format!("{name}{number}");
        if !is_taken(&candidate) {
            return candidate;
        }
        number += 1;
    }
}

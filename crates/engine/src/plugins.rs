//! Plugins of `evaluate` that the engine has: what the language knows of them, and how their arguments are read.
//!
//! Source: Kusto Query Language reference, "evaluate plugin operator".

use taffrail_kql::bound::{Expr, OperatorArg};
use taffrail_kql::catalog::{Function, FunctionKind, Naming, Param, Signature};
use taffrail_kql::{Type, Value};

use crate::error::LowerError;

/// What the language knows of the plugins.
pub(crate) static PLUGINS: &[Function] = &[
    sugar(
        "activity_counts_metrics",
        "evaluate activity_counts_metrics(id, timeline, start, end, window, dimension, …)",
        "Records, ids and new ids for each window of time.",
    ),
    sugar(
        "ipv4_lookup",
        "evaluate ipv4_lookup(table, address, network, key, …, return_unmatched = false)",
        "Joins IPv4 addresses with the networks they are in.",
    ),
    sugar(
        "ipv6_lookup",
        "evaluate ipv6_lookup(table, address, network, key, …, return_unmatched = false)",
        "Joins IPv6 and IPv4 addresses with the networks they are in.",
    ),
    sugar("narrow", "evaluate narrow()", "A row for each cell."),
    sugar(
        "pivot",
        "evaluate pivot(column, aggregate = count(), group, …)",
        "A column for each value of a column.",
    ),
    sugar(
        "rolling_percentile",
        "evaluate rolling_percentile(value, percentile, index, bin, bins, dimension, …)",
        "A percentile in a window of bins that ends at each bin.",
    ),
    sugar(
        "rows_near",
        "evaluate rows_near(condition, rows, rowsAfter = rows)",
        "The rows around those for which a condition is true.",
    ),
    sugar(
        "sliding_window_counts",
        "evaluate sliding_window_counts(id, timeline, start, end, window, bin, dimension, …)",
        "Records and ids in a window that slides over bins of time.",
    ),
    BAG_UNPACK,
];

/// A plugin that the language rewrites, and whose arguments it checks.
const fn sugar(name: &'static str, usage: &'static str, summary: &'static str) -> Function {
    Function {
        name,
        aliases: &[],
        kind: FunctionKind::Plugin,
        usage,
        summary,
        signature: Signature::Plain {
            required: &[],
            optional: &[],
            rest: Some(Param::Any),
            returns: Type::Dynamic,
        },
        naming: Naming::Positional,
    }
}

const BAG_UNPACK: Function = Function {
    name: "bag_unpack",
    aliases: &[],
    kind: FunctionKind::Plugin,
    usage: "evaluate bag_unpack(column, prefix = '', columnsConflict = 'error', ignoredProperties = dynamic([]))",
    summary: "A column for each member of a bag.",
    signature: Signature::Plain {
        required: &[Param::Is(Type::Dynamic)],
        optional: &[Param::Is(Type::String), Param::Is(Type::String), Param::Is(Type::Dynamic)],
        rest: None,
        returns: Type::Dynamic,
    },
    naming: Naming::Positional,
};

/// The engine can find out what columns the plugin gives.
pub(crate) fn can_discover(plugin: &str) -> bool {
    matches!(plugin, "bag_unpack" | "pivot")
}

/// Arguments of `bag_unpack`.
pub(crate) struct BagUnpack<'a> {
    pub(crate) bag: &'a Expr,
    pub(crate) prefix: String,
    /// A column of the input wins over a member of its name; otherwise that is an error
    pub(crate) keep_source: bool,
    pub(crate) ignored: Vec<String>,
}

impl<'a> BagUnpack<'a> {
    pub(crate) fn new(args: &'a [OperatorArg]) -> Result<BagUnpack<'a>, LowerError> {
        let mut bag = None;
        let mut unpack_prefix = String::new();
        let mut keep_source = false;
        let mut ignored = Vec::new();
        for (position, arg) in args.iter().enumerate() {
            let (name, expr) = match arg {
                OperatorArg::Expr(expr) => {
                    let names = ["bag", "OutputColumnPrefix", "columnsConflict", "ignoredProperties"];
                    (names.get(position).copied().unwrap_or_default(), expr)
                }
                OperatorArg::List(parts) => match parts.as_slice() {
                    [OperatorArg::Name(name), OperatorArg::Expr(expr)] => (name.as_str(), expr),
                    _ => return Err(wrong()),
                },
                _ => return Err(wrong()),
            };
            match (name, expr.as_literal()) {
                ("bag", _) if expr.ty == Type::Dynamic => bag = Some(expr),
                ("OutputColumnPrefix", Some(Value::String(prefix))) => unpack_prefix.clone_from(prefix),
                ("columnsConflict", Some(Value::String(conflict))) => match conflict.as_str() {
                    "error" => {}
                    // columns that are replaced are taken out of the input by the language
                    "keep_source" | "replace_source" => keep_source = true,
                    other => {
                        let what = format!("columnsConflict='{other}' of bag_unpack");
                        return Err(LowerError::not_supported(what).at(expr.span));
                    }
                },
                ("ignoredProperties", Some(Value::Dynamic(list))) => {
                    ignored = serde_json::from_str(list).map_err(|_| wrong().at(expr.span))?;
                }
                _ => return Err(wrong().at(expr.span)),
            }
        }
        Ok(BagUnpack {
            bag: bag.ok_or_else(wrong)?,
            prefix: unpack_prefix,
            keep_source,
            ignored,
        })
    }
}

fn wrong() -> LowerError {
    LowerError::Argument(
        "bag_unpack takes a dynamic column, and perhaps constants: a prefix, columnsConflict, ignoredProperties".to_owned(),
    )
}

//! Plugins of `evaluate` whose columns only the rows can tell: how their arguments are read.
//!
//! Source: Kusto Query Language reference, "evaluate plugin operator".

use taffrail_kql::bound::{Expr, OperatorArg};
use taffrail_kql::{Type, Value};

use crate::error::LowerError;

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

//! Operators that are functions of whole relations, a file each. `taffrail_kql::bound::RelKind::Operator` says how their
//! arguments are laid out.

mod bag_unpack;
mod make_series;
mod mined;
mod parse_kv;
mod reduce;
mod scan;
mod top_nested;

use taffrail_kql::bound::{Aggregate, Expr, OperatorArg, Rel};
use taffrail_kql::{Type, Value};

use super::{Lowered, Lowering};
use crate::error::LowerError;

impl Lowering {
    pub(super) fn operator(&self, rel: &Rel, name: &str, inputs: &[Rel], args: &[OperatorArg]) -> Result<Lowered, LowerError> {
        match (name, inputs) {
            ("make-series", [input]) => self.make_series(rel, input, args),
            ("top-nested", [input]) => self.top_nested(rel, input, args),
            ("bag_unpack", [input]) => self.bag_unpack(rel, input, args),
            ("scan" | "reduce", _) => self.computed_rows(rel),
            (name, _) if crate::mining::is_mined(name) => self.computed_rows(rel),
            ("parse-kv", [input]) => self.parse_kv(rel, input, args),
            _ => Err(LowerError::not_supported(name)),
        }
    }

    /// The constant of an argument that may be left out (null then).
    fn constant_arg(&self, arg: Option<&OperatorArg>) -> Result<Value, LowerError> {
        match arg {
            Some(OperatorArg::Value(value)) => Ok(value.clone()),
            Some(OperatorArg::Expr(expr)) => self.constant(expr),
            _ => Ok(Value::Null(Type::Dynamic)),
        }
    }
}

/// The arguments are not laid out as agreed: a mistake of ours, not of the query's author.
fn layout(name: &str) -> LowerError {
    LowerError::Argument(format!("{name} cannot be planned: its arguments are not as expected"))
}

fn expr_arg<'a>(arg: Option<&'a OperatorArg>, name: &str) -> Result<&'a Expr, LowerError> {
    match arg {
        Some(OperatorArg::Expr(expr)) => Ok(expr),
        _ => Err(layout(name)),
    }
}

fn list_arg<'a>(arg: Option<&'a OperatorArg>, name: &str) -> Result<&'a [OperatorArg], LowerError> {
    match arg {
        Some(OperatorArg::List(items)) => Ok(items),
        _ => Err(layout(name)),
    }
}

fn aggregate_arg<'a>(arg: Option<&'a OperatorArg>, name: &str) -> Result<&'a Aggregate, LowerError> {
    match arg {
        Some(OperatorArg::Aggregate(aggregate)) => Ok(aggregate),
        _ => Err(layout(name)),
    }
}

fn bool_arg(arg: Option<&OperatorArg>) -> bool {
    matches!(arg, Some(OperatorArg::Value(Value::Bool(true))))
}

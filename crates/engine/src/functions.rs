//! What the language's functions are in DataFusion's expressions. Being filled from its own branch.

use datafusion::arrow::array::Array;
use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::Expr;
use taffrail_kql::catalog::{Catalog, Function, FunctionKind};
use taffrail_kql::syntax::ast::{BinaryOp, ListOp};
use taffrail_kql::{Type, Value};

use crate::error::LowerError;

struct None_;
impl Catalog for None_ {
    fn function(&self, _: FunctionKind, _: &str) -> Option<&'static Function> {
        None
    }
    fn functions(&self) -> Vec<&'static Function> {
        vec![]
    }
}

/// A step of a path into a dynamic.
pub enum PathStepLowered {
    /// Member
    Key(String),
    /// Element
    Index(i64),
    /// Either
    Expr(Expr, Type),
}

/// An aggregate.
pub struct AggregateLowered {
    /// The aggregate expression
    pub call: Expr,
    /// Each output from its result
    pub outputs: Vec<Box<dyn Fn(Expr) -> Expr>>,
}

/// The functions.
pub fn catalog() -> &'static dyn Catalog {
    &None_
}
/// Scalar
pub fn scalar(name: &str, _: Vec<Expr>, _: &[Type], _: Type) -> Result<Expr, LowerError> {
    Err(LowerError::not_supported(name))
}
/// Cast
pub fn cast(expr: Expr, _: Type, _: Type) -> Expr {
    expr
}
/// Binary
pub fn binary(op: BinaryOp, _: (Expr, Type), _: (Expr, Type)) -> Result<Expr, LowerError> {
    Err(LowerError::not_supported(format!("{op:?}")))
}
/// List
pub fn list(op: ListOp, _: (Expr, Type), _: Vec<(Expr, Type)>) -> Result<Expr, LowerError> {
    Err(LowerError::not_supported(format!("{op:?}")))
}
/// Path
pub fn path(base: Expr, _: Vec<PathStepLowered>) -> Expr {
    base
}
/// Literal
pub fn literal(_: &Value) -> Expr {
    datafusion::logical_expr::lit(1)
}
/// Null
pub fn null(_: Type) -> Expr {
    datafusion::logical_expr::lit(1)
}
/// Type
pub fn arrow_type(_: Type) -> DataType {
    DataType::Int64
}
/// Aggregate
pub fn aggregate(name: &str, _: Vec<(Expr, Type)>, _: &[Type]) -> Result<AggregateLowered, LowerError> {
    Err(LowerError::not_supported(name))
}
/// Window
pub fn window(name: &str, _: Vec<(Expr, Type)>, _: Type) -> Result<Expr, LowerError> {
    Err(LowerError::not_supported(name))
}
/// JSON
pub fn to_json(_: &dyn Array, _: usize, _: Type) -> serde_json::Value {
    serde_json::Value::Null
}

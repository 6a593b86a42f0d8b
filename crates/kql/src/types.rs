//! The scalar types of the language and the values literals have.
//!
//! Source: Kusto Query Language reference, "Scalar data types".

use std::fmt;

/// A scalar type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Type {
    /// `bool` (`boolean`)
    Bool,
    /// `int`: 32 bits
    Int,
    /// `long`: 64 bits
    Long,
    /// `real` (`double`)
    Real,
    /// `decimal`: 128 bits
    Decimal,
    /// `string`: never null
    String,
    /// `datetime` (`date`): ticks of 100 ns since 0001-01-01
    DateTime,
    /// `timespan` (`time`): ticks of 100 ns
    TimeSpan,
    /// `guid` (`uuid`, `uniqueid`)
    Guid,
    /// `dynamic`: a JSON value
    Dynamic,
}

impl Type {
    /// Every type, in the order of the reference.
    pub const ALL: [Type; 10] = [
        Type::Bool,
        Type::Int,
        Type::Long,
        Type::Real,
        Type::Decimal,
        Type::String,
        Type::DateTime,
        Type::TimeSpan,
        Type::Guid,
        Type::Dynamic,
    ];

    /// The name the language prints (`getschema`, results).
    pub fn name(self) -> &'static str {
        match self {
            Type::Bool => "bool",
            Type::Int => "int",
            Type::Long => "long",
            Type::Real => "real",
            Type::Decimal => "decimal",
            Type::String => "string",
            Type::DateTime => "datetime",
            Type::TimeSpan => "timespan",
            Type::Guid => "guid",
            Type::Dynamic => "dynamic",
        }
    }

    /// The type a name in a query means, aliases included.
    pub fn parse(name: &str) -> Option<Type> {
        Some(match name {
            "bool" | "boolean" => Type::Bool,
            "int" | "int32" => Type::Int,
            "long" | "int64" => Type::Long,
            "real" | "double" | "float" => Type::Real,
            "decimal" => Type::Decimal,
            "string" => Type::String,
            "datetime" | "date" => Type::DateTime,
            "timespan" | "time" => Type::TimeSpan,
            "guid" | "uuid" | "uniqueid" => Type::Guid,
            "dynamic" => Type::Dynamic,
            _ => return None,
        })
    }

    /// int, long, real or decimal
    pub fn is_numeric(self) -> bool {
        matches!(self, Type::Int | Type::Long | Type::Real | Type::Decimal)
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A constant.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// The null of a type; never of `string`.
    Null(Type),
    /// `true`
    Bool(bool),
    /// `int(5)`
    Int(i32),
    /// `5`
    Long(i64),
    /// `5.0`
    Real(f64),
    /// `decimal(5.1)`: digits as written, normalised to `-?digits(.digits)?`
    Decimal(String),
    /// `"text"`, unescaped
    String(String),
    /// Ticks of 100 ns since 0001-01-01T00:00:00Z
    DateTime(i64),
    /// Ticks of 100 ns
    TimeSpan(i64),
    /// Lower case, with hyphens
    Guid(String),
    /// JSON text, valid and compact, members in the order written
    Dynamic(String),
}

impl Value {
    /// The type of the value.
    pub fn ty(&self) -> Type {
        match self {
            Value::Null(ty) => *ty,
            Value::Bool(_) => Type::Bool,
            Value::Int(_) => Type::Int,
            Value::Long(_) => Type::Long,
            Value::Real(_) => Type::Real,
            Value::Decimal(_) => Type::Decimal,
            Value::String(_) => Type::String,
            Value::DateTime(_) => Type::DateTime,
            Value::TimeSpan(_) => Type::TimeSpan,
            Value::Guid(_) => Type::Guid,
            Value::Dynamic(_) => Type::Dynamic,
        }
    }
}

//! Conversions between types, and questions about values: `tostring`, `tolong`, `todatetime`, `isnull`, `gettype`,
//! `coalesce`, `max_of`, …
//!
//! Source: Kusto Query Language reference, "Conversion functions".

use arrow::array::ArrayRef;
use datafusion::common::Result;
use datafusion::logical_expr::{Expr, lit, not, when};
use taffrail_kql::catalog::{Argument, ArgumentError, Param, Resolved};
use taffrail_kql::types::{Type, Value};

use super::call::{Call, Datum};
use super::decimal;
use super::declare::{Scalar, built, custom, kernel, optional, plain};
use super::dynamic::json;
use super::{LowerError, calendar, format, parse};

use Param::Any;

/// This file's functions.
pub static FUNCTIONS: &[Scalar] = &[
    built(
        "tostring",
        "tostring(value) → string",
        "Any value as text.",
        plain(&[Any], Type::String),
        build_tostring,
    )
    .named_by_argument(),
    kernel(
        "$tostring",
        "tostring(value)",
        "Any value as text.",
        plain(&[Any], Type::String),
        to_string,
    )
    .hidden(),
    kernel(
        "tolong",
        "tolong(value) → long",
        "As a whole number of 64 bits; null when it is none.",
        plain(&[Any], Type::Long),
        to_long,
    )
    .named_by_argument(),
    kernel(
        "toint",
        "toint(value) → int",
        "As a whole number of 32 bits; null when it is none.",
        plain(&[Any], Type::Int),
        to_long,
    )
    .named_by_argument(),
    kernel(
        "todouble",
        "todouble(value) → real",
        "As a number; null when it is none.",
        plain(&[Any], Type::Real),
        to_real,
    )
    .alias(&["toreal"])
    .named_by_argument(),
    kernel(
        "todecimal",
        "todecimal(value) → decimal",
        "As an exact number; null when it is none.",
        plain(&[Any], Type::Decimal),
        to_decimal,
    )
    .named_by_argument(),
    kernel(
        "tobool",
        "tobool(value) → bool",
        "As a truth value; null when it is none.",
        plain(&[Any], Type::Bool),
        to_bool,
    )
    .alias(&["toboolean"])
    .named_by_argument(),
    kernel(
        "todatetime",
        "todatetime(value) → datetime",
        "As a point in time; null when it is none.",
        plain(&[Any], Type::DateTime),
        to_datetime,
    )
    .named_by_argument(),
    kernel(
        "totimespan",
        "totimespan(value) → timespan",
        "As a length of time; null when it is none.",
        plain(&[Any], Type::TimeSpan),
        to_timespan,
    )
    .alias(&["totime"])
    .named_by_argument(),
    kernel(
        "toguid",
        "toguid(value) → guid",
        "As a guid; null when it is none.",
        plain(&[Any], Type::Guid),
        to_guid,
    )
    .named_by_argument(),
    kernel(
        "parse_json",
        "parse_json(text) → dynamic",
        "Text read as JSON; text that is not JSON is a string.",
        plain(&[Any], Type::Dynamic),
        parse_json,
    )
    .alias(&["todynamic", "toobject", "parsejson"])
    .named_by_argument(),
    kernel(
        "$to_dynamic",
        "dynamic(value)",
        "Any value as a dynamic.",
        plain(&[Any], Type::Dynamic),
        to_dynamic,
    )
    .hidden(),
    kernel(
        "dynamic_to_json",
        "dynamic_to_json(value) → string",
        "JSON with the members in order of their names.",
        plain(&[Any], Type::String),
        dynamic_to_json,
    ),
    kernel(
        "gettype",
        "gettype(value) → string",
        "The name of the value's type.",
        plain(&[Any], Type::String),
        gettype,
    ),
    built(
        "isnull",
        "isnull(value) → bool",
        "Whether the value is null; text never is.",
        plain(&[Any], Type::Bool),
        is_null,
    ),
    built(
        "isnotnull",
        "isnotnull(value) → bool",
        "Whether the value is not null; text always is.",
        plain(&[Any], Type::Bool),
        is_not_null,
    )
    .alias(&["notnull"]),
    built(
        "isempty",
        "isempty(value) → bool",
        "Whether the value is null or empty text.",
        plain(&[Any], Type::Bool),
        is_empty,
    ),
    built(
        "isnotempty",
        "isnotempty(value) → bool",
        "Whether the value is neither null nor empty text.",
        plain(&[Any], Type::Bool),
        is_not_empty,
    )
    .alias(&["notempty"]),
    built(
        "coalesce",
        "coalesce(value, …) → value",
        "The first that is not null (of text: not empty).",
        custom(same_types),
        coalesce,
    ),
    kernel(
        "max_of",
        "max_of(value, …) → value",
        "The greatest that is not null.",
        custom(same_types),
        max_of,
    ),
    kernel(
        "min_of",
        "min_of(value, …) → value",
        "The least that is not null.",
        custom(same_types),
        min_of,
    ),
    kernel(
        "tohex",
        "tohex(value, length = 0) → string",
        "Hexadecimal digits.",
        optional(&[Param::Number], &[Param::Integer], Type::String),
        to_hex,
    ),
];

/// `tostring()` of a part of a dynamic is taken in the same walk.
fn build_tostring(args: Vec<Expr>, types: &[Type], _returns: Type) -> std::result::Result<Expr, LowerError> {
    let (Some(arg), Some(ty)) = (args.first(), types.first()) else {
        return Err(super::refuse("tostring() needs an argument"));
    };
    if *ty == Type::String {
        return Ok(arg.clone());
    }
    if let Some(("$path", types, inner)) = super::operators::as_call(arg) {
        return super::registry::scalar("$path", inner.to_vec(), &types, Type::String);
    }
    super::registry::scalar("$tostring", args, types, Type::String)
}

fn to_string(c: &Call<'_>) -> Result<ArrayRef> {
    let value = c.value(0)?;
    c.texts(|i, out| {
        format::text(value.get(i), out);
        Some(())
    })
}

fn whole_of_real(value: f64) -> Option<i64> {
    (!value.is_nan()).then_some(value as i64)
}

fn to_long(c: &Call<'_>) -> Result<ArrayRef> {
    let value = c.value(0)?;
    let int = c.returns == Type::Int;
    c.longs(|i| match value.get(i) {
        Datum::Bool(v) => Some(i64::from(v)),
        Datum::Int(v) => Some(i64::from(v)),
        Datum::Long(v) | Datum::DateTime(v) | Datum::TimeSpan(v) => Some(v),
        Datum::Real(v) => whole_of_real(v),
        Datum::Decimal(v) => decimal::to_long(v),
        Datum::String(v) if int => parse::int(v),
        Datum::String(v) => parse::long(v),
        Datum::Dynamic(v) if int => json::to_int(v),
        Datum::Dynamic(v) => json::to_long(v),
        Datum::Guid(_) | Datum::Null => None,
    })
}

fn to_real(c: &Call<'_>) -> Result<ArrayRef> {
    let value = c.value(0)?;
    c.reals(|i| match value.get(i) {
        Datum::Bool(v) => Some(f64::from(u8::from(v))),
        Datum::Int(v) => Some(f64::from(v)),
        Datum::Long(v) | Datum::DateTime(v) | Datum::TimeSpan(v) => Some(v as f64),
        Datum::Real(v) => Some(v),
        Datum::Decimal(v) => Some(decimal::to_real(v)),
        Datum::String(v) => parse::real(v),
        Datum::Dynamic(v) => json::to_real(v),
        Datum::Guid(_) | Datum::Null => None,
    })
}

fn to_decimal(c: &Call<'_>) -> Result<ArrayRef> {
    let value = c.value(0)?;
    c.decimals(|i| match value.get(i) {
        Datum::Bool(v) => Some(decimal::whole(i64::from(v))),
        Datum::Int(v) => Some(decimal::whole(i64::from(v))),
        Datum::Long(v) | Datum::DateTime(v) | Datum::TimeSpan(v) => Some(decimal::whole(v)),
        Datum::Real(v) => decimal::of_real(v),
        Datum::Decimal(v) => Some(v),
        Datum::String(v) => decimal::parse(v),
        Datum::Dynamic(v) => decimal::parse(&json::as_text(v)),
        Datum::Guid(_) | Datum::Null => None,
    })
}

fn to_bool(c: &Call<'_>) -> Result<ArrayRef> {
    let value = c.value(0)?;
    c.bools(|i| match value.get(i) {
        Datum::Bool(v) => Some(v),
        Datum::Int(v) => Some(v != 0),
        Datum::Long(v) | Datum::DateTime(v) | Datum::TimeSpan(v) => Some(v != 0),
        Datum::Real(v) => Some(v != 0.0),
        Datum::Decimal(v) => Some(v != decimal::ZERO),
        Datum::String(v) => parse::bool(v),
        Datum::Dynamic(v) => json::to_bool(v),
        Datum::Guid(_) | Datum::Null => None,
    })
}

fn ticks(value: Datum<'_>, read: fn(&str) -> Option<i64>) -> Option<i64> {
    match value {
        Datum::Int(v) => Some(i64::from(v)),
        Datum::Long(v) | Datum::DateTime(v) | Datum::TimeSpan(v) => Some(v),
        Datum::Real(v) => whole_of_real(v),
        Datum::Decimal(v) => decimal::to_long(v),
        Datum::String(v) => read(v),
        Datum::Dynamic(v) => match json::kind(v) {
            json::Kind::Number => json::to_long(v),
            json::Kind::String => read(&json::unquote(v)?),
            _ => None,
        },
        Datum::Bool(_) | Datum::Guid(_) | Datum::Null => None,
    }
}

fn to_datetime(c: &Call<'_>) -> Result<ArrayRef> {
    let value = c.value(0)?;
    c.longs(|i| ticks(value.get(i), parse::datetime).and_then(calendar::checked))
}

fn to_timespan(c: &Call<'_>) -> Result<ArrayRef> {
    let value = c.value(0)?;
    c.longs(|i| ticks(value.get(i), parse::timespan))
}

fn to_guid(c: &Call<'_>) -> Result<ArrayRef> {
    let value = c.value(0)?;
    c.texts(|i, out| {
        let guid = match value.get(i) {
            Datum::Guid(v) | Datum::String(v) => parse::guid(v)?,
            Datum::Dynamic(v) => parse::guid(&json::as_text(v))?,
            _ => return None,
        };
        out.push_str(&guid);
        Some(())
    })
}

fn parse_json(c: &Call<'_>) -> Result<ArrayRef> {
    let value = c.value(0)?;
    c.texts(|i, out| match value.get(i) {
        Datum::String(v) => json::normalize(v, out),
        Datum::Null => None,
        other => {
            json::write(other, out);
            Some(())
        }
    })
}

fn to_dynamic(c: &Call<'_>) -> Result<ArrayRef> {
    let value = c.value(0)?;
    c.texts(|i, out| match value.get(i) {
        Datum::Null => None,
        other => {
            json::write(other, out);
            Some(())
        }
    })
}

fn dynamic_to_json(c: &Call<'_>) -> Result<ArrayRef> {
    fn sorted(tree: serde_json::Value) -> serde_json::Value {
        match tree {
            serde_json::Value::Object(members) => {
                let mut members: Vec<_> = members.into_iter().map(|(k, v)| (k, sorted(v))).collect();
                members.sort_by(|a, b| a.0.cmp(&b.0));
                serde_json::Value::Object(members.into_iter().collect())
            }
            serde_json::Value::Array(items) => serde_json::Value::Array(items.into_iter().map(sorted).collect()),
            other => other,
        }
    }
    let value = c.value(0)?;
    c.texts(|i, out| {
        let text = match value.get(i) {
            Datum::Dynamic(text) => text,
            other => {
                format::text(other, out);
                return Some(());
            }
        };
        match json::kind(text) {
            json::Kind::Object | json::Kind::Array => out.push_str(&sorted(json::tree(text)).to_string()),
            _ => out.push_str(text),
        }
        Some(())
    })
}

fn gettype(c: &Call<'_>) -> Result<ArrayRef> {
    let value = c.value(0)?;
    let ty = c.ty(0);
    c.slices(|i| {
        Some(match value.get(i) {
            Datum::Dynamic(v) => json::type_name(v),
            Datum::Null if ty == Type::Dynamic => "null",
            _ => ty.name(),
        })
    })
}

fn one(args: Vec<Expr>, types: &[Type]) -> std::result::Result<(Expr, Type), LowerError> {
    match (args.into_iter().next(), types.first()) {
        (Some(arg), Some(ty)) => Ok((arg, *ty)),
        _ => Err(super::refuse("an argument is missing")),
    }
}

fn is_null(args: Vec<Expr>, types: &[Type], _returns: Type) -> std::result::Result<Expr, LowerError> {
    let (arg, ty) = one(args, types)?;
    Ok(if ty == Type::String { lit(false) } else { arg.is_null() })
}

fn is_not_null(args: Vec<Expr>, types: &[Type], _returns: Type) -> std::result::Result<Expr, LowerError> {
    let (arg, ty) = one(args, types)?;
    Ok(if ty == Type::String { lit(true) } else { arg.is_not_null() })
}

fn is_empty(args: Vec<Expr>, types: &[Type], returns: Type) -> std::result::Result<Expr, LowerError> {
    let (arg, ty) = one(args, types)?;
    let empty = super::literal(&Value::String(String::new()));
    match ty {
        Type::String => Ok(arg.eq(empty)),
        Type::Dynamic => Ok(build_tostring(vec![arg], types, returns)?.eq(empty)),
        _ => Ok(arg.is_null()),
    }
}

fn is_not_empty(args: Vec<Expr>, types: &[Type], returns: Type) -> std::result::Result<Expr, LowerError> {
    let (arg, ty) = one(args, types)?;
    match ty {
        Type::String => Ok(arg.not_eq(super::literal(&Value::String(String::new())))),
        Type::Dynamic => Ok(not(is_empty(vec![arg], types, returns)?)),
        _ => Ok(arg.is_not_null()),
    }
}

/// All arguments become the widest of their types.
pub(super) fn same_types(args: &[Argument<'_>]) -> std::result::Result<Resolved, ArgumentError> {
    let mut types = args.iter().map(|arg| arg.ty);
    let Some(first) = types.next() else {
        return Err(ArgumentError {
            argument: None,
            message: "expected at least one argument".to_owned(),
        });
    };
    let mut widest = first;
    for (index, ty) in types.enumerate() {
        widest = match (widest, ty) {
            (a, b) if a == b => a,
            (a, b) if a.is_numeric() && b.is_numeric() => a.max(b).max(Type::Int),
            (Type::Dynamic, other) | (other, Type::Dynamic) => other,
            (a, b) => {
                return Err(ArgumentError {
                    argument: Some(index + 1),
                    message: format!("expected {a} like the arguments before, got {b}"),
                });
            }
        };
    }
    Ok(Resolved::one(vec![widest; args.len()], widest))
}

fn coalesce(args: Vec<Expr>, _types: &[Type], returns: Type) -> std::result::Result<Expr, LowerError> {
    if returns != Type::String {
        return Ok(datafusion::functions::core::expr_fn::coalesce(args));
    }
    let empty = || super::literal(&Value::String(String::new()));
    let mut rest = args.into_iter().rev();
    let last = rest.next().unwrap_or_else(empty);
    rest.try_fold(last, |otherwise, arg| {
        when(arg.clone().not_eq(empty()), arg)
            .otherwise(otherwise)
            .map_err(|error| super::refuse(error.to_string()))
    })
}

fn extreme(c: &Call<'_>, greatest: bool) -> Result<ArrayRef> {
    let better = |ordering: std::cmp::Ordering| if greatest { ordering.is_gt() } else { ordering.is_lt() };
    match c.returns {
        Type::Real => {
            let columns = (0..c.count()).map(|a| c.real(a)).collect::<Result<Vec<_>>>()?;
            c.reals(|i| {
                columns.iter().filter_map(|column| column.get(i)).reduce(|best, value| {
                    if best.is_nan() || value.is_nan() {
                        f64::NAN
                    } else if better(value.total_cmp(&best)) {
                        value
                    } else {
                        best
                    }
                })
            })
        }
        Type::Decimal => {
            let columns = c.values(0)?;
            c.decimals(|i| {
                let values = columns.iter().filter_map(|column| column.decimal(i));
                if greatest { values.max() } else { values.min() }
            })
        }
        Type::String | Type::Guid | Type::Dynamic => {
            let columns = (0..c.count()).map(|a| c.text(a)).collect::<Result<Vec<_>>>()?;
            c.slices(|i| {
                let values = columns.iter().filter_map(|column| column.get(i));
                if greatest { values.max() } else { values.min() }
            })
        }
        Type::Bool => {
            let columns = (0..c.count()).map(|a| c.bool(a)).collect::<Result<Vec<_>>>()?;
            c.bools(|i| {
                let values = columns.iter().filter_map(|column| column.get(i));
                if greatest { values.max() } else { values.min() }
            })
        }
        _ => {
            let columns = (0..c.count()).map(|a| c.long(a)).collect::<Result<Vec<_>>>()?;
            c.longs(|i| {
                let values = columns.iter().filter_map(|column| column.get(i));
                if greatest { values.max() } else { values.min() }
            })
        }
    }
}

fn max_of(c: &Call<'_>) -> Result<ArrayRef> {
    extreme(c, true)
}

fn min_of(c: &Call<'_>) -> Result<ArrayRef> {
    extreme(c, false)
}

fn to_hex(c: &Call<'_>) -> Result<ArrayRef> {
    let (value, length) = (c.value(0)?, c.optional_long(1, 0)?);
    c.texts(|i, out| {
        let text = match value.get(i) {
            Datum::Int(v) => format!("{v:x}"),
            Datum::Long(v) => format!("{v:x}"),
            Datum::Real(v) => format!("{:x}", whole_of_real(v)?),
            _ => return None,
        };
        let missing = (length.get(i)?.clamp(0, 64) as usize).saturating_sub(text.len());
        out.extend(std::iter::repeat_n('0', missing));
        out.push_str(&text);
        Some(())
    })
}

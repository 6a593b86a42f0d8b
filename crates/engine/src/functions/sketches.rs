//! Values that `hll()` and `tdigest()` keep, as scalars: merged, asked for a count, a percentile, a rank.
//!
//! Source: Kusto Query Language reference, "Scalar aggregation functions".

use arrow::array::ArrayRef;
use datafusion::common::{Result, ScalarValue};
use taffrail_kql::catalog::{Argument, ArgumentError, Naming, Param, Resolved};
use taffrail_kql::types::{Type, Value};

use super::aggregates::digest::{self, Digest};
use super::aggregates::distinct;
use super::aggregates::state::Cell;
use super::call::{Call, Datum};
use super::declare::{Scalar, custom, kernel, many, optional, plain};
use super::dynamic::json;

const DYN: Param = Param::Is(Type::Dynamic);

/// This file's functions.
pub static FUNCTIONS: &[Scalar] = &[
    kernel(
        "dcount_hll",
        "dcount_hll(hll) → long",
        "The number a kept distinct count stands for.",
        plain(&[DYN], Type::Long),
        |c| {
            let kept = c.text(0)?;
            c.longs(|i| distinct::counted(kept.get(i)?))
        },
    )
    .named_as(Naming::Prefix("dcount_hll")),
    kernel(
        "hll_merge",
        "hll_merge(hll, …) → dynamic",
        "Several distinct counts as one.",
        many(&[DYN, DYN], DYN, Type::Dynamic),
        |c| merge(c, |kept| distinct::merged(kept.iter().copied())),
    )
    .named_as(Naming::Tuple(&["hll_merged_result"])),
    kernel(
        "__hll_intersection",
        "__hll_intersection(hll, …) → long",
        "How many values several distinct counts have in common.",
        many(&[DYN], DYN, Type::Long),
        |c| {
            let kept = (0..c.count()).map(|index| c.text(index)).collect::<Result<Vec<_>>>()?;
            c.longs(|i| distinct::in_common(&kept.iter().map(|text| text.get(i)).collect::<Option<Vec<_>>>()?))
        },
    )
    .hidden(),
    kernel(
        "hll_isvalid",
        "hll_isvalid(value) → bool",
        "Whether it is a kept distinct count.",
        optional(&[DYN], &[Param::Any], Type::Bool),
        |c| {
            let kept = c.text(0)?;
            c.bools(|i| Some(kept.get(i).and_then(distinct::counted).is_some()))
        },
    ),
    kernel(
        "merge_tdigest",
        "merge_tdigest(digest, …) → dynamic",
        "Several digests as one.",
        many(&[DYN, DYN], DYN, Type::Dynamic),
        |c| merge(c, |kept| digest::merged(kept.iter().copied())),
    )
    .alias(&["tdigest_merge", "merge_tdigests"])
    .named_as(Naming::Tuple(&["tdigests_merge_result"])),
    kernel(
        "tdigest_isvalid",
        "tdigest_isvalid(value) → bool",
        "Whether it is a digest.",
        optional(&[DYN], &[Param::Any], Type::Bool),
        |c| {
            let kept = c.text(0)?;
            c.bools(|i| Some(kept.get(i).and_then(Digest::parse).is_some()))
        },
    ),
    kernel(
        "percentile_tdigest",
        "percentile_tdigest(digest, percentage, typeof(type)) → dynamic, or the type",
        "The value that so many percent are not above.",
        custom(percentile_types),
        percentile,
    )
    .named_as(Naming::Prefix("percentile_tdigest")),
    kernel(
        "percentiles_array_tdigest",
        "percentiles_array_tdigest(digest, percentage, …) → dynamic",
        "Several percentiles as an array.",
        custom(percentiles_types),
        percentiles,
    )
    .alias(&["percentile_array_tdigest"])
    .named_as(Naming::Prefix("percentile_tdigest")),
    kernel(
        "percentrank_tdigest",
        "percentrank_tdigest(digest, value) → real",
        "How many percent are not above a value.",
        plain(&[DYN, Param::Any], Type::Real),
        |c| rank(c, Digest::percent_rank),
    ),
    kernel(
        "rank_tdigest",
        "rank_tdigest(digest, value) → real",
        "How many values are not above one.",
        plain(&[DYN, Param::Any], Type::Real),
        |c| rank(c, Digest::rank),
    ),
];

fn merge(c: &Call<'_>, merged: impl Fn(&[&str]) -> Option<String>) -> Result<ArrayRef> {
    let kept = (0..c.count()).map(|index| c.text(index)).collect::<Result<Vec<_>>>()?;
    c.texts(|i, out| {
        let texts: Vec<&str> = kept.iter().filter_map(|text| text.get(i)).collect();
        out.push_str(&merged(&texts)?);
        Some(())
    })
}

fn percentile_types(args: &[Argument<'_>]) -> std::result::Result<Resolved, ArgumentError> {
    match args {
        [_, _] => Ok(Resolved::one(vec![Type::Dynamic, Type::Real], Type::Dynamic)),
        [_, _, ty] => {
            let returns = match ty.literal {
                Some(Value::String(name)) => Type::parse(name),
                _ => None,
            };
            let returns = returns.ok_or_else(|| ArgumentError {
                argument: Some(2),
                message: "expected typeof(type)".to_owned(),
            })?;
            Ok(Resolved::one(vec![Type::Dynamic, Type::Real, Type::String], returns))
        }
        _ => Err(ArgumentError {
            argument: None,
            message: "expected a digest, a percentage and perhaps typeof(type)".to_owned(),
        }),
    }
}

/// Percentages one by one or as an array; behind an array perhaps `typeof(type)`.
fn percentiles_types(args: &[Argument<'_>]) -> std::result::Result<Resolved, ArgumentError> {
    let Some((_, rest)) = args.split_first().filter(|(_, rest)| !rest.is_empty()) else {
        return Err(ArgumentError {
            argument: None,
            message: "expected a digest and percentages".to_owned(),
        });
    };
    let mut params = vec![Type::Dynamic];
    params.extend(rest.iter().map(|arg| match arg.ty {
        ty @ (Type::Dynamic | Type::String) => ty,
        _ => Type::Real,
    }));
    Ok(Resolved::one(params, Type::Dynamic))
}

fn percentile(c: &Call<'_>) -> Result<ArrayRef> {
    let (kept, percentage) = (c.text(0)?, c.real(1)?);
    let value = |i: usize| {
        let digest = Digest::parse(kept.get(i)?)?;
        Some((digest.ty(), digest.percentile(percentage.get(i)?)?))
    };
    if c.returns == Type::Dynamic {
        return c.texts(|i, out| {
            let (ty, value) = value(i)?;
            json::write(value.datum(ty), out);
            Some(())
        });
    }
    let values = (0..c.rows).map(|i| {
        let cell = value(i).map_or(Cell::Null, |(_, value)| converted(&value, c.returns));
        cell.scalar(c.returns)
    });
    ScalarValue::iter_to_array(values)
}

/// A value of a digest as another type.
fn converted(value: &Cell, ty: Type) -> Cell {
    match (value, ty) {
        (Cell::Real(v), Type::Int | Type::Long | Type::DateTime | Type::TimeSpan) if v.is_finite() => Cell::Long(*v as i64),
        (Cell::Long(_), Type::Int | Type::Long | Type::DateTime | Type::TimeSpan) => value.clone(),
        (Cell::Long(_) | Cell::Real(_), Type::Real) => Cell::Real(value.real()),
        (Cell::Long(_) | Cell::Real(_), Type::Decimal) => super::decimal::of_real(value.real()).map_or(Cell::Null, Cell::Decimal),
        _ => Cell::Null,
    }
}

fn percentiles(c: &Call<'_>) -> Result<ArrayRef> {
    let kept = c.text(0)?;
    let percentages = c.values(1)?;
    c.texts(|i, out| {
        let digest = Digest::parse(kept.get(i)?)?;
        let mut wanted: Vec<f64> = Vec::new();
        for column in &percentages {
            match column.get(i) {
                Datum::Real(v) => wanted.push(v),
                Datum::Dynamic(array) => wanted.extend(json::elements(array)?.filter_map(json::to_real)),
                _ => {}
            }
        }
        out.push('[');
        for (index, percentage) in wanted.into_iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            let value = digest.percentile(percentage)?;
            json::write(value.datum(digest.ty()), out);
        }
        out.push(']');
        Some(())
    })
}

fn rank(c: &Call<'_>, rank: impl Fn(&Digest, Datum<'_>) -> Option<f64>) -> Result<ArrayRef> {
    let (kept, value) = (c.text(0)?, c.value(1)?);
    c.reals(|i| rank(&Digest::parse(kept.get(i)?)?, value.get(i)))
}

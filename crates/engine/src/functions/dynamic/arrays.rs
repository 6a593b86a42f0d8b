//! Functions over arrays: `array_*`, `set_*`, `pack_array`, `zip`, `range`, `jaccard_index`.

use std::collections::HashSet;

use arrow::array::ArrayRef;
use datafusion::common::Result;
use taffrail_kql::catalog::{Argument, ArgumentError, Naming, Param, Resolved};
use taffrail_kql::types::Type;

use super::super::calendar;
use super::super::call::{Call, Datum, Values};
use super::super::declare::{Scalar, custom, kernel, many, optional, plain};
use super::super::{format, parse};
use super::json::{self, Kind};

use Param::{Any, Integer, Is};

const DYN: Param = Is(Type::Dynamic);

const SORTED: Naming = Naming::Tuple(&["{}_sorted"]);

/// This file's functions.
pub static FUNCTIONS: &[Scalar] = &[
    kernel(
        "array_length",
        "array_length(array) → long",
        "Number of elements; null when it is not an array.",
        plain(&[DYN], Type::Long),
        length,
    )
    .alias(&["arraylength"]),
    kernel(
        "array_concat",
        "array_concat(array, …) → dynamic",
        "One array of the elements of all.",
        many(&[DYN], DYN, Type::Dynamic),
        concat,
    ),
    kernel(
        "array_slice",
        "array_slice(array, start, end) → dynamic",
        "The elements from start to end, both included; negative positions count from the end.",
        plain(&[DYN, Integer, Integer], Type::Dynamic),
        slice,
    ),
    kernel(
        "array_split",
        "array_split(array, indices) → dynamic",
        "The array cut before each index.",
        plain(&[DYN, Any], Type::Dynamic),
        split,
    ),
    kernel(
        "array_reverse",
        "array_reverse(array) → dynamic",
        "The elements in reverse order.",
        plain(&[DYN], Type::Dynamic),
        reverse,
    ),
    kernel(
        "array_sort_asc",
        "array_sort_asc(array, …, nulls_last = true) → dynamic",
        "Sorts the first array ascending and the others along with it.",
        custom(sort_types),
        sort_asc,
    )
    .named_as(SORTED),
    kernel(
        "array_sort_desc",
        "array_sort_desc(array, …, nulls_last = true) → dynamic",
        "Sorts the first array descending and the others along with it.",
        custom(sort_types),
        sort_desc,
    )
    .named_as(SORTED),
    kernel(
        "array_sum",
        "array_sum(array) → real",
        "Sum of the elements; null when one is not a number.",
        plain(&[DYN], Type::Real),
        sum,
    ),
    kernel(
        "array_index_of",
        "array_index_of(array, value, start = 0, length = -1, occurrence = 1) → long",
        "Position of a value; -1 when it is not there.",
        optional(&[DYN, Any], &[Integer, Integer, Integer], Type::Long),
        index_of,
    ),
    kernel(
        "array_iff",
        "array_iff(conditions, if_true, if_false) → dynamic",
        "Element by element: one or the other.",
        plain(&[DYN, Any, Any], Type::Dynamic),
        iff,
    )
    .alias(&["array_iif"]),
    kernel(
        "array_rotate_left",
        "array_rotate_left(array, count) → dynamic",
        "Moves elements to the left, those that fall off come back at the end.",
        plain(&[DYN, Integer], Type::Dynamic),
        rotate_left,
    ),
    kernel(
        "array_rotate_right",
        "array_rotate_right(array, count) → dynamic",
        "Moves elements to the right, those that fall off come back at the front.",
        plain(&[DYN, Integer], Type::Dynamic),
        rotate_right,
    ),
    kernel(
        "array_shift_left",
        "array_shift_left(array, count, fill = null) → dynamic",
        "Moves elements to the left and fills up.",
        optional(&[DYN, Integer], &[Any], Type::Dynamic),
        shift_left,
    ),
    kernel(
        "array_shift_right",
        "array_shift_right(array, count, fill = null) → dynamic",
        "Moves elements to the right and fills up.",
        optional(&[DYN, Integer], &[Any], Type::Dynamic),
        shift_right,
    ),
    kernel(
        "pack_array",
        "pack_array(value, …) → dynamic",
        "An array of the values.",
        many(&[], Any, Type::Dynamic),
        pack_array,
    ),
    kernel(
        "repeat",
        "repeat(value, count) → dynamic",
        "An array of one value, repeated.",
        plain(&[Any, Integer], Type::Dynamic),
        repeat,
    ),
    kernel(
        "range",
        "range(start, stop, step = 1) → dynamic",
        "An array of equally spaced values.",
        custom(range_types),
        range,
    ),
    kernel(
        "zip",
        "zip(array, …) → dynamic",
        "An array of arrays: the first elements, the second ones, …",
        many(&[DYN, DYN], DYN, Type::Dynamic),
        zip,
    ),
    kernel(
        "set_union",
        "set_union(array, …) → dynamic",
        "The distinct elements of all arrays.",
        many(&[DYN], DYN, Type::Dynamic),
        set_union,
    ),
    kernel(
        "set_intersect",
        "set_intersect(array, …) → dynamic",
        "The distinct elements that are in every array.",
        many(&[DYN, DYN], DYN, Type::Dynamic),
        set_intersect,
    ),
    kernel(
        "set_difference",
        "set_difference(array, …) → dynamic",
        "The distinct elements of the first array that are in none of the others.",
        many(&[DYN, DYN], DYN, Type::Dynamic),
        set_difference,
    ),
    kernel(
        "set_equals",
        "set_equals(array1, array2) → bool",
        "Whether two arrays have the same distinct elements.",
        plain(&[DYN, DYN], Type::Bool),
        set_equals,
    ),
    kernel(
        "set_has_element",
        "set_has_element(array, value) → bool",
        "Whether the array has the value.",
        plain(&[DYN, Any], Type::Bool),
        set_has_element,
    ),
    kernel(
        "jaccard_index",
        "jaccard_index(set1, set2) → dynamic",
        "Size of the intersection over size of the union.",
        plain(&[DYN, DYN], Type::Dynamic),
        jaccard,
    ),
    kernel(
        "$in_array",
        "value in (array)",
        "Membership in a dynamic array.",
        plain(&[Any, DYN], Type::Bool),
        in_array,
    )
    .hidden(),
];

fn list(json: Option<&str>) -> Option<Vec<&str>> {
    json::elements(json?).map(Iterator::collect)
}

/// Writes an array of JSON texts.
pub fn write_array<'a>(items: impl IntoIterator<Item = &'a str>, out: &mut String) {
    out.push('[');
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        out.push_str(item);
    }
    out.push(']');
}

fn value_json(values: &Values<'_>, row: usize) -> String {
    let mut out = String::new();
    json::write(values.get(row), &mut out);
    out
}

fn length(c: &Call<'_>) -> Result<ArrayRef> {
    let array = c.text(0)?;
    c.longs(|i| Some(json::elements(array.get(i)?)?.count() as i64))
}

fn concat(c: &Call<'_>) -> Result<ArrayRef> {
    let arrays = (0..c.count()).map(|a| c.text(a)).collect::<Result<Vec<_>>>()?;
    c.texts(|i, out| {
        let mut all = Vec::new();
        for array in &arrays {
            all.extend(list(array.get(i))?);
        }
        write_array(all, out);
        Some(())
    })
}

fn slice(c: &Call<'_>) -> Result<ArrayRef> {
    let (array, start, end) = (c.text(0)?, c.long(1)?, c.long(2)?);
    c.texts(|i, out| {
        let items = list(array.get(i))?;
        let count = items.len() as i64;
        let from_end = |at: i64| if at < 0 { at + count } else { at };
        let first = from_end(start.get(i)?).max(0);
        let last = from_end(end.get(i)?).min(count - 1);
        let part = if first > last {
            &[][..]
        } else {
            items.get(first as usize..=last as usize)?
        };
        write_array(part.iter().copied(), out);
        Some(())
    })
}

fn split(c: &Call<'_>) -> Result<ArrayRef> {
    let (array, at) = (c.text(0)?, c.value(1)?);
    c.texts(|i, out| {
        let items = list(array.get(i))?;
        let text = &value_json(&at, i);
        let cuts: Vec<i64> = match json::elements(text) {
            Some(elements) => elements.filter_map(json::to_long).collect(),
            None => vec![json::to_long(text)?],
        };
        let mut start = 0;
        out.push('[');
        for cut in cuts {
            let cut = if cut < 0 { cut + items.len() as i64 } else { cut };
            let cut = (cut.max(0) as usize).clamp(start, items.len());
            write_array(items.get(start..cut)?.iter().copied(), out);
            out.push(',');
            start = cut;
        }
        write_array(items.get(start..)?.iter().copied(), out);
        out.push(']');
        Some(())
    })
}

fn reverse(c: &Call<'_>) -> Result<ArrayRef> {
    let array = c.text(0)?;
    c.texts(|i, out| {
        write_array(list(array.get(i))?.into_iter().rev(), out);
        Some(())
    })
}

fn sort_types(args: &[Argument<'_>]) -> std::result::Result<Resolved, ArgumentError> {
    if args.is_empty() {
        return Err(ArgumentError {
            argument: None,
            message: "expected at least one array".to_owned(),
        });
    }
    let last = args.len() - 1;
    let params = args
        .iter()
        .enumerate()
        .map(|(at, arg)| {
            if at == last && at > 0 && arg.ty == Type::Bool {
                Type::Bool
            } else {
                Type::Dynamic
            }
        })
        .collect::<Vec<_>>();
    // Sorting several arrays together gives one column each.
    let arrays = params.iter().filter(|ty| **ty == Type::Dynamic).count();
    Ok(Resolved {
        params,
        returns: vec![Type::Dynamic; arrays],
    })
}

fn sort(c: &Call<'_>, descending: bool) -> Result<ArrayRef> {
    let last = c.count() - 1;
    let has_flag = c.ty(last) == Type::Bool && last > 0;
    let nulls_last = if has_flag {
        c.bool(last)?
    } else {
        c.optional_bool(c.count(), true)?
    };
    let arrays = (0..c.count() - usize::from(has_flag))
        .map(|a| c.text(a))
        .collect::<Result<Vec<_>>>()?;
    c.texts(|i, out| {
        let keys = list(arrays.first()?.get(i))?;
        let nulls_last = nulls_last.get(i).unwrap_or(true);
        let mut order: Vec<usize> = (0..keys.len()).collect();
        order.sort_by(|&a, &b| {
            let (a, b) = (keys.get(a).copied().unwrap_or("null"), keys.get(b).copied().unwrap_or("null"));
            match (a == "null", b == "null") {
                (true, true) => std::cmp::Ordering::Equal,
                (true, false) => {
                    if nulls_last {
                        std::cmp::Ordering::Greater
                    } else {
                        std::cmp::Ordering::Less
                    }
                }
                (false, true) => {
                    if nulls_last {
                        std::cmp::Ordering::Less
                    } else {
                        std::cmp::Ordering::Greater
                    }
                }
                _ if descending => json::compare(b, a),
                _ => json::compare(a, b),
            }
        });
        let write_sorted = |items: &[&str], out: &mut String| {
            if items.len() == order.len() {
                write_array(order.iter().filter_map(|&at| items.get(at).copied()), out);
            } else {
                out.push_str("null");
            }
        };
        if let [_] = arrays.as_slice() {
            write_sorted(&keys, out);
            return Some(());
        }
        // Several arrays: an array of the sorted ones, taken apart by whoever gives each a column.
        out.push('[');
        for (n, array) in arrays.iter().enumerate() {
            if n > 0 {
                out.push(',');
            }
            write_sorted(&list(array.get(i)).unwrap_or_default(), out);
        }
        out.push(']');
        Some(())
    })
}

fn sort_asc(c: &Call<'_>) -> Result<ArrayRef> {
    sort(c, false)
}

fn sort_desc(c: &Call<'_>) -> Result<ArrayRef> {
    sort(c, true)
}

fn sum(c: &Call<'_>) -> Result<ArrayRef> {
    let array = c.text(0)?;
    c.reals(|i| {
        let mut sum = 0.0;
        for item in json::elements(array.get(i)?)? {
            match json::kind(item) {
                Kind::Null => {}
                Kind::Number | Kind::Bool => sum += json::to_real(item)?,
                _ => return None,
            }
        }
        Some(sum)
    })
}

fn index_of(c: &Call<'_>) -> Result<ArrayRef> {
    let (array, value) = (c.text(0)?, c.value(1)?);
    let (start, length, occurrence) = (c.optional_long(2, 0)?, c.optional_long(3, -1)?, c.optional_long(4, 1)?);
    c.longs(|i| {
        let items = list(array.get(i))?;
        let wanted = value_json(&value, i);
        let count = items.len() as i64;
        let start = start.get(i)?;
        let start = if start < 0 { (start + count).max(0) } else { start };
        let length = length.get(i)?;
        let mut left = occurrence.get(i)?;
        if left < 1 || length < -1 {
            return None;
        }
        let end = if length < 0 { count } else { (start + length).min(count) };
        for at in start..end {
            if items.get(at as usize).is_some_and(|item| json::equal(item, &wanted)) {
                left -= 1;
                if left == 0 {
                    return Some(at);
                }
            }
        }
        Some(-1)
    })
}

fn truth(item: &str) -> Option<bool> {
    match json::kind(item) {
        Kind::Bool | Kind::Number => json::to_bool(item),
        _ => None,
    }
}

fn iff(c: &Call<'_>) -> Result<ArrayRef> {
    let (conditions, yes, no) = (c.text(0)?, c.value(1)?, c.value(2)?);
    c.texts(|i, out| {
        let items = list(conditions.get(i))?;
        let (yes, no) = (value_json(&yes, i), value_json(&no, i));
        let pick = |json: &str, at: usize| -> String {
            match json::elements(json) {
                Some(mut elements) => elements.nth(at).unwrap_or("null").to_owned(),
                None => json.to_owned(),
            }
        };
        let picked: Vec<String> = items
            .iter()
            .enumerate()
            .map(|(at, item)| match truth(item) {
                Some(true) => pick(&yes, at),
                Some(false) => pick(&no, at),
                None => "null".to_owned(),
            })
            .collect();
        write_array(picked.iter().map(String::as_str), out);
        Some(())
    })
}

fn rotate(c: &Call<'_>, sign: i64) -> Result<ArrayRef> {
    let (array, by) = (c.text(0)?, c.long(1)?);
    c.texts(|i, out| {
        let mut items = list(array.get(i))?;
        if !items.is_empty() {
            let by = (sign * by.get(i)?).rem_euclid(items.len() as i64) as usize;
            items.rotate_left(by);
        }
        write_array(items, out);
        Some(())
    })
}

fn rotate_left(c: &Call<'_>) -> Result<ArrayRef> {
    rotate(c, 1)
}

fn rotate_right(c: &Call<'_>) -> Result<ArrayRef> {
    rotate(c, -1)
}

fn shift(c: &Call<'_>, sign: i64) -> Result<ArrayRef> {
    let (array, by) = (c.text(0)?, c.long(1)?);
    let fill = if c.count() > 2 { Some(c.value(2)?) } else { None };
    c.texts(|i, out| {
        let items = list(array.get(i))?;
        let by = sign * by.get(i)?;
        let fill = fill.map_or_else(|| "null".to_owned(), |values| value_json(&values, i));
        let shifted = (0..items.len() as i64).map(|at| {
            at.checked_add(by)
                .and_then(|from| usize::try_from(from).ok())
                .and_then(|from| items.get(from).copied())
                .unwrap_or(&fill)
        });
        write_array(shifted, out);
        Some(())
    })
}

fn shift_left(c: &Call<'_>) -> Result<ArrayRef> {
    shift(c, 1)
}

fn shift_right(c: &Call<'_>) -> Result<ArrayRef> {
    shift(c, -1)
}

fn pack_array(c: &Call<'_>) -> Result<ArrayRef> {
    let values = c.values(0)?;
    c.texts(|i, out| {
        out.push('[');
        for (n, value) in values.iter().enumerate() {
            if n > 0 {
                out.push(',');
            }
            json::write(value.get(i), out);
        }
        out.push(']');
        Some(())
    })
}

fn repeat(c: &Call<'_>) -> Result<ArrayRef> {
    let (value, count) = (c.value(0)?, c.long(1)?);
    c.texts(|i, out| {
        let item = value_json(&value, i);
        let count = count.get(i)?.clamp(0, MAX_ELEMENTS as i64) as usize;
        write_array(std::iter::repeat_n(item.as_str(), count), out);
        Some(())
    })
}

/// The most elements an array made by `range()` or `repeat()` has, as in Kusto.
const MAX_ELEMENTS: usize = 1_048_576;

fn range_types(args: &[Argument<'_>]) -> std::result::Result<Resolved, ArgumentError> {
    if !(2..=3).contains(&args.len()) {
        return Err(ArgumentError {
            argument: None,
            message: "expected a start, a stop and perhaps a step".to_owned(),
        });
    }
    let step = args.get(2).map(|arg| arg.ty);
    let types: Vec<Type> = args.iter().map(|arg| arg.ty).collect();
    let ends = match types.as_slice() {
        [Type::DateTime, ..] => (Type::DateTime, Type::TimeSpan),
        [Type::TimeSpan, ..] => (Type::TimeSpan, Type::TimeSpan),
        all if all.contains(&Type::Real) || all.contains(&Type::Decimal) => (Type::Real, Type::Real),
        _ => (Type::Long, Type::Long),
    };
    let mut params = vec![ends.0, ends.0];
    if step.is_some() {
        params.push(ends.1);
    }
    Ok(Resolved::one(params, Type::Dynamic))
}

fn range(c: &Call<'_>) -> Result<ArrayRef> {
    let ty = c.ty(0);
    if ty == Type::Real {
        let (start, stop) = (c.real(0)?, c.real(1)?);
        let step = if c.count() > 2 { Some(c.real(2)?) } else { None };
        return c.texts(|i, out| {
            let (start, stop) = (start.get(i)?, stop.get(i)?);
            let step = step.map_or(Some(1.0), |s| s.get(i))?;
            out.push('[');
            for n in 0..MAX_ELEMENTS {
                let value = start + n as f64 * step;
                if step == 0.0 || (step > 0.0 && value > stop) || (step < 0.0 && value < stop) || value.is_nan() {
                    break;
                }
                if n > 0 {
                    out.push(',');
                }
                json::write_real(value, out);
            }
            out.push(']');
            Some(())
        });
    }
    let (start, stop) = (c.long(0)?, c.long(1)?);
    let default = match ty {
        Type::DateTime | Type::TimeSpan => calendar::HOUR,
        _ => 1,
    };
    let step = c.optional_long(2, default)?;
    c.texts(|i, out| {
        let (mut value, stop, step) = (start.get(i)?, stop.get(i)?, step.get(i)?);
        out.push('[');
        for n in 0..MAX_ELEMENTS {
            if step == 0 || (step > 0 && value > stop) || (step < 0 && value < stop) {
                break;
            }
            if n > 0 {
                out.push(',');
            }
            json::write(
                match ty {
                    Type::DateTime => Datum::DateTime(value),
                    Type::TimeSpan => Datum::TimeSpan(value),
                    _ => Datum::Long(value),
                },
                out,
            );
            match value.checked_add(step) {
                Some(next) => value = next,
                None => break,
            }
        }
        out.push(']');
        Some(())
    })
}

fn zip(c: &Call<'_>) -> Result<ArrayRef> {
    let arrays = (0..c.count()).map(|a| c.text(a)).collect::<Result<Vec<_>>>()?;
    c.texts(|i, out| {
        let lists = arrays
            .iter()
            .map(|array| array.get(i).map(|text| list(Some(text)).unwrap_or_else(|| vec![text])))
            .collect::<Option<Vec<_>>>()?;
        let longest = lists.iter().map(Vec::len).max().unwrap_or(0);
        out.push('[');
        for at in 0..longest {
            if at > 0 {
                out.push(',');
            }
            write_array(lists.iter().map(|list| list.get(at).copied().unwrap_or("null")), out);
        }
        out.push(']');
        Some(())
    })
}

/// Distinct elements in order of appearance.
fn distinct<'a>(items: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = HashSet::new();
    items.filter(|item| seen.insert(*item)).collect()
}

fn set_union(c: &Call<'_>) -> Result<ArrayRef> {
    let arrays = (0..c.count()).map(|a| c.text(a)).collect::<Result<Vec<_>>>()?;
    c.texts(|i, out| {
        let lists = arrays.iter().map(|array| list(array.get(i))).collect::<Option<Vec<_>>>()?;
        write_array(distinct(lists.into_iter().flatten()), out);
        Some(())
    })
}

fn set_intersect(c: &Call<'_>) -> Result<ArrayRef> {
    let arrays = (0..c.count()).map(|a| c.text(a)).collect::<Result<Vec<_>>>()?;
    c.texts(|i, out| {
        let lists = arrays.iter().map(|array| list(array.get(i))).collect::<Option<Vec<_>>>()?;
        let (first, rest) = lists.split_first()?;
        let rest: Vec<HashSet<&str>> = rest.iter().map(|list| list.iter().copied().collect()).collect();
        let common = first.iter().copied().filter(|item| rest.iter().all(|set| set.contains(item)));
        write_array(distinct(common), out);
        Some(())
    })
}

fn set_difference(c: &Call<'_>) -> Result<ArrayRef> {
    let arrays = (0..c.count()).map(|a| c.text(a)).collect::<Result<Vec<_>>>()?;
    c.texts(|i, out| {
        let lists = arrays.iter().map(|array| list(array.get(i))).collect::<Option<Vec<_>>>()?;
        let (first, rest) = lists.split_first()?;
        let gone: HashSet<&str> = rest.iter().flatten().copied().collect();
        write_array(distinct(first.iter().copied().filter(|item| !gone.contains(item))), out);
        Some(())
    })
}

fn set_equals(c: &Call<'_>) -> Result<ArrayRef> {
    let (a, b) = (c.text(0)?, c.text(1)?);
    c.bools(|i| {
        let (a, b): (HashSet<&str>, HashSet<&str>) = (list(a.get(i))?.into_iter().collect(), list(b.get(i))?.into_iter().collect());
        Some(a == b)
    })
}

fn set_has_element(c: &Call<'_>) -> Result<ArrayRef> {
    let (array, value) = (c.text(0)?, c.value(1)?);
    c.bools(|i| {
        let wanted = value_json(&value, i);
        Some(json::elements(array.get(i)?)?.any(|item| json::equal(item, &wanted)))
    })
}

fn jaccard(c: &Call<'_>) -> Result<ArrayRef> {
    let (a, b) = (c.text(0)?, c.text(1)?);
    c.texts(|i, out| {
        let (a, b): (HashSet<&str>, HashSet<&str>) = (list(a.get(i))?.into_iter().collect(), list(b.get(i))?.into_iter().collect());
        let common = a.intersection(&b).count();
        let all = a.union(&b).count();
        json::write_real(common as f64 / all as f64, out);
        Some(())
    })
}

/// Whether a value equals one element, each read as the value's type.
fn in_array(c: &Call<'_>) -> Result<ArrayRef> {
    let (value, array) = (c.value(0)?, c.text(1)?);
    c.bools(|i| {
        let value = value.get(i);
        let text = array.get(i).unwrap_or("null");
        let single = [text];
        let mut elements: Box<dyn Iterator<Item = &str>> = match json::elements(text) {
            Some(elements) => Box::new(elements),
            None => Box::new(single.into_iter()),
        };
        Some(match value {
            Datum::Null => false,
            Datum::String(v) | Datum::Guid(v) => elements.any(|item| json::as_text(item) == v),
            Datum::Bool(v) => elements.any(|item| json::to_bool(item) == Some(v)),
            Datum::Int(v) => elements.any(|item| json::to_long(item) == Some(i64::from(v))),
            Datum::Long(v) => elements.any(|item| json::to_long(item) == Some(v)),
            Datum::Real(v) => elements.any(|item| json::to_real(item) == Some(v)),
            Datum::Decimal(v) => elements.any(|item| super::super::decimal::parse(&json::as_text(item)) == Some(v)),
            Datum::DateTime(v) => elements.any(|item| parse::datetime(&json::as_text(item)) == Some(v)),
            Datum::TimeSpan(v) => elements.any(|item| parse::timespan(&json::as_text(item)) == Some(v)),
            Datum::Dynamic(v) => {
                let mut text = String::new();
                format::text(Datum::Dynamic(v), &mut text);
                elements.any(|item| json::as_text(item) == text)
            }
        })
    })
}

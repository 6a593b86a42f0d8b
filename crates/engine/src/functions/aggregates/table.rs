//! The aggregates, each declared once.

use taffrail_kql::catalog::{Function, FunctionKind, Naming, Resolve, Signature};

use super::state::NewState;
use super::{args, collect, digest, distinct, numbers, percentiles, rows};

/// How an aggregate is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// DataFusion's count
    Count,
    /// DataFusion's sum
    Sum,
    /// DataFusion's average for int and real, a state for others
    Average,
    /// DataFusion's minimum, a state for real (NaN)
    Least,
    /// DataFusion's maximum, a state for real (NaN)
    Greatest,
    /// A state
    Own,
}

/// An aggregate.
#[derive(Debug)]
pub struct Entry {
    /// What the language knows
    pub function: Function,
    /// How it is computed
    pub kind: Kind,
    /// Its state, if it has one
    pub state: Option<NewState>,
    /// Which argument is a predicate on rows
    pub predicate: Option<usize>,
}

const fn entry(
    name: &'static str,
    usage: &'static str,
    summary: &'static str,
    resolve: Resolve,
    naming: Naming,
    kind: Kind,
    state: Option<NewState>,
) -> Entry {
    Entry {
        function: Function {
            name,
            aliases: &[],
            kind: FunctionKind::Aggregate,
            usage,
            summary,
            signature: Signature::Custom(resolve),
            naming,
        },
        kind,
        state,
        predicate: None,
    }
}

const fn own(name: &'static str, usage: &'static str, summary: &'static str, resolve: Resolve, naming: Naming, state: NewState) -> Entry {
    entry(name, usage, summary, resolve, naming, Kind::Own, Some(state))
}

impl Entry {
    const fn alias(mut self, aliases: &'static [&'static str]) -> Entry {
        self.function.aliases = aliases;
        self
    }

    const fn predicate(mut self, index: usize) -> Entry {
        self.predicate = Some(index);
        self
    }
}

use Naming::{Columns, Percentile, Prefix};

/// All of them.
pub static TABLE: &[Entry] = &[
    entry(
        "count",
        "count() → long",
        "Number of rows.",
        args::count,
        Prefix("count"),
        Kind::Count,
        None,
    ),
    entry(
        "cnt",
        "cnt() → long",
        "Number of rows.",
        args::count,
        Prefix("cnt"),
        Kind::Count,
        None,
    ),
    entry(
        "countif",
        "countif(predicate) → long",
        "Number of rows for which it is true.",
        args::countif,
        Prefix("countif"),
        Kind::Count,
        None,
    )
    .predicate(0),
    entry("sum", "sum(value) → value", "Sum.", args::sum, Prefix("sum"), Kind::Sum, None),
    entry(
        "sumif",
        "sumif(value, predicate) → value",
        "Sum over the rows for which it is true.",
        args::sumif,
        Prefix("sumif"),
        Kind::Sum,
        None,
    )
    .predicate(1),
    entry(
        "avg",
        "avg(value) → real",
        "Average.",
        args::avg,
        Prefix("avg"),
        Kind::Average,
        Some(numbers::average),
    ),
    entry(
        "avgif",
        "avgif(value, predicate) → real",
        "Average over the rows for which it is true.",
        args::avgif,
        Prefix("avgif"),
        Kind::Average,
        Some(numbers::average),
    )
    .predicate(1),
    entry(
        "min",
        "min(value) → value",
        "Least.",
        args::extreme,
        Prefix("min"),
        Kind::Least,
        Some(numbers::least),
    ),
    entry(
        "minif",
        "minif(value, predicate) → value",
        "Least of the rows for which it is true.",
        args::extremeif,
        Prefix("minif"),
        Kind::Least,
        Some(numbers::least),
    )
    .predicate(1),
    entry(
        "max",
        "max(value) → value",
        "Greatest.",
        args::extreme,
        Prefix("max"),
        Kind::Greatest,
        Some(numbers::greatest),
    ),
    entry(
        "maxif",
        "maxif(value, predicate) → value",
        "Greatest of the rows for which it is true.",
        args::extremeif,
        Prefix("maxif"),
        Kind::Greatest,
        Some(numbers::greatest),
    )
    .predicate(1),
    own(
        "dcount",
        "dcount(value, accuracy = 1) → long",
        "Number of distinct values; an estimate beyond some thousands.",
        args::dcount,
        Prefix("dcount"),
        distinct::dcount,
    ),
    own(
        "dcountif",
        "dcountif(value, predicate, accuracy = 1) → long",
        "Number of distinct values of the rows for which it is true.",
        args::dcountif,
        Prefix("dcountif"),
        distinct::dcount,
    )
    .predicate(1),
    own(
        "count_distinct",
        "count_distinct(value) → long",
        "Exact number of distinct values.",
        args::dcount,
        Prefix("count_distinct"),
        distinct::exact,
    ),
    own(
        "count_distinctif",
        "count_distinctif(value, predicate) → long",
        "Exact number of distinct values of the rows for which it is true.",
        args::dcountif,
        Prefix("count_distinctif"),
        distinct::exact,
    )
    .predicate(1),
    own(
        "arg_max",
        "arg_max(value, column, …) → columns",
        "The row with the greatest value.",
        args::same_rows,
        Columns,
        rows::arg_max,
    )
    .alias(&["argmax"]),
    own(
        "arg_min",
        "arg_min(value, column, …) → columns",
        "The row with the least value.",
        args::same_rows,
        Columns,
        rows::arg_min,
    )
    .alias(&["argmin"]),
    own(
        "take_any",
        "take_any(column, …) → columns",
        "Any row.",
        args::same_rows,
        Columns,
        rows::take_any,
    )
    .alias(&["any"]),
    own(
        "take_anyif",
        "take_anyif(column, predicate) → column",
        "Any row for which it is true.",
        args::take_anyif,
        Columns,
        rows::take_any,
    )
    .alias(&["anyif"])
    .predicate(1),
    own(
        "make_list",
        "make_list(value, size) → dynamic",
        "An array of the values that are not null.",
        args::collected,
        Prefix("list"),
        collect::list,
    )
    .alias(&["makelist"]),
    own(
        "make_list_if",
        "make_list_if(value, predicate, size) → dynamic",
        "An array of the values of the rows for which it is true.",
        args::collectedif,
        Prefix("list"),
        collect::list,
    )
    .predicate(1),
    own(
        "make_list_with_nulls",
        "make_list_with_nulls(value) → dynamic",
        "An array of the values, nulls included.",
        args::collected,
        Prefix("list"),
        collect::list_with_nulls,
    ),
    own(
        "make_set",
        "make_set(value, size) → dynamic",
        "An array of the distinct values.",
        args::collected,
        Prefix("set"),
        collect::set,
    )
    .alias(&["makeset"]),
    own(
        "make_set_if",
        "make_set_if(value, predicate, size) → dynamic",
        "An array of the distinct values of the rows for which it is true.",
        args::collectedif,
        Prefix("set"),
        collect::set,
    )
    .predicate(1),
    own(
        "make_bag",
        "make_bag(bag, size) → dynamic",
        "One bag of all members.",
        args::bag,
        Prefix("bag"),
        collect::bag,
    )
    .alias(&["make_dictionary"]),
    own(
        "make_bag_if",
        "make_bag_if(bag, predicate, size) → dynamic",
        "One bag of all members of the rows for which it is true.",
        args::bagif,
        Prefix("bag"),
        collect::bag,
    )
    .predicate(1),
    own(
        "buildschema",
        "buildschema(value) → dynamic",
        "The schema that all values fit.",
        args::schema,
        Prefix("schema"),
        collect::schema,
    ),
    own(
        "percentile",
        "percentile(value, percentage) → value",
        "The value that so many percent are not above.",
        args::percentiles,
        Percentile,
        percentiles::separate,
    ),
    own(
        "percentiles",
        "percentiles(value, percentage, …) → values",
        "Several percentiles, a column each.",
        args::percentiles,
        Percentile,
        percentiles::separate,
    ),
    own(
        "percentilew",
        "percentilew(value, weight, percentage) → value",
        "A percentile of weighted values.",
        args::percentilesw,
        Percentile,
        percentiles::weighted,
    ),
    own(
        "percentilesw",
        "percentilesw(value, weight, percentage, …) → values",
        "Several percentiles of weighted values, a column each.",
        args::percentilesw,
        Percentile,
        percentiles::weighted,
    ),
    own(
        "percentiles_array",
        "percentiles_array(value, percentage, …) → dynamic",
        "Several percentiles as an array.",
        args::percentiles_array,
        Prefix("percentiles"),
        percentiles::array,
    ),
    own(
        "percentilesw_array",
        "percentilesw_array(value, weight, percentage, …) → dynamic",
        "Several percentiles of weighted values as an array.",
        args::percentilesw_array,
        Prefix("percentiles"),
        percentiles::weighted_array,
    ),
    own(
        "stdev",
        "stdev(value) → real",
        "Standard deviation of a sample.",
        args::spread,
        Prefix("stdev"),
        numbers::stdev,
    ),
    own(
        "stdevif",
        "stdevif(value, predicate) → real",
        "Standard deviation of a sample of the rows for which it is true.",
        args::spreadif,
        Prefix("stdevif"),
        numbers::stdev,
    )
    .predicate(1),
    own(
        "stdevp",
        "stdevp(value) → real",
        "Standard deviation of a population.",
        args::spread,
        Prefix("stdevp"),
        numbers::stdevp,
    ),
    own(
        "stdevpif",
        "stdevpif(value, predicate) → real",
        "Standard deviation of a population of the rows for which it is true.",
        args::spreadif,
        Prefix("stdevpif"),
        numbers::stdevp,
    )
    .predicate(1),
    own(
        "variance",
        "variance(value) → real",
        "Variance of a sample.",
        args::spread,
        Prefix("variance"),
        numbers::variance,
    ),
    own(
        "varianceif",
        "varianceif(value, predicate) → real",
        "Variance of a sample of the rows for which it is true.",
        args::spreadif,
        Prefix("varianceif"),
        numbers::variance,
    )
    .predicate(1),
    own(
        "variancep",
        "variancep(value) → real",
        "Variance of a population.",
        args::spread,
        Prefix("variancep"),
        numbers::variancep,
    ),
    own(
        "variancepif",
        "variancepif(value, predicate) → real",
        "Variance of a population of the rows for which it is true.",
        args::spreadif,
        Prefix("variancepif"),
        numbers::variancep,
    )
    .predicate(1),
    own(
        "covariance",
        "covariance(a, b) → real",
        "Covariance of a sample.",
        args::covariance,
        Prefix("covariance"),
        numbers::covariance,
    ),
    own(
        "covarianceif",
        "covarianceif(a, b, predicate) → real",
        "Covariance of a sample of the rows for which it is true.",
        args::covarianceif,
        Prefix("covarianceif"),
        numbers::covariance,
    )
    .predicate(2),
    own(
        "covariancep",
        "covariancep(a, b) → real",
        "Covariance of a population.",
        args::covariance,
        Prefix("covariancep"),
        numbers::covariancep,
    ),
    own(
        "covariancepif",
        "covariancepif(a, b, predicate) → real",
        "Covariance of a population of the rows for which it is true.",
        args::covarianceif,
        Prefix("covariancepif"),
        numbers::covariancep,
    )
    .predicate(2),
    own(
        "binary_all_and",
        "binary_all_and(value) → long",
        "Bits that are in all.",
        args::bits,
        Prefix("binary_all_and"),
        numbers::all_and,
    ),
    own(
        "binary_all_or",
        "binary_all_or(value) → long",
        "Bits that are in any.",
        args::bits,
        Prefix("binary_all_or"),
        numbers::all_or,
    ),
    own(
        "binary_all_xor",
        "binary_all_xor(value) → long",
        "Bits that are in an odd number.",
        args::bits,
        Prefix("binary_all_xor"),
        numbers::all_xor,
    ),
    own(
        "hll",
        "hll(value, accuracy = 1) → dynamic",
        "A distinct count to be merged later.",
        args::kept,
        Prefix("hll"),
        distinct::hll,
    ),
    own(
        "hll_if",
        "hll_if(value, predicate, accuracy = 1) → dynamic",
        "A distinct count of the rows for which it is true, to be merged later.",
        args::keptif,
        Prefix("hll_if"),
        distinct::hll,
    )
    .predicate(1),
    own(
        "hll_merge",
        "hll_merge(hll) → dynamic",
        "Several distinct counts as one.",
        args::bag,
        Prefix("hll_merge"),
        distinct::hll_merge,
    ),
    own(
        "tdigest",
        "tdigest(value, weight = 1) → dynamic",
        "A distribution to be merged and asked for percentiles later.",
        args::digested,
        Prefix("tdigest"),
        digest::tdigest,
    ),
    own(
        "tdigest_merge",
        "tdigest_merge(digest) → dynamic",
        "Several digests as one.",
        args::bag,
        Prefix("merge_tdigests"),
        digest::tdigest_merge,
    )
    .alias(&["merge_tdigest", "merge_tdigests"]),
];

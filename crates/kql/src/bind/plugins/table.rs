//! The plugins there are.

use super::lookup::{V4, V6};
use super::{Call, patterns};
use crate::bind::{Binder, Bound};
use crate::bound::Rel;
use crate::catalog::{Function, FunctionKind, Naming, Param, Signature};
use crate::types::Type;

/// Binds a call.
type Rewrite = fn(&mut Binder<'_>, &Call<'_>, &Rel) -> Bound<Rel>;

/// A plugin of `evaluate`.
pub struct Plugin {
    /// What people are told
    pub function: Function,
    /// `None`: its columns are found out by the engine, which gets the call as it is
    pub(super) rewrite: Option<Rewrite>,
}

/// A plugin that checks its arguments itself.
const fn plugin(name: &'static str, usage: &'static str, summary: &'static str, rewrite: Rewrite) -> Plugin {
    Plugin {
        function: Function {
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
        },
        rewrite: Some(rewrite),
    }
}

/// All of them, by name.
pub static PLUGINS: &[Plugin] = &[
    plugin(
        "active_users_count",
        "evaluate active_users_count(id, timeline, start, end, lookback, period, periods, bin, dimension, …) → timeline, dimension, …, dcount: long",
        "Ids for each bin of time that were there in so many periods of the time before.",
        |binder, call, input| binder.active_users_count(call, input),
    ),
    plugin(
        "activity_counts_metrics",
        "evaluate activity_counts_metrics(id, timeline, start, end, window, dimension, …) → timeline, dimension, …, count: long, dcount: long, new_dcount: long, aggregated_dcount: long",
        "Records, ids and new ids for each window of time.",
        |binder, call, input| binder.activity_counts_metrics(call, input),
    ),
    plugin(
        "activity_engagement",
        "evaluate activity_engagement(id, timeline, start, end, inner, outer, dimension, …) → timeline, dimension, …, dcount_activities_inner: long, dcount_activities_outer: long, activity_ratio: real",
        "Ids of each short window of time beside those of the long window that ends with it.",
        |binder, call, input| binder.activity_engagement(call, input),
    ),
    plugin(
        "activity_metrics",
        "evaluate activity_metrics(id, timeline, start, end, window, dimension, …) → timeline, dimension, …, dcount_values: long, dcount_newvalues: long, retention_rate: real, churn_rate: real",
        "Ids that are new, stay and go, from each window of time to the next.",
        |binder, call, input| binder.activity_metrics(call, input),
    ),
    plugin(
        "autocluster",
        "evaluate autocluster(sizeWeight = 0.5, weight, seeds = 25, wildcard, …) → SegmentId: long, Count: long, Percent: real, column, …",
        "A few patterns of values that many rows have in common.",
        |binder, call, input| binder.patterns(call, input, patterns::Kind::AutoCluster),
    ),
    Plugin {
        function: Function {
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
        },
        rewrite: None,
    },
    plugin(
        "basket",
        "evaluate basket(threshold = 0.05, weight, dimensions = 5, wildcard, …) → SegmentId: long, Count: long, Percent: real, column, …",
        "All patterns of values that more than a share of the rows have in common.",
        |binder, call, input| binder.patterns(call, input, patterns::Kind::Basket),
    ),
    plugin(
        "dcount_intersect",
        "evaluate dcount_intersect(hll, hll, …) → column, …, s0: long, s1: long, …",
        "How many values sets of hll() have in common: of the first, of the first two, and so on.",
        |binder, call, input| binder.dcount_intersect(call, input),
    ),
    plugin(
        "diffpatterns",
        "evaluate diffpatterns(column, a, b, weight, threshold = 0.05, dimensions, wildcard, …) → SegmentId: long, CountA: long, CountB: long, PercentA: real, PercentB: real, PercentDiffAB: real, column, …",
        "Patterns of values that one set of rows has more often than another.",
        |binder, call, input| binder.diff_patterns(call, input),
    ),
    plugin(
        "diffpatterns_text",
        "evaluate diffpatterns_text(text, condition, minTokens = 1, threshold = 0.05, maxTokens = 20) → Count_of_True: long, Count_of_False: long, Percent_of_True: real, Percent_of_False: real, Pattern: string",
        "Patterns of words that the texts of one set of rows have more often than those of another.",
        |binder, call, input| binder.diff_patterns_text(call, input),
    ),
    plugin(
        "estimate_rows_count",
        "evaluate estimate_rows_count() → EstimatedRowsCount: long",
        "How many rows there are; exact here.",
        |binder, call, input| binder.estimate_rows_count(call, input),
    ),
    plugin(
        "funnel_sequence",
        "evaluate funnel_sequence(id, timeline, start, end, maxStep, bin, state, sequence) → timeline, prev, next, dcount: long, samples: dynamic",
        "Ids that went through states in this order, by the states before and after; as further tables by each of them alone.",
        |binder, call, input| binder.funnel_sequence(call, input),
    ),
    plugin(
        "funnel_sequence_completion",
        "evaluate funnel_sequence_completion(id, timeline, start, end, bin, state, sequence, periods) → timeline, state: string, Period: timespan, dcount: long",
        "Ids that came as far as each of the states in this order, within each period.",
        |binder, call, input| binder.funnel_sequence_completion(call, input),
    ),
    plugin(
        "geo_line_lookup",
        "evaluate geo_line_lookup(table, line, longitude, latitude, radius, return_unmatched = false, lookup_area_radius, return_lookup_key = false)",
        "Joins places with the lines they are near.",
        |binder, call, input| binder.geo_lookup(call, input, false),
    ),
    plugin(
        "geo_polygon_lookup",
        "evaluate geo_polygon_lookup(table, polygon, longitude, latitude, radius, return_unmatched = false, lookup_area_radius, return_lookup_key = false)",
        "Joins places with the polygons they are in or near.",
        |binder, call, input| binder.geo_lookup(call, input, true),
    ),
    plugin("identity", "evaluate identity()", "The rows as they are.", |binder, call, input| {
        binder.positional(call, 0, 0)?;
        Ok(input.clone())
    }),
    plugin(
        "ipv4_lookup",
        "evaluate ipv4_lookup(table, address, network, key, …, return_unmatched = false)",
        "Joins IPv4 addresses with the networks they are in.",
        |binder, call, input| binder.ip_lookup(call, input, &V4),
    ),
    plugin(
        "ipv6_lookup",
        "evaluate ipv6_lookup(table, address, network, key, …, return_unmatched = false)",
        "Joins IPv6 and IPv4 addresses with the networks they are in.",
        |binder, call, input| binder.ip_lookup(call, input, &V6),
    ),
    plugin(
        "narrow",
        "evaluate narrow() → Row: long, Column: string, Value: string",
        "A row for each cell.",
        |binder, call, input| binder.narrow(call, input),
    ),
    plugin(
        "new_activity_metrics",
        "evaluate new_activity_metrics(id, timeline, start, end, window, cohort, dimension, …, lookback) → from_timeline, to_timeline, dimension, …, dcount_new_values: long, dcount_retained_values: long, dcount_churn_values: long, retention_rate: real, churn_rate: real",
        "Of the ids first seen in each window of time, how many are seen in each later one.",
        |binder, call, input| binder.new_activity_metrics(call, input),
    ),
    plugin(
        "pivot",
        "evaluate pivot(column, aggregate = count(), group, …)",
        "A column for each value of a column.",
        |binder, call, input| binder.pivot(call, input),
    ),
    plugin(
        "preview",
        "evaluate preview(rows)",
        "Some of the rows, and as a second table how many there are.",
        |binder, call, input| binder.preview(call, input),
    ),
    plugin(
        "rolling_percentile",
        "evaluate rolling_percentile(value, percentile, index, bin, bins, dimension, …)",
        "A percentile in a window of bins that ends at each bin.",
        |binder, call, input| binder.rolling_percentile(call, input),
    ),
    plugin(
        "rows_near",
        "evaluate rows_near(condition, rows, rowsAfter = rows)",
        "The rows around those for which a condition is true.",
        |binder, call, input| binder.rows_near(call, input),
    ),
    plugin(
        "schema_merge",
        "evaluate schema_merge(preserveOrder = true) → ColumnName: string, ColumnOrdinal: int, DataType: string, ColumnType: string",
        "One schema from several, in the form of getschema.",
        |binder, call, input| binder.schema_merge(call, input),
    ),
    plugin(
        "sequence_detect",
        "evaluate sequence_detect(timeline, maxStep, maxSpan, step = condition, …, dimension, …) → dimension, …, step_timeline, …, Duration",
        "Where rows that meet conditions follow each other in time.",
        |binder, call, input| binder.sequence_detect(call, input),
    ),
    plugin(
        "session_count",
        "evaluate session_count(id, timeline, start, end, bin, lookback, dimension, …) → timeline, dimension, …, count_sessions: long",
        "Sessions for each bin of time: rows of an id that are not farther apart than the lookback.",
        |binder, call, input| binder.session_count(call, input),
    ),
    plugin(
        "sliding_window_counts",
        "evaluate sliding_window_counts(id, timeline, start, end, window, bin, dimension, …) → timeline, dimension, …, Count: long, Dcount: long",
        "Records and ids in a window that slides over bins of time.",
        |binder, call, input| binder.sliding_window_counts(call, input),
    ),
];

//! Queries that are the same query.

use proptest::prelude::*;
use taffrail_engine::{Engine, QueryRequest};

use super::expression::{any_type, boolean, long};
use super::rows::{Row, answer, batch, engine, ordered, rows};
use super::{config, runtime};

fn over(t: &[Row], other: &[Row]) -> Engine {
    engine(vec![batch(t)], batch(other))
}

fn same(engine: &Engine, one: &str, two: &str) -> Result<(), TestCaseError> {
    prop_assert_eq!(answer(engine, one), answer(engine, two), "\n{}\n{}", one, two);
    Ok(())
}

const AGGREGATES: &str = "n = count(), s = sum(N), lo = min(R), hi = max(M), d = dcount(S), l = array_sort_asc(make_set(U))";

proptest! {
    #![proptest_config(config())]

    #[test]
    fn conditions_can_be_taken_apart(t in rows(), p in boolean(), q in boolean()) {
        let e = over(&t, &[]);
        let (p, q) = (p.kql, q.kql);
        same(&e, &format!("T | where {p} and {q}"), &format!("T | where {p} | where {q}"))?;
        same(&e, &format!("T | where {p} | where {q}"), &format!("T | where {q} | where {p}"))?;
        same(&e, &format!("T | where not({p} or {q})"), &format!("T | where not({p}) and not({q})"))?;
        same(&e, &format!("T | where {p}"), &format!("T | where not(not({p}))"))?;
        same(&e, &format!("T | where {p}"), &format!("T | extend c = {p} | where c | project-away c"))?;
        same(&e, &format!("T | where {p}"), &format!("let f = (a: long) {{ T | where {p} }}; f(1)"))?;
    }

    #[test]
    fn a_condition_and_its_rest_make_the_table(t in rows(), p in boolean()) {
        let e = over(&t, &[]);
        let p = p.kql;
        same(&e, "T", &format!("union (T | where {p}), (T | where not({p})), (T | where isnull({p}))"))?;
        same(&e, &format!("T | summarize countif({p})"), &format!("T | where {p} | count"))?;
    }

    #[test]
    fn parts_add_up(t in rows(), p in boolean(), cut in 0usize..24) {
        let e = over(&t, &[]);
        let p = p.kql;
        let parts = format!("union (T | where {p}), (T | where not({p})), (T | where isnull({p}))");
        same(&e, &format!("T | summarize {AGGREGATES} by S"), &format!("{parts} | summarize {AGGREGATES} by S"))?;
        same(
            &e,
            "T | summarize n = count(), s = sum(N), lo = min(R) by U",
            &format!(
                "union (T | where {p} | summarize n = count(), s = sum(N), lo = min(R) by U), \
                 (T | where not({p}) | summarize n = count(), s = sum(N), lo = min(R) by U), \
                 (T | where isnull({p}) | summarize n = count(), s = sum(N), lo = min(R) by U) \
                 | summarize n = sum(n), s = sum(s), lo = min(lo) by U"
            ),
        )?;
        // estimates that are merged are the estimate of all
        same(
            &e,
            "T | summarize d = dcount(S)",
            "T | summarize h = hll(S) by U | summarize d = dcount_hll(hll_merge(h))",
        )?;
        // and it does not matter in which pieces the rows came
        let cut = cut.min(t.len());
        let pieces = engine(vec![batch(&t[..cut]), batch(&t[cut..])], batch(&[]));
        let query = format!("T | summarize {AGGREGATES} by S, bin(TimeGenerated, 6h)");
        prop_assert_eq!(answer(&e, &query), answer(&pieces, &query));
    }

    #[test]
    fn names_for_expressions_change_nothing(t in rows(), x in any_type(), p in boolean()) {
        let e = over(&t, &[]);
        let (x, p) = (x.kql, p.kql);
        same(&e, &format!("T | extend x = {x} | where {p} | project x"), &format!("T | where {p} | project x = {x}"))?;
        same(&e, &format!("T | project x = {x} | distinct x"), &format!("T | summarize by x = {x}"))?;
        same(&e, &format!("T | project x = {x} | count"), "T | count")?;
        same(&e, &format!("let c = T | project x = {x}; union c, c | count"), "union T, T | count")?;
    }

    #[test]
    fn top_is_sort_and_take(t in rows(), x in long(), n in 0usize..8, direction in prop::sample::select(vec!["asc", "desc", "asc nulls last", "desc nulls first"])) {
        let e = over(&t, &[]);
        let x = x.kql;
        let keys = |query: &str| ordered(&e, query);
        prop_assert_eq!(
            keys(&format!("T | top {n} by {x} {direction} | project x = {x}")),
            keys(&format!("T | extend x = {x} | sort by x {direction} | take {n} | project x"))
        );
        let numbered = format!("T | extend x = {x} | sort by x {direction} | extend i = row_number() | where i <= {n} | project x");
        prop_assert_eq!(keys(&numbered), keys(&format!("T | extend x = {x} | top {n} by x {direction} | project x")));
    }

    #[test]
    fn joins_divide_the_left_side(t in rows(), other in rows(), key in prop::sample::select(vec!["N", "S", "B"])) {
        let e = over(&t, &other);
        let right = "(Other | where R > 0)";
        same(&e, "T", &format!("union (T | join kind=leftsemi {right} on {key}), (T | join kind=leftanti {right} on {key})"))?;
        same(
            &e,
            &format!("T | join kind=inner {right} on {key} | project N, S, B, U1"),
            &format!("Other | where R > 0 | project k = {key}, U1 = U | join kind=inner T on $left.k == $right.{key} | project N, S, B, U1"),
        )?;
        same(
            &e,
            &format!("T | join kind=leftouter {right} on {key} | count"),
            &format!("union (T | join kind=inner {right} on {key}), (T | join kind=leftanti {right} on {key}) | count"),
        )?;
        // innerunique is inner over one row a key
        same(
            &e,
            &format!("T | join {right} on {key} | summarize n = count() by {key}"),
            &format!("T | distinct {key} | join kind=inner {right} on {key} | summarize n = count() by {key}"),
        )?;
    }

    #[test]
    fn a_stretch_of_time_is_a_difference(
        t in rows(),
        other in rows(),
        key in prop::sample::select(vec!["N", "S", "B"]),
        from in -3i64..4,
        width in 0i64..8,
        more in prop::sample::select(vec![">", ">="]),
        less in prop::sample::select(vec!["<", "<="]),
        what in prop::sample::select(vec![("TimeGenerated", "h"), ("M", "")]),
        rest in prop::sample::select(vec!["true", "U != U1"]),
    ) {
        let e = over(&t, &other);
        let (column, unit) = what;
        let (low, high) = (format!("{from}{unit}"), format!("{}{unit}", from + width));
        let joined = format!("T | join kind=inner Other on {key} | where {rest}");
        let columns = format!("project U, U1, {column}, {column}1");
        // Limits on both sides of a value let the join look the rows up; a difference does not.
        let stretch = format!("{joined} | where {column}1 {more} {column} + {low} and {column}1 {less} {column} + {high} | {columns}");
        let difference = format!("{joined} | extend d = {column}1 - {column} | where d {more} {low} and d {less} {high} | {columns}");
        same(&e, &stretch, &difference)?;
        if !t.is_empty() && !other.is_empty() && width > 0 {
            let plan = runtime().block_on(e.explain(&stretch, &QueryRequest::default())).unwrap();
            prop_assert!(plan.contains("IntervalJoin"), "{}", plan);
        }
    }

    #[test]
    fn lists_of_values_are_or(t in rows(), other in rows()) {
        let e = over(&t, &other);
        same(&e, "T | where S in ('pod', 'X')", "T | where S == 'pod' or S == 'X'")?;
        same(&e, "T | where S in~ ('pod', 'x')", "T | where S =~ 'pod' or S =~ 'x'")?;
        same(&e, "T | where N !in (1, 2)", "T | where N != 1 and N != 2")?;
        same(&e, "T | where S in ((Other | project U))", "T | join kind=leftsemi (Other | project S = U) on S")?;
    }

    #[test]
    fn lists_and_rows(t in rows()) {
        let e = over(&t, &[]);
        same(
            &e,
            "T | summarize l = make_list(N) by S | mv-expand N = l to typeof(long) | where isnotnull(N) | project S, N",
            "T | where isnotnull(N) | project S, N",
        )?;
        same(
            &e,
            "T | summarize l = make_list(U) by S | mv-apply x = l to typeof(string) on (where x != '' | summarize n = count()) | project S, n",
            "T | summarize n = countif(U != '') by S",
        )?;
        same(
            &e,
            "T | project b = bag_pack('n', N, 's', S) | evaluate bag_unpack(b) : (n: long, s: string) | project n, s",
            "T | project n = N, s = S",
        )?;
        same(&e, "T | serialize i = row_number() | summarize n = max(i)", "T | summarize c = count() | project n = iff(c == 0, long(null), c)")?;
        same(&e, "T | partition by S (summarize n = count(), s = sum(N) by S)", "T | summarize n = count(), s = sum(N) by S")?;
    }
}

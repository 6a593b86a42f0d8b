//! Expressions by type, each written in KQL and in SQL.

use proptest::prelude::*;

/// One expression in both languages.
#[derive(Clone, Debug)]
pub(super) struct Expression {
    pub(super) kql: String,
    pub(super) sql: String,
}

fn both(kql: impl Into<String>, sql: impl Into<String>) -> Expression {
    Expression {
        kql: kql.into(),
        sql: sql.into(),
    }
}

fn quoted(text: &str) -> Expression {
    both(format!("\"{text}\""), format!("'{text}'"))
}

const WORDS: [&str; 7] = ["", "pod", "Pod", "o", "kube", "über", "X"];

/// Whole numbers.
pub(super) fn long() -> BoxedStrategy<Expression> {
    let leaf = prop_oneof![
        Just(both("N", "\"N\"")),
        Just(both("M", "\"M\"")),
        (0i64..9).prop_map(|value| both(value.to_string(), format!("arrow_cast({value}, 'Int64')"))),
        Just(both("long(null)", "arrow_cast(NULL, 'Int64')")),
        string_leaf().prop_map(|s| both(
            format!("strlen({})", s.kql),
            format!("arrow_cast(character_length({}), 'Int64')", s.sql)
        )),
    ];
    leaf.prop_recursive(3, 12, 2, |inner| {
        prop_oneof![
            (inner.clone(), prop::sample::select(vec!["+", "-", "*"]), inner.clone())
                .prop_map(|(a, op, b)| { both(format!("({} {op} {})", a.kql, b.kql), format!("({} {op} {})", a.sql, b.sql)) }),
            // by zero is null; both truncate
            (inner.clone(), inner.clone())
                .prop_map(|(a, b)| both(format!("({} / {})", a.kql, b.kql), format!("({} / nullif({}, 0))", a.sql, b.sql))),
            // never negative
            (inner.clone(), 1i64..7)
                .prop_map(|(a, b)| { both(format!("({} % {b})", a.kql), format!("((({a} % {b}) + {b}) % {b})", a = a.sql)) }),
            // bins reach down to the multiple below, for negative numbers too
            (inner.clone(), 1i64..7).prop_map(|(a, b)| {
                both(
                    format!("bin({}, {b})", a.kql),
                    format!("({a} - ((({a} % {b}) + {b}) % {b}))", a = a.sql),
                )
            }),
            inner.clone().prop_map(|a| both(format!("-({})", a.kql), format!("(-({}))", a.sql))),
            inner
                .clone()
                .prop_map(|a| both(format!("abs({})", a.kql), format!("abs({})", a.sql))),
            (inner.clone(), inner.clone())
                .prop_map(|(a, b)| { both(format!("coalesce({}, {})", a.kql, b.kql), format!("coalesce({}, {})", a.sql, b.sql)) }),
            (boolean_leaf(), inner.clone(), inner).prop_map(|(c, a, b)| choice(&c, &a, &b)),
        ]
    })
    .boxed()
}

/// Numbers with a fraction.
pub(super) fn real() -> BoxedStrategy<Expression> {
    let leaf = prop_oneof![
        Just(both("R", "\"R\"")),
        (-4i32..5).prop_map(|value| {
            let value = f64::from(value) / 2.0;
            both(format!("real({value:?})"), format!("arrow_cast({value:?}, 'Float64')"))
        }),
        Just(both("toreal(N)", "arrow_cast(\"N\", 'Float64')")),
    ];
    leaf.prop_recursive(3, 10, 2, |inner| {
        prop_oneof![
            (inner.clone(), prop::sample::select(vec!["+", "-", "*"]), inner.clone())
                .prop_map(|(a, op, b)| { both(format!("({} {op} {})", a.kql, b.kql), format!("({} {op} {})", a.sql, b.sql)) }),
            inner
                .clone()
                .prop_map(|a| both(format!("abs({})", a.kql), format!("abs({})", a.sql))),
            inner
                .clone()
                .prop_map(|a| both(format!("floor({}, 1.0)", a.kql), format!("floor({})", a.sql))),
            (boolean_leaf(), inner.clone(), inner).prop_map(|(c, a, b)| choice(&c, &a, &b)),
        ]
    })
    .boxed()
}

fn string_leaf() -> BoxedStrategy<Expression> {
    prop_oneof![
        Just(both("S", "\"S\"")),
        Just(both("U", "\"U\"")),
        prop::sample::select(WORDS.to_vec()).prop_map(quoted),
    ]
    .boxed()
}

/// Text. Never null in KQL, and nothing here makes a null in SQL.
pub(super) fn string() -> BoxedStrategy<Expression> {
    string_leaf()
        .prop_recursive(3, 10, 2, |inner| {
            prop_oneof![
                inner
                    .clone()
                    .prop_map(|a| both(format!("tolower({})", a.kql), format!("lower({})", a.sql))),
                inner
                    .clone()
                    .prop_map(|a| both(format!("toupper({})", a.kql), format!("upper({})", a.sql))),
                inner
                    .clone()
                    .prop_map(|a| both(format!("reverse({})", a.kql), format!("reverse({})", a.sql))),
                (inner.clone(), inner.clone())
                    .prop_map(|(a, b)| both(format!("strcat({}, {})", a.kql, b.kql), format!("concat({}, {})", a.sql, b.sql))),
                (inner.clone(), 0i64..4, 0i64..4).prop_map(|(a, from, length)| {
                    both(
                        format!("substring({}, {from}, {length})", a.kql),
                        format!("substr({}, {}, {length})", a.sql, from + 1),
                    )
                }),
                (
                    inner.clone(),
                    prop::sample::select(vec!["o", "pod", "x"]),
                    prop::sample::select(vec!["", "0", "pp"])
                )
                    .prop_map(|(a, from, to)| both(
                        format!("replace_string({}, \"{from}\", \"{to}\")", a.kql),
                        format!("replace({}, '{from}', '{to}')", a.sql)
                    )),
                (boolean_leaf(), inner.clone(), inner).prop_map(|(c, a, b)| choice(&c, &a, &b)),
            ]
        })
        .boxed()
}

fn choice(condition: &Expression, a: &Expression, b: &Expression) -> Expression {
    both(
        format!("iff({}, {}, {})", condition.kql, a.kql, b.kql),
        format!("CASE WHEN {} THEN {} ELSE {} END", condition.sql, a.sql, b.sql),
    )
}

fn boolean_leaf() -> BoxedStrategy<Expression> {
    prop_oneof![
        Just(both("B", "\"B\"")),
        Just(both("true", "TRUE")),
        Just(both("isnull(N)", "(\"N\" IS NULL)")),
        Just(both("isnotempty(S)", "(\"S\" <> '')")),
    ]
    .boxed()
}

/// `==` and `!=`: with one null side false and true, with two null.
fn same(equal: bool, a: &Expression, b: &Expression) -> Expression {
    let (kql, sql) = if equal { ("==", "=") } else { ("!=", "<>") };
    both(
        format!("({} {kql} {})", a.kql, b.kql),
        format!(
            "CASE WHEN {a} IS NULL AND {b} IS NULL THEN NULL WHEN {a} IS NULL OR {b} IS NULL THEN {} ELSE {a} {sql} {b} END",
            if equal { "FALSE" } else { "TRUE" },
            a = a.sql,
            b = b.sql,
        ),
    )
}

/// Conditions; null is possible.
pub(super) fn boolean() -> BoxedStrategy<Expression> {
    let comparison = || prop::sample::select(vec!["<", "<=", ">", ">="]);
    let compared =
        |(a, op, b): (Expression, &str, Expression)| both(format!("({} {op} {})", a.kql, b.kql), format!("({} {op} {})", a.sql, b.sql));
    let leaf = prop_oneof![
        1 => boolean_leaf(),
        3 => (long(), comparison(), long()).prop_map(compared),
        1 => (real(), comparison(), real()).prop_map(compared),
        2 => (any::<bool>(), long(), long()).prop_map(|(equal, a, b)| same(equal, &a, &b)),
        2 => (any::<bool>(), string(), string()).prop_map(|(equal, a, b)| same(equal, &a, &b)),
        1 => (string(), string_leaf())
            .prop_map(|(a, b)| both(format!("({} =~ {})", a.kql, b.kql), format!("(lower({}) = lower({}))", a.sql, b.sql))),
        1 => (string(), string_leaf()).prop_map(|(a, b)| {
            both(format!("({} contains {})", a.kql, b.kql), format!("(strpos(lower({}), lower({})) > 0)", a.sql, b.sql))
        }),
        1 => (string(), string_leaf())
            .prop_map(|(a, b)| both(format!("({} contains_cs {})", a.kql, b.kql), format!("(strpos({}, {}) > 0)", a.sql, b.sql))),
        1 => (string(), string_leaf())
            .prop_map(|(a, b)| both(format!("({} startswith_cs {})", a.kql, b.kql), format!("starts_with({}, {})", a.sql, b.sql))),
        1 => (string(), string_leaf())
            .prop_map(|(a, b)| both(format!("({} !endswith_cs {})", a.kql, b.kql), format!("(NOT ends_with({}, {}))", a.sql, b.sql))),
        1 => (string(), any::<bool>()).prop_map(|(a, not)| {
            let (kql, sql) = if not { ("!in", "NOT IN") } else { ("in", "IN") };
            both(format!("({} {kql} (\"pod\", \"X\", \"\"))", a.kql), format!("({} {sql} ('pod', 'X', ''))", a.sql))
        }),
        1 => (long(), -4i64..3, 0i64..6).prop_map(|(a, low, span)| {
            both(
                format!("({} between ({low} .. {}))", a.kql, low + span),
                format!("({} BETWEEN {low} AND {})", a.sql, low + span),
            )
        }),
    ];
    leaf.prop_recursive(3, 12, 2, |inner| {
        prop_oneof![
            (
                inner.clone(),
                prop::sample::select(vec![("and", "AND"), ("or", "OR")]),
                inner.clone()
            )
                .prop_map(|(a, (kql, sql), b)| { both(format!("({} {kql} {})", a.kql, b.kql), format!("({} {sql} {})", a.sql, b.sql)) }),
            inner.prop_map(|a| both(format!("not({})", a.kql), format!("(NOT {})", a.sql))),
        ]
    })
    .boxed()
}

/// An expression of any type.
pub(super) fn any_type() -> BoxedStrategy<Expression> {
    prop_oneof![long(), real(), string(), boolean()].boxed()
}

/// An aggregate over the table's columns.
pub(super) fn aggregate() -> BoxedStrategy<Expression> {
    prop_oneof![
        Just(both("count()", "count(*)")),
        boolean().prop_map(|c| both(format!("countif({})", c.kql), format!("count(CASE WHEN {} THEN 1 END)", c.sql))),
        Just(both("sum(N)", "coalesce(sum(\"N\"), 0)")),
        (boolean()).prop_map(|c| {
            both(
                format!("sumif(N, {})", c.kql),
                format!("coalesce(sum(CASE WHEN {} THEN \"N\" END), 0)", c.sql),
            )
        }),
        Just(both("sum(R)", "coalesce(sum(\"R\"), 0.0)")),
        Just(both("avg(R)", "coalesce(avg(\"R\"), arrow_cast('NaN', 'Float64'))")),
        long().prop_map(|a| both(format!("min({})", a.kql), format!("min({})", a.sql))),
        long().prop_map(|a| both(format!("max({})", a.kql), format!("max({})", a.sql))),
        string().prop_map(|a| both(format!("count_distinct({})", a.kql), format!("count(DISTINCT {})", a.sql))),
    ]
    .boxed()
}

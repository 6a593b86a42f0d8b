use arrow::array::{ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::Arc;
use taffrail_kql::Type;
use taffrail_schema::{ColumnDef, Step, TableDef, stored_schema};

use super::*;

fn table() -> TableDef {
    let columns: [(&str, Type, &[&str]); 9] = [
        ("TimeGenerated", Type::DateTime, &[]),
        ("Verb", Type::String, &["verb"]),
        ("Username", Type::String, &["user", "username"]),
        ("User", Type::Dynamic, &["user"]),
        ("Uri", Type::String, &["uri"]),
        ("Code", Type::Long, &["status", "code"]),
        ("Dry", Type::Bool, &["dry"]),
        ("Received", Type::DateTime, &[]),
        ("Raw", Type::String, &[]),
    ];
    let column = |(name, ty, path): &(&str, Type, &[&str])| ColumnDef {
        name: (*name).to_owned(),
        path: path.iter().map(|key| Step::Key((*key).to_owned())).collect(),
        ty: *ty,
        about: String::new(),
    };
    TableDef {
        name: "Rows".to_owned(),
        about: String::new(),
        group: String::new(),
        columns: columns.iter().map(column).collect(),
        unique: Vec::new(),
        sort: Vec::new(),
        bloom: Vec::new(),
        plain: Vec::new(),
        event: Some("Raw".to_owned()),
    }
}

/// Columns as a decoder fills them.
fn rows(events: &[String]) -> RecordBatch {
    let parsed: Vec<Value> = events
        .iter()
        .map(|event| serde_json::from_str(event).unwrap_or(Value::Null))
        .collect();
    let strings = |path: &[&str]| -> ArrayRef {
        let of = |event: &Value| path.iter().fold(event.clone(), |value, key| value[*key].clone());
        Arc::new(
            parsed
                .iter()
                .map(|event| Some(of(event).as_str().unwrap_or_default().to_owned()))
                .collect::<StringViewArray>(),
        )
    };
    let time = |name: &str| -> ArrayRef {
        let of = |event: &Value| {
            let time = event[name].as_str().unwrap_or_default();
            chrono::DateTime::parse_from_rfc3339(time).ok().map(|time| time.timestamp_micros())
        };
        Arc::new(parsed.iter().map(of).collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
    };
    let user = parsed
        .iter()
        .map(|event| (!event["user"].is_null()).then(|| event["user"].to_string()));
    let columns: Vec<ArrayRef> = vec![
        time("at"),
        strings(&["verb"]),
        strings(&["user", "username"]),
        Arc::new(user.collect::<StringViewArray>()),
        strings(&["uri"]),
        Arc::new(parsed.iter().map(|event| event["status"]["code"].as_i64()).collect::<Int64Array>()),
        Arc::new(parsed.iter().map(|event| event["dry"].as_bool()).collect::<BooleanArray>()),
        time("received"),
        Arc::new(StringViewArray::from_iter_values(events)),
    ];
    RecordBatch::try_new(stored_schema(&table()), columns).unwrap()
}

fn stored(batch: &RecordBatch) -> Vec<String> {
    batch
        .column(8)
        .as_string_view()
        .iter()
        .map(|text| text.unwrap().to_owned())
        .collect()
}

/// What the events are stored as, after it was shown that they come back.
fn there_and_back(events: &[String]) -> Vec<String> {
    let form = EventForm::of(&table()).unwrap();
    let batch = rows(events);
    let folded = form.fold(batch.clone()).unwrap();
    assert_eq!(stored(&form.unfold(&folded).unwrap()), events);
    assert_eq!(
        folded.project(&[0, 1, 2, 3, 4, 5, 6, 7]).unwrap(),
        batch.project(&[0, 1, 2, 3, 4, 5, 6, 7]).unwrap()
    );
    stored(&folded)
}

fn event(n: u32) -> String {
    format!(
        r#"{{"kind":"Event","verb":"get","user":{{"username":"u{n}","groups":["a"]}},"uri":"/api?a={n}\u0026b=\u003cc\u003e","status":{{"metadata":{{}},"code":{}}},"dry":true,"at":"2026-11-01T00:00:00.{:06}Z","received":"2026-11-01T00:00:{:02}Z"}}"#,
        200 + n % 3,
        n * 10 % 1_000_000,
        n % 60
    )
}

#[test]
fn events_of_one_kind_are_one_form() {
    let stored = there_and_back(&(1..500).map(event).collect::<Vec<_>>());
    assert!(stored.iter().all(|text| text == &stored[0]), "one form");
    assert_eq!(
        stored[0],
        "\u{1}{\"kind\":\"Event\",\"verb\":\"\u{2}Verb\u{1f}\",\"user\":\u{2}User\u{1f},\"uri\":\"\u{3}Uri\u{1f}\",\"status\":{\"metadata\":{},\"code\":\u{2}Code\u{1f}},\"dry\":\u{2}Dry\u{1f},\"at\":\"\u{4}6TimeGenerated\u{1f}\",\"received\":\"\u{4}0Received\u{1f}\"}"
    );
}

#[test]
fn what_no_column_has_stays_in_the_form() {
    let events: Vec<String> = (0..100)
        .map(|n| {
            format!(
                r#"{{"verb":"get","uri":"/a/long/enough/path/{n}","trace":"{:x}","nested":{{"a":[{n},"b"]}}}}"#,
                n * 7919
            )
        })
        .collect();
    let stored = there_and_back(&events);
    assert!(stored.iter().all(|text| text.starts_with('\u{1}')), "{stored:?}");
}

#[test]
fn strange_events_come_back_too() {
    let events = [
        "",
        "no JSON",
        "\u{1}like a form",
        "\u{1}\u{2}Verb\u{1f}",
        "\u{1}",
        "{",
        "{}",
        r#"{"verb":"get"} "#,
        r#"{ "verb" : "get" , "user" : { "username" : "u" } }"#,
        r#"{"verb":"g\u0065t","uri":"a\/b"}"#,
        r#"{"verb":"get","verb":"get"}"#,
        r#"{"at":"2026-11-01T00:00:00.1234567Z","received":"2026-11-01T02:00:00+02:00"}"#,
        r#"{"at":"2026-11-01T00:00:00.12Z","received":"2026-11-01T00:00:00.120Z"}"#,
        r#"{"verb":null,"user":null,"dry":null,"status":{"code":-7}}"#,
        r#"{"status":{"code":200.0},"uri":"\u2028 é \u007f"}"#,
        "{\"verb\":\"get\u{2}\",\"uri\":\"/a\"}",
        r#"{"a":"unfinished"#,
    ];
    there_and_back(&events.map(str::to_owned));
}

#[test]
fn a_column_that_is_gone_is_named() {
    let folded = EventForm::of(&table()).unwrap().fold(rows(&[event(1)])).unwrap();
    let mut later = table();
    later.columns.retain(|column| column.name != "Uri");
    let form = EventForm::of(&later).unwrap();
    let error = form.unfold(&folded.project(&[0, 1, 2, 3, 5, 6, 7, 8]).unwrap()).unwrap_err();
    assert!(error.to_string().contains("Uri"), "{error}");
    let whole = by_name(folded.column(8), &folded).unwrap();
    assert_eq!(whole.as_string_view().value(0), event(1));
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        ".{0,12}".prop_map(Value::from),
        Just(json!("2026-11-01T00:00:00.057380Z")),
        Just(json!("2026-11-01T00:00:00Z")),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("verb|username|code|[a-z]{1,3}", inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_event_comes_back(events in prop::collection::vec(
        (prop::collection::vec(("verb|user|uri|status|dry|at|received|[a-z]{1,3}", any_value()), 0..8), any::<bool>()),
        1..30,
    )) {
        let events: Vec<String> = events
            .into_iter()
            .map(|(members, pretty)| {
                let event = Value::Object(members.into_iter().collect());
                if pretty { serde_json::to_string_pretty(&event).unwrap() } else { event.to_string() }
            })
            .collect();
        there_and_back(&events);
    }

    #[test]
    fn any_text_comes_back(events in prop::collection::vec("[\u{1}-\u{6}\u{1f}a-z{}\":,\\\\]{0,20}", 1..10)) {
        there_and_back(&events);
    }

    #[test]
    fn nonsense_is_refused_without_a_panic(text in prop::collection::vec(any::<u8>(), 0..40)) {
        let _ = pieces(&text);
        let _ = pieces(&[&[FORM], text.as_slice()].concat());
    }
}

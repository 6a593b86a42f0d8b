//! Records inside the protocols of shippers.

use serde_json::json;

use super::{column, context};
use crate::{Context, bulk_items, decode, fluent_message, msgpack};

fn without_cluster() -> Context<'static> {
    Context {
        cluster: String::new(),
        ..context()
    }
}

#[test]
fn a_bad_document_is_told_by_its_place_and_its_neighbours_are_kept() {
    let bulk = "{\"index\":{\"_index\":\"a\"}}\n{\"message\":\"one\"}\n{\"create\":{}}\n{\"message\":\n{\"delete\":{\"_id\":7}}\n{\"index\":{}}\n{\"message\":\"two\"}\n";
    let decoded = decode("elasticsearch", bulk.as_bytes(), &context()).unwrap();
    assert_eq!(column(&decoded, "CustomLog_CL", "Message"), ["one", "two"]);
    let failed: Vec<(usize, &str)> = decoded
        .failed
        .iter()
        .map(|failed| (failed.number, failed.reason.as_str()))
        .collect();
    assert_eq!(failed, [(1, "not JSON"), (2, "not an addition")]);
    assert_eq!(decoded.carried, 4);
    let items = bulk_items(bulk.as_bytes()).unwrap();
    assert_eq!((items[0].index.as_str(), items[2].id.as_str()), ("a", "7"));
    let error = bulk_items(b"{\"index\":{}}\n{}\n{\"drop\":{}}\n{}\n").unwrap_err();
    assert!(error.to_string().starts_with("Malformed action/metadata line [3]"), "{error}");
}

#[test]
fn splunk_hec_raw_lines_are_events_each() {
    let body = [
        json!({"event": "<38>1 2026-01-15T10:00:09Z n1 sshd 991 - - hello"}),
        json!({"event": "hello", "host": "n2"}),
    ];
    let body = body.map(|event| event.to_string()).concat();
    let decoded = decode("splunk-hec", body.as_bytes(), &context()).unwrap();
    assert_eq!(column(&decoded, "Syslog", "SyslogMessage"), ["hello"]);
    assert_eq!(column(&decoded, "CustomLog_CL", "Computer"), ["n2"]);
}

#[test]
fn a_carrier_within_a_carrier_is_kept_as_it_is() {
    let inner = json!({"streams": [{"stream": {}, "values": [["1", "x"]]}]}).to_string();
    let body = json!({"event": inner, "source": "x"}).to_string();
    let decoded = decode("splunk-hec", body.as_bytes(), &context()).unwrap();
    assert_eq!((decoded.rows(), decoded.rejected), (1, 0));
    assert_eq!(column(&decoded, "CustomLog_CL", "Message").len(), 1);
}

#[test]
fn what_labels_say_about_the_cluster_counts_when_the_sender_says_nothing() {
    let body = json!({"streams": [
        {"stream": {"cluster": "blue", "pod": "p", "namespace": "n", "container": "c"}, "values": [["1768471204123456789", "x"]]},
        {"stream": {}, "values": [["1768471204123456789", "y"]]},
    ]});
    let decoded = decode("loki", body.to_string().as_bytes(), &without_cluster()).unwrap();
    assert_eq!(column(&decoded, "ContainerLogV2", "Cluster"), ["blue"]);
    assert_eq!(column(&decoded, "CustomLog_CL", "Cluster"), [""]);
    let decoded = decode("loki", body.to_string().as_bytes(), &context()).unwrap();
    assert_eq!(column(&decoded, "ContainerLogV2", "Cluster"), ["prod"]);
}

#[test]
fn a_forward_message_is_whole_or_is_waited_for() {
    let mut bytes = Vec::new();
    msgpack::push_array(&mut bytes, 3);
    msgpack::push_text(&mut bytes, b"tag");
    msgpack::push_array(&mut bytes, 0);
    msgpack::push_map(&mut bytes, 1);
    msgpack::push_text(&mut bytes, b"chunk");
    msgpack::push_text(&mut bytes, b"abc");
    for cut in 0..bytes.len() {
        assert_eq!(fluent_message(&bytes[..cut]), Ok(None), "{cut}");
    }
    let message = fluent_message(&[bytes.as_slice(), b"\x93"].concat()).unwrap().unwrap();
    assert_eq!((message.length, message.chunk.as_deref()), (bytes.len(), Some(&b"abc"[..])));
    assert!(fluent_message(b"\xc1").is_err());
}

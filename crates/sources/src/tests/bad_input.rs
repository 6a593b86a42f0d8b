//! Bad records are told apart and kept, and their neighbours are not lost.

use proptest::prelude::*;
use serde_json::json;

use super::{audit, column, context, event};
use crate::files::LogFile;
use crate::{Limits, RAW_LIMIT, dead_letter_batch, decode, decode_with};

/// A bad record between two good ones, as lines.
fn between(bad: &[u8]) -> crate::Decoded {
    let body = [
        event("good-1", "").as_bytes(),
        b"\n",
        bad,
        b"\n",
        event("good-2", "").as_bytes(),
        b"\n",
    ]
    .concat();
    let decoded = audit(body);
    assert_eq!(
        column(&decoded, "KubernetesAudit", "AuditId"),
        ["good-1", "good-2"],
        "beside {}: {:?}",
        String::from_utf8_lossy(bad),
        decoded.dead
    );
    decoded
}

#[test]
fn each_kind_of_bad_line_has_its_reason_and_good_lines_beside_it_are_kept() {
    let whole = event(
        "bad",
        r#""verb":"get","sourceIPs":["10.0.0.1","10.0.0.2"],"requestObject":{"a":{"b":[1,2]}}"#,
    );
    // Cut off at every place there is.
    for cut in 2..whole.len() {
        let decoded = between(&whole.as_bytes()[..cut]);
        assert_eq!(decoded.rejected, 1, "{}", &whole[..cut]);
        assert_eq!((decoded.dead[0].record, &*decoded.dead[0].raw), (2, &whole[..cut]));
        assert!(decoded.dead[0].reason.ends_with("JSON"), "{}: {:?}", &whole[..cut], decoded.dead[0]);
    }
    let cut = &whole[..whole.find("10.0.0.2").unwrap()];
    assert_eq!(between(cut.as_bytes()).dead[0].reason, "truncated JSON");
    for (bad, reason) in [
        (
            whole.replace("audit.k8s.io/v1", "audit.k8s.io/v9"),
            "unknown apiVersion audit.k8s.io/v9",
        ),
        (whole.replace("stageTimestamp", "stageTimestamp2"), "no timestamp"),
        (whole.replace("2026-01-15T10:00:00.012000Z", "yesterday"), "no timestamp"),
        (whole.replace("\"auditID\":\"bad\",", ""), "no auditID"),
        (whole.replace("\"verb\":\"get\"", "\"verb\":[1]"), "not an audit event"),
        (json!({"kind": "Pod", "apiVersion": "v1"}).to_string(), "unknown kind"),
        (
            json!({"kind": "PodList", "apiVersion": "v1", "items": [{"a": 1}]}).to_string(),
            "unknown kind",
        ),
        ("{}".to_owned(), "unknown kind"),
        ("garbage".to_owned(), "not JSON"),
        ("{\"auditID\":\"x\" garbage}".to_owned(), "not JSON"),
        ("123".to_owned(), "not JSON"),
        (json!({"log": "plain text"}).to_string(), "no audit event"),
        (json!({"log": 5}).to_string(), "no audit event"),
        (
            json!({"protoPayload": {"serviceName": "compute.googleapis.com"}}).to_string(),
            "not a Kubernetes audit entry",
        ),
        (json!({"textPayload": "x"}).to_string(), "not a Kubernetes audit entry"),
    ] {
        let decoded = between(bad.as_bytes());
        assert_eq!((decoded.rejected, &*decoded.dead[0].reason), (1, reason), "{:?}", decoded.dead);
        assert_eq!((decoded.dead[0].record, &*decoded.dead[0].raw), (2, bad.as_str()));
        assert!(!decoded.dead[0].detail.is_empty());
    }
}

#[test]
fn bytes_that_are_no_utf8_are_a_letter_with_their_place() {
    let mut bad = event("bad", r#""userAgent":"x""#).into_bytes();
    let at = bad.len() - 3;
    bad[at] = 0xff;
    let decoded = between(&bad);
    assert_eq!(decoded.dead[0].reason, "invalid UTF-8");
    assert_eq!(decoded.dead[0].detail, format!("byte {} of the record is not UTF-8", at + 1));
    assert!(decoded.dead[0].raw.contains('\u{fffd}'));
    let decoded = between(b"\xff\xfe\x00");
    assert_eq!(decoded.dead[0].reason, "invalid UTF-8");
}

#[test]
fn a_line_of_50_mb_is_refused_and_its_beginning_kept() {
    let filling = "x".repeat(50 << 20);
    for bad in [
        event("bad", &format!(r#""userAgent":"{filling}""#)),
        filling.clone(),
        format!("{{\"a\":\"{filling}"),
    ] {
        let decoded = between(bad.as_bytes());
        assert_eq!(decoded.dead[0].reason, "record too large");
        assert_eq!(decoded.dead[0].raw, bad[..RAW_LIMIT]);
        assert_eq!(decoded.dead[0].raw_length, bad.len() as u64);
    }
}

#[test]
fn a_list_keeps_its_good_items() {
    let [one, two] = [event("good-1", ""), event("good-2", "")];
    let list = |items: &str| format!(r#"{{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{{}},"items":[{items}]}}"#);
    for (bad, reason) in [
        (r#"{"auditID":"x"}"#, "no timestamp"),
        (r#"{"auditID":"x" "verb":1}"#, "not JSON"),
        ("7", "unknown kind"),
        (r#"{"level":"None"}"#, "unknown kind"),
    ] {
        let decoded = audit(list(&format!("{one},{bad},{two}")));
        assert_eq!(
            column(&decoded, "KubernetesAudit", "AuditId"),
            ["good-1", "good-2"],
            "{bad}: {:?}",
            decoded.dead
        );
        assert_eq!((decoded.rejected, &*decoded.dead[0].reason, decoded.dead[0].record), (1, reason, 2));
        assert_eq!(decoded.dead[0].raw, bad);
    }
    // A list that breaks off gives the items before, and what comes on the next line is read.
    let whole = list(&format!("{one},{two}"));
    let decoded = audit(format!("{}\n{}", &whole[..whole.len() - 20], event("good-3", "")));
    assert_eq!(
        column(&decoded, "KubernetesAudit", "AuditId"),
        ["good-1", "good-3"],
        "{:?}",
        decoded.dead
    );
    assert!(
        decoded.rejected >= 1 && decoded.dead[0].reason == "truncated JSON",
        "{:?}",
        decoded.dead
    );
    let unknown = audit(whole.replace("audit.k8s.io/v1\",\"metadata", "audit.k8s.io/v7\",\"metadata"));
    assert_eq!(
        (unknown.rows(), &*unknown.dead[0].reason),
        (0, "unknown apiVersion audit.k8s.io/v7")
    );
}

#[test]
fn a_broken_printed_document_is_one_letter() {
    let good = serde_json::to_string_pretty(&serde_json::from_str::<serde_json::Value>(&event("good-1", "")).unwrap()).unwrap();
    let bad = good.replace("\"auditID\":", "\"auditID\"");
    let decoded = audit(format!("{bad}\n{good}\n"));
    assert_eq!(column(&decoded, "KubernetesAudit", "AuditId"), ["good-1"]);
    assert_eq!((decoded.rejected, decoded.dead[0].raw.as_str()), (1, bad.as_str()));
}

#[test]
fn wrapping_without_end_and_floods_of_garbage_are_bounded() {
    let mut wrapped = event("deep", "");
    for _ in 0..8 {
        wrapped = json!({"log": wrapped}).to_string();
    }
    let decoded = audit(wrapped);
    assert_eq!((decoded.rows(), &*decoded.dead[0].reason), (0, "wrapped too deep"));

    let decoded = audit("x\n".repeat(5_000));
    assert_eq!(
        (decoded.rejected, decoded.records, decoded.dead.len()),
        (5_000, 5_000, Limits::default().dead + 1)
    );
    assert!(decoded.dead.last().unwrap().detail.contains("4000 more"));

    // Each line could be the beginning of a document that goes on to the end.
    let started = std::time::Instant::now();
    let decoded = audit("{\"a\":[\n".repeat(200_000));
    assert!(decoded.rejected > 0);
    assert!(started.elapsed().as_secs() < 30, "work is bounded");
}

#[test]
fn letters_become_rows() {
    let decoded = audit(b"garbage\n\xff\n");
    let batch = dead_letter_batch(&decoded.dead, "kubernetes-audit", &context()).unwrap();
    let rows = crate::Decoded {
        batches: vec![("DeadLetter".to_owned(), batch)],
        ..crate::Decoded::default()
    };
    let of = |name| column(&rows, "DeadLetter", name);
    assert_eq!(of("Record"), ["1", "2"]);
    assert_eq!(of("Reason"), ["not JSON", "invalid UTF-8"]);
    assert_eq!(of("Raw"), ["garbage", "\u{fffd}"]);
    assert_eq!(
        (&*of("Source")[0], &*of("Cluster")[0], &*of("Origin")[0]),
        ("kubernetes-audit", "prod", "test")
    );
    let empty = dead_letter_batch(&[], "kubernetes-audit", &context()).unwrap();
    assert_eq!(empty.num_rows(), 0);
}

#[test]
fn an_unknown_source_is_an_error_that_lists_the_known_ones() {
    let error = decode("kubernets-audit", b"", &context()).unwrap_err().to_string();
    let known = "there is no source \"kubernets-audit\"; the sources are kubernetes-audit, azure-diagnostics, ";
    assert!(error.starts_with(known), "{error}");
}

#[test]
fn a_file_cut_off_in_its_archive_gives_what_came_before_and_then_the_error() {
    let lines: String = (0..2_000)
        .map(|number| format!("{}\n", event(&format!("id-{number}"), "")))
        .collect();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, lines.as_bytes()).unwrap();
    let whole = encoder.finish().unwrap();
    let cut = whole[..whole.len() - 200].to_vec();
    let mut log = LogFile::from_reader("audit.log.gz", Box::new(std::io::Cursor::new(cut)), None).unwrap();
    let decoded = log.next_chunk("kubernetes-audit", &context()).unwrap().unwrap();
    assert!(decoded.rows() > 1_000 && decoded.rejected <= 1);
    let error = log.next_chunk("kubernetes-audit", &context()).unwrap_err().to_string();
    assert!(error.starts_with("cannot read audit.log.gz: "), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_it_panic(body in proptest::collection::vec(any::<u8>(), 0..400)) {
        audit(body);
    }

    #[test]
    fn no_mixture_of_json_pieces_makes_it_panic(pieces in proptest::collection::vec(prop::sample::select(vec![
        "{", "}", "[", "]", ",", ":", "\n", " ", "\"", "\\", "\"kind\"", "\"Event\"", "\"items\":[", "\"records\":[", "\"log\":", "\"message\":",
        "\"properties\":", "\"auditID\":\"x\"", "\"protoPayload\":{", "{\"kind\":\"EventList\",\"apiVersion\":\"audit.k8s.io/v1\",", "null", "1e9", "true", "é", "\u{feff}",
    ]), 0..40)) {
        audit(pieces.concat());
    }

    #[test]
    fn good_lines_beside_garbage_survive(garbage in proptest::collection::vec(any::<u8>(), 0..200)) {
        // A line end and what looks like a wrapped or further record are other tests' business.
        let garbage: Vec<u8> = garbage.into_iter().filter(|byte| !matches!(byte, b'\n' | b'{')).collect();
        let body = [event("good-1", "").as_bytes(), b"\n", &garbage, b"\n", event("good-2", "").as_bytes()].concat();
        let decoded = audit(body);
        prop_assert_eq!(column(&decoded, "KubernetesAudit", "AuditId"), ["good-1", "good-2"]);
    }

    #[test]
    fn a_small_record_limit_holds(length in 0_usize..3_000) {
        let limits = Limits { record: 1_000, ..Limits::default() };
        let text = event("a", &format!(r#""userAgent":"{}""#, "x".repeat(length)));
        let decoded = decode_with("kubernetes-audit", text.as_bytes(), &context(), &limits).unwrap();
        prop_assert_eq!(decoded.rows(), usize::from(text.len() <= 1_000));
        prop_assert_eq!(decoded.rejected, usize::from(text.len() > 1_000));
    }
}

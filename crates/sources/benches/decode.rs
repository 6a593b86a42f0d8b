//! How fast decoders are on one core: megabytes and records a second of processor time, allocations a record. `cargo bench -p taffrail-sources` prints
//! a table; a word behind `--` picks decoders by name.
//!
//! Bodies are the documented samples, repeated to some megabytes, and for audit events the recording of a real API server where it
//! is there (`TAFFRAIL_SHARED`, or `shared` beside the workspace). Beside the audit decoder the same bytes go through `serde_json`
//! into structs and through Arrow's own JSON reader, which both do less: no levels, no actions, no masking, no text of the event.

// Counting allocations takes an allocator, which is unsafe by its signature.
#![allow(unsafe_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arrow::datatypes::{DataType, Field, Schema as ArrowSchema};
use serde::Deserialize;
use taffrail_content::Content;
use taffrail_schema::Schema;
use taffrail_sources::{AUTO, Catalogue, Context, decode};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is handed to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Size of a body.
const BODY: usize = 8 << 20;
/// How long each decoder runs, on the processor.
const TIME: Duration = Duration::from_millis(1_000);

fn main() {
    let filter: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let wanted = |name: &str| filter.is_empty() || filter.iter().any(|word| name.contains(word.as_str()));
    let schema = Schema::load(&Content::embedded()).unwrap();
    println!(
        "{:<46} {:>8} {:>9} {:>12} {:>12}",
        "decoder", "MB", "MB/s", "records/s", "allocs/record"
    );
    for (source, name, body, origin) in bodies() {
        let label = format!("{source} ({name})");
        if !wanted(&label) {
            continue;
        }
        let context = Context {
            cluster: "bench".to_owned(),
            received: chrono::DateTime::from_timestamp(1_768_471_300, 0).unwrap(),
            schema: &schema,
            origin,
        };
        measure(&label, &body, || {
            let decoded = decode(&source, black_box(&body), &context).unwrap();
            black_box(decoded.records as u64)
        });
        if source == "kubernetes-audit" {
            measure("  serde_json into structs", &body, || structs(&body));
            measure("  arrow-json", &body, || arrow_json(&body));
        }
    }
}

/// Time that this thread was on a processor: what others do on the machine does not count. Where the kernel does not tell, the time
/// that passed.
struct Clock {
    started: Instant,
    on_processor: Option<Duration>,
}

impl Clock {
    fn start() -> Clock {
        Clock {
            started: Instant::now(),
            on_processor: Clock::on_processor(),
        }
    }

    fn on_processor() -> Option<Duration> {
        let statistics = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        Some(Duration::from_nanos(statistics.split(' ').next()?.parse().ok()?))
    }

    fn elapsed(&self) -> Duration {
        match (self.on_processor, Clock::on_processor()) {
            (Some(before), Some(now)) => now.saturating_sub(before),
            _ => self.started.elapsed(),
        }
    }
}

fn measure(label: &str, body: &[u8], mut run: impl FnMut() -> u64) {
    run();
    let (mut runs, mut records) = (0_u64, 0_u64);
    let allocations = ALLOCATIONS.load(Ordering::Relaxed);
    let clock = Clock::start();
    while clock.elapsed() < TIME {
        records += run();
        runs += 1;
    }
    let seconds = clock.elapsed().as_secs_f64();
    let allocations = ALLOCATIONS.load(Ordering::Relaxed) - allocations;
    let megabytes = body.len() as f64 / 1e6;
    println!(
        "{label:<46} {megabytes:>8.1} {:>9.1} {:>12.0} {:>12.1}",
        megabytes * runs as f64 / seconds,
        records as f64 / seconds,
        allocations as f64 / records.max(1) as f64
    );
}

/// Source, name, body and path of each.
fn bodies() -> Vec<(String, String, Vec<u8>, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let mut all = vec![("kubernetes-audit".to_owned(), "recorded".to_owned(), audit(), String::new())];
    for source in Catalogue::sources().iter().filter(|source| source.id != AUTO) {
        let Ok(files) = std::fs::read_dir(folder.join(source.id)) else {
            continue;
        };
        let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
        files.sort();
        for path in files {
            let extension = path.extension().unwrap_or_default().to_str().unwrap();
            // A remote write request is one message: it cannot be repeated.
            if matches!(extension, "rows" | "origin" | "hex") {
                continue;
            }
            let sample = std::fs::read(&path).unwrap();
            let body = sample.repeat(BODY / sample.len() + 1);
            let origin = std::fs::read_to_string(path.with_extension("origin")).unwrap_or_default();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            all.push((source.id.to_owned(), name, body, origin.trim().to_owned()));
        }
    }
    all
}

fn audit() -> Vec<u8> {
    let shared = std::env::var_os("TAFFRAIL_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let mut text = Vec::new();
    match std::fs::File::open(shared.join("audit/benign.jsonl.gz")) {
        Ok(file) => {
            flate2::read::MultiGzDecoder::new(file).read_to_end(&mut text).unwrap();
            // Whole lines only.
            let end = memchr::memrchr(b'\n', &text[..text.len().min(4 * BODY)]).unwrap();
            text.truncate(end + 1);
        }
        Err(_) => {
            eprintln!("SKIPPED: ../shared/audit not found; one made-up event is repeated instead");
            let event = concat!(
                r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"5b2c7a10","stage":"ResponseComplete","#,
                r#""requestURI":"/api/v1/namespaces/shop/pods","verb":"list","user":{"username":"ana","groups":["ops"]},"#,
                r#""sourceIPs":["203.0.113.7"],"objectRef":{"resource":"pods","namespace":"shop"},"responseStatus":{"code":200},"#,
                r#""stageTimestamp":"2026-01-15T10:00:00.012000Z"}"#,
                "\n"
            );
            text = event.as_bytes().repeat(BODY / event.len());
        }
    }
    text
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code)] // what is read is the point, not what is done with it
struct Event {
    #[serde(rename = "auditID")]
    audit_id: String,
    stage: String,
    verb: String,
    #[serde(rename = "requestURI")]
    request_uri: Option<String>,
    user: Option<User>,
    #[serde(rename = "sourceIPs", default)]
    source_ips: Vec<String>,
    user_agent: Option<String>,
    object_ref: Option<serde_json::Value>,
    response_status: Option<serde_json::Value>,
    request_object: Option<serde_json::Value>,
    response_object: Option<serde_json::Value>,
    stage_timestamp: Option<String>,
    annotations: Option<serde_json::Value>,
}

#[derive(Deserialize)]
#[allow(dead_code)]
struct User {
    username: Option<String>,
    #[serde(default)]
    groups: Vec<String>,
}

fn structs(body: &[u8]) -> u64 {
    let mut records = 0;
    for event in serde_json::Deserializer::from_slice(body).into_iter::<Event>() {
        black_box(event.unwrap());
        records += 1;
    }
    records
}

fn arrow_json(body: &[u8]) -> u64 {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let schema = Arc::new(ArrowSchema::new(vec![
        text("auditID"),
        text("stage"),
        text("verb"),
        text("requestURI"),
        text("userAgent"),
        text("level"),
        text("stageTimestamp"),
        text("requestReceivedTimestamp"),
        Field::new("user", DataType::Struct(vec![text("username")].into()), true),
        Field::new_list("sourceIPs", Field::new_list_field(DataType::Utf8, true), true),
        Field::new(
            "objectRef",
            DataType::Struct(
                vec![
                    text("resource"),
                    text("namespace"),
                    text("name"),
                    text("apiGroup"),
                    text("subresource"),
                ]
                .into(),
            ),
            true,
        ),
        Field::new(
            "responseStatus",
            DataType::Struct(vec![Field::new("code", DataType::Int64, true), text("reason")].into()),
            true,
        ),
    ]));
    let reader = arrow::json::ReaderBuilder::new(schema).with_batch_size(8192).build(body).unwrap();
    reader.map(|batch| black_box(batch.unwrap()).num_rows() as u64).sum()
}

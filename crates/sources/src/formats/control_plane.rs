//! Lines of the control plane's components (API server, controller manager, scheduler, autoscaler, cloud controller, etcd) and of
//! kube-proxy and Flannel, framed by a container's log or bare: rows of AKSControlPlane.
//!
//! A line without a header goes on with the one before: values over several lines, stack traces (klog's text format).

use crate::decode::{Sink, SourceError};
use crate::entries::{Entry, entries};
use crate::formats;
use crate::framing::{Envelope, Reader};
use crate::klog;
use crate::tables::ControlPlaneRow;

/// How long a record of several lines may become.
const JOINED_LIMIT: usize = 256 << 10;

/// Whether a line is an audit event (or a list of them), which an API server may write among its own lines. It belongs in the audit
/// table, where its secrets are masked.
pub(crate) fn is_audit_event(text: &str) -> bool {
    text.starts_with('{') && text.contains("\"audit.k8s.io/v1") && (text.contains("\"auditID\"") || text.contains("\"EventList\""))
}

/// Components that a path may name when there is no pod in it.
pub(crate) const COMPONENTS: [&str; 9] = [
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "cluster-autoscaler",
    "cloud-controller-manager",
    "kube-proxy",
    "flannel",
    "etcd",
    "coredns",
];

pub(crate) fn decode(body: &[u8], sink: &mut Sink<'_>) -> Result<(), SourceError> {
    decode_as(body, "", sink)
}

pub(crate) fn decode_etcd(body: &[u8], sink: &mut Sink<'_>) -> Result<(), SourceError> {
    decode_as(body, "etcd", sink)
}

pub(crate) fn decode_kube_proxy(body: &[u8], sink: &mut Sink<'_>) -> Result<(), SourceError> {
    decode_as(body, "kube-proxy", sink)
}

pub(crate) fn decode_flannel(body: &[u8], sink: &mut Sink<'_>) -> Result<(), SourceError> {
    decode_as(body, "flannel", sink)
}

/// A record that may go on.
#[derive(Default)]
struct Open {
    text: String,
    envelope: Envelope,
}

fn decode_as(body: &[u8], category: &str, sink: &mut Sink<'_>) -> Result<(), SourceError> {
    let named_by_path = COMPONENTS
        .into_iter()
        .find(|name| sink.context.origin.contains(name))
        .unwrap_or_default();
    let default = if category.is_empty() { named_by_path } else { category };
    let mut open = Open::default();
    let mut is_open = false;
    entries(body, sink, &mut |sink, entry| {
        if is_audit_event(entry.text) {
            return Reader::new(formats::KUBERNETES_AUDIT, sink).body(entry.text.as_bytes());
        }
        if is_open && !klog::starts_record(entry.text) && open.text.len() + entry.text.len() < JOINED_LIMIT && goes_on(&open, entry) {
            open.text.push('\n');
            open.text.push_str(entry.text);
            return Ok(());
        }
        if is_open {
            sink.control_plane_line(&open.text, &open.envelope)?;
        }
        is_open = true;
        begin(&mut open, entry, category, default);
        Ok(())
    })?;
    if is_open {
        sink.control_plane_line(&open.text, &open.envelope)?;
    }
    Ok(())
}

fn goes_on(record: &Open, entry: &Entry<'_>) -> bool {
    record.envelope.stream == entry.stream && record.envelope.pod == entry.place.pod && klog::starts_record(&record.text)
}

/// The record that an entry begins, in place of the one before: its buffers are used again.
fn begin(record: &mut Open, entry: &Entry<'_>, category: &str, default: &str) {
    let place = entry.place;
    let category = if category.is_empty() && !place.container.is_empty() {
        &place.container
    } else {
        default
    };
    entry.text.clone_into(&mut record.text);
    let envelope = &mut record.envelope;
    category.clone_into(&mut envelope.category);
    place.pod.clone_into(&mut envelope.pod);
    entry.stream.clone_into(&mut envelope.stream);
    place.container_id.clone_into(&mut envelope.container_id);
    envelope.time = entry.time;
}

impl Sink<'_> {
    /// A line of the component that the envelope names.
    pub(crate) fn control_plane_line(&mut self, text: &str, envelope: &Envelope) -> Result<(), SourceError> {
        if self.too_large(text.as_bytes()) {
            return Ok(());
        }
        let raw = text.trim_end_matches(['\r', '\n']);
        let line = klog::parse(raw, envelope.time.unwrap_or(self.received));
        self.control_plane(&ControlPlaneRow {
            time: line.time.or(envelope.time).unwrap_or(self.received),
            cluster: &envelope.cluster,
            category: &envelope.category,
            level: line.level,
            message: &line.message,
            pod: &envelope.pod,
            stream: &envelope.stream,
            container_id: &envelope.container_id,
            process: line.process,
            file: &line.file,
            operation: &envelope.operation,
            raw,
            resource_id: &envelope.resource_id,
        })?;
        self.accept();
        Ok(())
    }
}

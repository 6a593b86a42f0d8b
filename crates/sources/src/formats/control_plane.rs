//! Rows of AKSControlPlane: lines of the control plane's components, as exports of clusters carry them beside audit events.

use taffrail_schema::Schema;

use crate::decode::{Sink, SourceError};
use crate::framing::Envelope;
use crate::klog;
use crate::rows::{Rows, Slot};

pub(crate) const TABLE: &str = "AKSControlPlane";

pub(crate) struct ControlPlaneRows {
    pub(crate) rows: Rows,
    time: Slot,
    cluster: Slot,
    category: Slot,
    level: Slot,
    message: Slot,
    pod: Slot,
    stream: Slot,
    container: Slot,
    process: Slot,
    file: Slot,
    operation: Slot,
    raw: Slot,
    resource_id: Slot,
    received: Slot,
}

impl ControlPlaneRows {
    pub(crate) fn new(schema: &Schema) -> Result<ControlPlaneRows, SourceError> {
        let table = schema.table(TABLE).ok_or(SourceError::NoTable { table: TABLE })?;
        let rows = Rows::new(table);
        Ok(ControlPlaneRows {
            time: rows.slot("TimeGenerated"),
            cluster: rows.slot("Cluster"),
            category: rows.slot("Category"),
            level: rows.slot("Level"),
            message: rows.slot("Message"),
            pod: rows.slot("PodName"),
            stream: rows.slot("Stream"),
            container: rows.slot("ContainerId"),
            process: rows.slot("ProcessId"),
            file: rows.slot("SourceFile"),
            operation: rows.slot("OperationName"),
            raw: rows.slot("RawLine"),
            resource_id: rows.slot("_ResourceId"),
            received: rows.slot("_TimeReceived"),
            rows,
        })
    }
}

impl Sink<'_> {
    /// A line of the component that the envelope names.
    pub(crate) fn control_plane_line(&mut self, text: &str, envelope: &Envelope) -> Result<(), SourceError> {
        if text.len() > self.limits.record {
            let detail = format!("{} bytes; the limit is {}", text.len(), self.limits.record);
            self.reject("record too large", &detail, text.as_bytes());
            return Ok(());
        }
        let raw = text.trim_end_matches(['\r', '\n']);
        let line = klog::parse(raw, envelope.time.unwrap_or(self.received));
        let to = &mut self.tables.control_plane;
        to.rows.time(to.time, line.time.or(envelope.time).unwrap_or(self.received));
        let cluster = if self.context.cluster.is_empty() {
            &envelope.cluster
        } else {
            &self.context.cluster
        };
        to.rows.text(to.cluster, cluster);
        to.rows.text(to.category, &envelope.category);
        to.rows.text(to.level, line.level);
        to.rows.text(to.message, &line.message);
        to.rows.text(to.pod, &envelope.pod);
        to.rows.text(to.stream, &envelope.stream);
        to.rows.text(to.container, &envelope.container_id);
        if let Some(process) = line.process {
            to.rows.number(to.process, process);
        }
        to.rows.text(to.file, &line.file);
        to.rows.text(to.operation, &envelope.operation);
        to.rows.text(to.raw, raw);
        to.rows.text(to.resource_id, &envelope.resource_id);
        to.rows.time(to.received, self.received);
        to.rows.end_row()?;
        self.accept();
        Ok(())
    }
}

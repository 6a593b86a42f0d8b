//! The shapes in which records are found, one module each, and the tables their rows go to.
//!
//! To add a format: a module with a [`Format`], and its line in the lists of the sources that have it.

mod audit_event;
mod azure;
mod cloud_logging;
mod cloudwatch;
mod event_list;
mod wrapped;

mod audit_row;
mod control_plane;

use arrow::array::RecordBatch;
use taffrail_schema::Schema;

pub(crate) use audit_row::AuditRow;

use crate::decode::SourceError;
use crate::framing::ReadRecord;

/// A shape of records.
#[derive(Debug)]
pub(crate) struct Format {
    /// How its records usually begin, so that nothing else needs to be looked at; may be empty
    pub(crate) prefix: &'static [u8],
    /// Members of which any tells that a record has this format
    pub(crate) members: &'static [&'static [u8]],
    pub(crate) read: ReadRecord,
}

/// Formats of the source `kubernetes-audit`. Where a record has telling members of two, its own order decides.
pub(crate) const KUBERNETES_AUDIT: &[&Format] = &[
    &audit_event::FORMAT,
    &event_list::FORMAT,
    &azure::RECORDS,
    &azure::RECORD,
    &azure::ROW,
    &cloudwatch::SUBSCRIPTION,
    &cloudwatch::EVENTS,
    &cloud_logging::FORMAT,
    &wrapped::FORMAT,
];

/// Formats of the source `azure-diagnostics`; what their texts hold has those of `kubernetes-audit`.
pub(crate) const AZURE_DIAGNOSTICS: &[&Format] = &[&azure::RECORDS, &azure::RECORD, &azure::ROW];

/// The tables that formats write to.
pub(crate) struct Tables {
    pub(crate) audit: audit_row::AuditRows,
    pub(crate) control_plane: control_plane::ControlPlaneRows,
}

impl Tables {
    pub(crate) fn new(schema: &Schema) -> Result<Tables, SourceError> {
        Ok(Tables {
            audit: audit_row::AuditRows::new(schema)?,
            control_plane: control_plane::ControlPlaneRows::new(schema)?,
        })
    }

    pub(crate) fn finish(self) -> Result<Vec<(String, RecordBatch)>, SourceError> {
        let mut batches = Vec::new();
        for (table, rows) in [
            (audit_row::TABLE, self.audit.rows.finish()?),
            (control_plane::TABLE, self.control_plane.rows.finish()?),
        ] {
            batches.extend(rows.into_iter().map(|batch| (table.to_owned(), batch)));
        }
        Ok(batches)
    }
}

//! The shapes in which records are found, one module each, and the tables their rows go to.
//!
//! To add a format: a module with a [`Format`], and its line in the lists of the sources that have it.

mod access;
mod alcide;
mod alert;
mod alertmanager;
mod audit_event;
mod audit_row;
pub(crate) mod auditd;
mod azure;
mod calico;
pub(crate) mod cef;
mod cloud_logging;
mod cloudwatch;
pub(crate) mod container_logs;
pub(crate) mod control_plane;
pub(crate) mod coredns;
pub(crate) mod custom;
pub(crate) mod envoy;
mod event_list;
pub(crate) mod exposition;
mod firehose;
mod grafana;
pub(crate) mod haproxy;
mod hubble;
pub(crate) mod journald;
pub(crate) mod login;
pub(crate) mod nginx;
pub(crate) mod node_services;
mod prisma;
pub(crate) mod remote_write;
mod sockaddr;
pub(crate) mod syslog;
pub(crate) mod traefik;
mod watcher;
mod wrapped;

pub(crate) use audit_row::{AuditRow, AuditRows, TABLE as AUDIT_TABLE};

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
    &firehose::RECORD,
    &wrapped::FORMAT,
];

/// Formats of the source `azure-diagnostics`; what their texts hold has those of `kubernetes-audit`.
pub(crate) const AZURE_DIAGNOSTICS: &[&Format] = &[&azure::RECORDS, &azure::RECORD, &azure::ROW];

/// Formats of the sources whose records are JSON objects.
pub(crate) const CALICO: &[&Format] = &[&calico::FORMAT];
pub(crate) const HUBBLE: &[&Format] = &[&hubble::FORMAT];
pub(crate) const ALERTMANAGER: &[&Format] = &[&alertmanager::FORMAT];
pub(crate) const GRAFANA: &[&Format] = &[&grafana::FORMAT, &grafana::LEGACY];
pub(crate) const WATCHER: &[&Format] = &[&watcher::FORMAT, &watcher::WRAPPED];
pub(crate) const PRISMA: &[&Format] = &[&prisma::FORMAT];
pub(crate) const ALCIDE: &[&Format] = &[&alcide::FORMAT];
pub(crate) const CUSTOM: &[&Format] = &[&custom::FORMAT];

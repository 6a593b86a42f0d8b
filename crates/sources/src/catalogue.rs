//! Which sources there are. The receiver's paths, `taffrail scan` and the documentation all read this list.

use crate::formats::{self, Format};

/// A kind of sender.
#[derive(Debug, Clone, Copy)]
pub struct Source {
    /// Name in paths and options
    pub id: &'static str,
    /// Name for people
    pub title: &'static str,
    /// Tables its records go to
    pub tables: &'static [&'static str],
    /// What it takes
    pub about: &'static str,
    pub(crate) formats: &'static [&'static Format],
}

const SOURCES: &[Source] = &[
    Source {
        id: "kubernetes-audit",
        title: "Kubernetes audit log",
        tables: &["KubernetesAudit", "AKSControlPlane"],
        about: "Audit events of Kubernetes API servers: JSON lines, EventList (audit webhook), JSON arrays, pretty-printed \
                JSON, and the exports of AKS, EKS (CloudWatch) and GKE (Cloud Logging), also inside a shipper's log, message \
                or event field",
        formats: formats::KUBERNETES_AUDIT,
    },
    Source {
        id: "azure-diagnostics",
        title: "Azure diagnostic export of AKS",
        tables: &["KubernetesAudit", "AKSControlPlane"],
        about: "Records of AKS diagnostic settings, one a line or as {\"records\":[...]}: kube-audit and kube-audit-admin to \
                KubernetesAudit, every other category to AKSControlPlane",
        formats: formats::AZURE_DIAGNOSTICS,
    },
];

/// The list of sources.
#[derive(Debug, Clone, Copy, Default)]
pub struct Catalogue;

impl Catalogue {
    /// All sources.
    pub fn sources() -> &'static [Source] {
        SOURCES
    }

    /// The source of that name.
    pub fn source(id: &str) -> Option<&'static Source> {
        SOURCES.iter().find(|source| source.id == id)
    }

    /// All names, for messages: `kubernetes-audit, azure-diagnostics`.
    pub fn names() -> String {
        let names: Vec<&str> = SOURCES.iter().map(|source| source.id).collect();
        names.join(", ")
    }
}

//! Which sources there are: names and decoders. The receiver's paths, `taffrail scan` and `taffrail sources` read this list;
//! what people need to know about a source is data, in `content/sources` (see [`crate::SourceInfo`]).

use crate::carried;
use crate::decode::{Sink, SourceError};
use crate::files::Cut;
use crate::formats::{self, Format};

/// A kind of sender.
#[derive(Debug, Clone, Copy)]
pub struct Source {
    /// Name in paths and options
    pub id: &'static str,
    /// Tables its records go to
    pub tables: &'static [&'static str],
    pub(crate) decoder: Decoder,
    /// Where a file of it may be cut into chunks
    pub(crate) cut: Cut,
    /// It is a protocol that carries records of other sources
    pub(crate) carrier: bool,
}

/// How a body becomes rows.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Decoder {
    /// Records are JSON objects, found wherever they stand; each has one of these formats
    Json(&'static [&'static Format]),
    /// The decoder reads the body itself: lines, entries of several lines, binary
    Whole(fn(&[u8], &mut Sink<'_>) -> Result<(), SourceError>),
    /// Whatever the content is recognised as
    Auto,
}

/// Name of the pseudo-source whose bodies are recognised by their content.
pub const AUTO: &str = "auto";

const SOURCES: &[Source] = &[
    json(
        "kubernetes-audit",
        &["KubernetesAudit", "AKSControlPlane"],
        formats::KUBERNETES_AUDIT,
    ),
    json(
        "azure-diagnostics",
        &["KubernetesAudit", "AKSControlPlane"],
        formats::AZURE_DIAGNOSTICS,
    ),
    lines("kubernetes-control-plane", &["AKSControlPlane"], formats::control_plane::decode),
    lines("etcd", &["AKSControlPlane"], formats::control_plane::decode_etcd),
    lines("kube-proxy", &["AKSControlPlane"], formats::control_plane::decode_kube_proxy),
    lines("flannel", &["AKSControlPlane"], formats::control_plane::decode_flannel),
    Source {
        cut: Cut::FullLine,
        ..lines("container-logs", &["ContainerLogV2"], formats::container_logs::decode)
    },
    lines("node-services", &["Syslog"], formats::node_services::decode),
    lines(
        "syslog",
        &["Syslog", "ASimAuthenticationEventLogs", "CommonSecurityLog"],
        formats::syslog::decode,
    ),
    Source {
        cut: Cut::EmptyLine,
        ..lines("journald", &["Syslog", "ASimAuthenticationEventLogs"], formats::journald::decode)
    },
    Source {
        cut: Cut::AuditSerial,
        ..lines("auditd", &["LinuxAudit"], formats::auditd::decode)
    },
    lines("ingress-nginx", &["IngressAccess"], formats::nginx::decode),
    lines("traefik", &["IngressAccess"], formats::traefik::decode),
    lines("envoy", &["IngressAccess"], formats::envoy::decode),
    lines("haproxy", &["IngressAccess"], formats::haproxy::decode),
    json("calico", &["NetworkFlow"], formats::CALICO),
    json("cilium-hubble", &["NetworkFlow", "DnsQuery"], formats::HUBBLE),
    lines("coredns", &["DnsQuery", "AKSControlPlane"], formats::coredns::decode),
    json("alertmanager", &["OperationalAlert"], formats::ALERTMANAGER),
    json("grafana", &["OperationalAlert"], formats::GRAFANA),
    json("elasticsearch-watcher", &["OperationalAlert"], formats::WATCHER),
    Source {
        cut: Cut::Nowhere,
        ..lines("prometheus-remote-write", &["InsightsMetrics"], formats::remote_write::decode)
    },
    lines("prometheus-metrics", &["InsightsMetrics"], formats::exposition::decode),
    lines("cef", &["CommonSecurityLog"], formats::cef::decode),
    lines("leef", &["CommonSecurityLog"], formats::cef::decode_leef),
    json("prisma-cloud", &["PrismaCloudCompute_CL"], formats::PRISMA),
    json(
        "alcide-kaudit",
        &[
            "alcide_kaudit_activity_1_CL",
            "alcide_kaudit_detections_1_CL",
            "alcide_kaudit_selections_count_1_CL",
            "alcide_kaudit_selections_details_1_CL",
        ],
        formats::ALCIDE,
    ),
    json("json", &["CustomLog_CL"], formats::CUSTOM),
    carrier("elasticsearch", CARRIED, carried::bulk::decode),
    carrier("loki", CARRIED, carried::loki::decode),
    carrier("otlp-logs", CARRIED, carried::otlp::decode_logs),
    carrier("otlp-metrics", &["InsightsMetrics"], carried::otlp::decode_metrics),
    carrier("splunk-hec", CARRIED, carried::hec::decode),
    carrier("fluent", CARRIED, carried::fluent::decode),
    carrier("gelf", CARRIED, carried::gelf::decode),
    carrier("cloudevents", CARRIED, carried::cloud_events::decode),
    Source {
        id: AUTO,
        tables: &[],
        decoder: Decoder::Auto,
        cut: Cut::Record,
        carrier: false,
    },
];

const fn json(id: &'static str, tables: &'static [&'static str], formats: &'static [&'static Format]) -> Source {
    Source {
        id,
        tables,
        decoder: Decoder::Json(formats),
        cut: Cut::Record,
        carrier: false,
    }
}

const fn lines(id: &'static str, tables: &'static [&'static str], decode: fn(&[u8], &mut Sink<'_>) -> Result<(), SourceError>) -> Source {
    Source {
        id,
        tables,
        decoder: Decoder::Whole(decode),
        cut: Cut::Line,
        carrier: false,
    }
}

/// Where records of protocols go that are of no form of their own, and lines of containers; those of other forms go where they belong.
const CARRIED: &[&str] = &["CustomLog_CL", "ContainerLogV2"];

const fn carrier(id: &'static str, tables: &'static [&'static str], decode: fn(&[u8], &mut Sink<'_>) -> Result<(), SourceError>) -> Source {
    Source {
        cut: Cut::Nowhere,
        carrier: true,
        ..lines(id, tables, decode)
    }
}

/// The list of sources.
#[derive(Debug, Clone, Copy, Default)]
pub struct Catalogue;

impl Catalogue {
    /// All sources; the last is [`AUTO`].
    pub fn sources() -> &'static [Source] {
        SOURCES
    }

    /// The source of that name.
    pub fn source(id: &str) -> Option<&'static Source> {
        SOURCES.iter().find(|source| source.id == id)
    }

    /// All names, for messages: `kubernetes-audit, azure-diagnostics, ...`.
    pub fn names() -> String {
        let names: Vec<&str> = SOURCES.iter().map(|source| source.id).collect();
        names.join(", ")
    }
}

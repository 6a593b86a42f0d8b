//! The tables that decoders fill: for each a plain struct of what a row says, and a method of [`Sink`] that adds it. A table's
//! builders are made when its first row comes, as most bodies fill one or two tables.
//!
//! `TimeGenerated`, `Cluster` and `_TimeReceived` are every table's and set here. What a table of the content directory in use
//! lacks is dropped.

use arrow::array::RecordBatch;

use crate::decode::{Sink, SourceError};
use crate::rows::{Rows, Slot};

/// The Rust type of a field: borrowed text (missing is empty), or an option.
macro_rules! field_type {
    (text $life:lifetime) => { &$life str };
    (json $life:lifetime) => { Option<&$life str> };
    (time $life:lifetime) => { Option<i64> };
    (number $life:lifetime) => { Option<i64> };
    (real $life:lifetime) => { Option<f64> };
    (flag $life:lifetime) => { Option<bool> };
}

macro_rules! set {
    (text $rows:expr, $slot:expr, $value:expr) => {
        if !$value.is_empty() {
            $rows.text($slot, $value);
        }
    };
    (json $rows:expr, $slot:expr, $value:expr) => {
        if let Some(value) = $value.filter(|value| *value != "null") {
            $rows.text($slot, value);
        }
    };
    ($kind:ident $rows:expr, $slot:expr, $value:expr) => {
        if let Some(value) = $value {
            $rows.$kind($slot, value);
        }
    };
}

macro_rules! tables {
    ($(
        $(#[$about:meta])*
        $table:literal: $row:ident, $rows:ident, $name:ident { $($kind:ident $field:ident = $column:literal,)* }
    )*) => {
        $(
            $(#[$about])*
            ///
            /// Times are microseconds since 1970; JSON is compact text.
            #[derive(Debug, Default, Clone)]
            pub(crate) struct $row<'a> {
                pub(crate) time: i64,
                /// As the record says; what the sender's address says goes before
                pub(crate) cluster: &'a str,
                $(pub(crate) $field: field_type!($kind 'a),)*
            }

            struct $rows {
                rows: Rows,
                time: Slot,
                cluster: Slot,
                received: Slot,
                $($field: Slot,)*
            }

            impl Sink<'_> {
                /// Adds a row. Whether a record was used is said by `accept`, once a record.
                pub(crate) fn $name(&mut self, row: &$row<'_>) -> Result<(), SourceError> {
                    if self.tables.$name.is_none() {
                        let table = self.context.schema.table($table).ok_or(SourceError::NoTable { table: $table.to_owned() })?;
                        let rows = Rows::new(table);
                        self.tables.$name = Some($rows {
                            time: rows.slot("TimeGenerated"),
                            cluster: rows.slot("Cluster"),
                            received: rows.slot("_TimeReceived"),
                            $($field: rows.slot($column),)*
                            rows,
                        });
                    }
                    let Some(to) = &mut self.tables.$name else { return Ok(()) };
                    to.rows.time(to.time, row.time);
                    let cluster = match (self.context.cluster.as_str(), row.cluster) {
                        ("", "") => self.cluster.as_str(),
                        ("", cluster) => cluster,
                        (cluster, _) => cluster,
                    };
                    set!(text to.rows, to.cluster, cluster);
                    to.rows.time(to.received, self.received);
                    $(set!($kind to.rows, to.$field, row.$field);)*
                    to.rows.end_row()?;
                    Ok(())
                }
            }
        )*

        /// Builders of the tables that have rows.
        #[derive(Default)]
        pub(crate) struct LineTables {
            $($name: Option<$rows>,)*
        }

        impl LineTables {
            pub(crate) fn finish(self) -> Result<Vec<(String, RecordBatch)>, SourceError> {
                let mut batches = Vec::new();
                $(if let Some(to) = self.$name {
                    batches.extend(to.rows.finish()?.into_iter().map(|batch| ($table.to_owned(), batch)));
                })*
                Ok(batches)
            }
        }

        /// Tables and the columns that decoders fill, for the test that they exist.
        #[cfg(test)]
        pub(crate) const FILLED: &[(&str, &[&str])] = &[$(($table, &[$($column,)*])),*];
    };
}

tables! {
    /// A line of a control-plane component.
    "AKSControlPlane": ControlPlaneRow, ControlPlaneRows, control_plane {
        text category = "Category",
        text level = "Level",
        text message = "Message",
        text pod = "PodName",
        text stream = "Stream",
        text container_id = "ContainerId",
        number process = "ProcessId",
        text file = "SourceFile",
        text operation = "OperationName",
        text raw = "RawLine",
        text resource_id = "_ResourceId",
    }

    /// A line of a container.
    "ContainerLogV2": ContainerLogRow, ContainerLogRows, container_log {
        text computer = "Computer",
        text container_id = "ContainerId",
        text container = "ContainerName",
        json metadata = "KubernetesMetadata",
        text level = "LogLevel",
        json message = "LogMessage",
        text stream = "LogSource",
        text pod = "PodName",
        text namespace = "PodNamespace",
    }

    /// A syslog message.
    "Syslog": SyslogRow, SyslogRows, syslog {
        text collector = "CollectorHostName",
        text computer = "Computer",
        time event_time = "EventTime",
        text facility = "Facility",
        text host_ip = "HostIP",
        text host = "HostName",
        number process = "ProcessID",
        text program = "ProcessName",
        text severity = "SeverityLevel",
        text message = "SyslogMessage",
    }

    /// A login, or a change of user.
    "ASimAuthenticationEventLogs": AuthenticationRow, AuthenticationRows, authentication {
        text vendor = "EventVendor",
        text product = "EventProduct",
        text schema_version = "EventSchemaVersion",
        text event_type = "EventType",
        text sub_type = "EventSubType",
        text result = "EventResult",
        text result_details = "EventResultDetails",
        text original_details = "EventOriginalResultDetails",
        text severity = "EventSeverity",
        text message = "EventMessage",
        text host = "DvcHostname",
        text method = "LogonMethod",
        text protocol = "LogonProtocol",
        text actor = "ActorUsername",
        text actor_id = "ActorUserId",
        text target = "TargetUsername",
        text target_type = "TargetUserType",
        text target_host = "TargetHostname",
        text app = "ActingAppName",
        text address = "SrcIpAddr",
        number port = "SrcPortNumber",
        text source_host = "SrcHostname",
        json additional = "AdditionalFields",
    }

    /// A web request through an ingress controller or proxy, or an error line of one.
    "IngressAccess": AccessRow, AccessRows, access {
        text vendor = "EventVendor",
        text product = "EventProduct",
        text schema_version = "EventSchemaVersion",
        text event_type = "EventType",
        text result = "EventResult",
        text status = "EventResultDetails",
        text flags = "EventOriginalResultDetails",
        text severity = "EventSeverity",
        text message = "EventMessage",
        text request_id = "EventOriginalUid",
        text host = "DvcHostname",
        text client = "SrcIpAddr",
        number client_port = "SrcPortNumber",
        text user = "SrcUsername",
        text method = "HttpRequestMethod",
        text url = "Url",
        text url_original = "UrlOriginal",
        text version = "HttpVersion",
        text http_host = "HttpHost",
        text user_agent = "HttpUserAgent",
        text referrer = "HttpReferrer",
        text forwarded_for = "HttpRequestXff",
        number upstream_time = "HttpResponseTime",
        text protocol = "NetworkApplicationProtocol",
        number duration = "NetworkDuration",
        number request_bytes = "SrcBytes",
        number response_bytes = "DstBytes",
        text upstream = "DstIpAddr",
        number upstream_port = "DstPortNumber",
        text service_full = "DstAppName",
        text route = "RuleName",
        text upstream_status = "UpstreamStatus",
        text namespace = "Namespace",
        text service = "Service",
        text pod = "PodName",
        json additional = "AdditionalFields",
        text raw = "RawLine",
    }

    /// A connection, or the sum of several.
    "NetworkFlow": FlowRow, FlowRows, flow {
        text vendor = "EventVendor",
        text product = "EventProduct",
        text schema_version = "EventSchemaVersion",
        text event_type = "EventType",
        number count = "EventCount",
        time start = "EventStartTime",
        time end = "EventEndTime",
        text result = "EventResult",
        text result_details = "EventResultDetails",
        text severity = "EventSeverity",
        text uid = "EventOriginalUid",
        text host = "DvcHostname",
        text action = "DvcAction",
        text original_action = "DvcOriginalAction",
        text direction = "NetworkDirection",
        text protocol = "NetworkProtocol",
        text application = "NetworkApplicationProtocol",
        text rule = "NetworkRuleName",
        number duration = "NetworkDuration",
        number bytes = "NetworkBytes",
        number packets = "NetworkPackets",
        text src = "SrcIpAddr",
        number src_port = "SrcPortNumber",
        text src_host = "SrcHostname",
        number src_bytes = "SrcBytes",
        number src_packets = "SrcPackets",
        text src_zone = "SrcZone",
        text src_namespace = "SrcNamespace",
        text src_pod = "SrcPodName",
        text src_workload = "SrcWorkload",
        json src_labels = "SrcLabels",
        text dst = "DstIpAddr",
        number dst_port = "DstPortNumber",
        text dst_host = "DstHostname",
        number dst_bytes = "DstBytes",
        number dst_packets = "DstPackets",
        text dst_zone = "DstZone",
        text dst_namespace = "DstNamespace",
        text dst_pod = "DstPodName",
        text dst_workload = "DstWorkload",
        json dst_labels = "DstLabels",
        flag syn = "TcpFlagsSyn",
        flag ack = "TcpFlagsAck",
        flag fin = "TcpFlagsFin",
        flag rst = "TcpFlagsRst",
        flag psh = "TcpFlagsPsh",
        flag urg = "TcpFlagsUrg",
        json additional = "AdditionalFields",
        text raw = "RawEvent",
    }

    /// A name that was asked for.
    "DnsQuery": DnsRow, DnsRows, dns {
        text vendor = "EventVendor",
        text product = "EventProduct",
        text schema_version = "EventSchemaVersion",
        text event_type = "EventType",
        text sub_type = "EventSubType",
        number count = "EventCount",
        text result = "EventResult",
        text response = "EventResultDetails",
        text message = "EventMessage",
        text severity = "EventSeverity",
        text host = "DvcHostname",
        text action = "DvcAction",
        text src = "SrcIpAddr",
        number src_port = "SrcPortNumber",
        text src_namespace = "SrcNamespace",
        text src_pod = "SrcPodName",
        text dst = "DstIpAddr",
        number dst_port = "DstPortNumber",
        text query = "DnsQuery",
        number query_type = "DnsQueryType",
        text query_type_name = "DnsQueryTypeName",
        number query_class = "DnsQueryClass",
        text query_class_name = "DnsQueryClassName",
        number response_code = "DnsResponseCode",
        text answer = "DnsResponseName",
        text session = "DnsSessionId",
        number duration = "DnsNetworkDuration",
        text flags = "DnsFlags",
        flag authenticated = "DnsFlagsAuthenticated",
        flag authoritative = "DnsFlagsAuthoritative",
        flag checking_disabled = "DnsFlagsCheckingDisabled",
        flag recursion_available = "DnsFlagsRecursionAvailable",
        flag recursion_desired = "DnsFlagsRecursionDesired",
        flag truncated = "DnsFlagsTruncated",
        text protocol = "NetworkProtocol",
        json additional = "AdditionalFields",
        text raw = "RawEvent",
    }

    /// A sample of a metric.
    "InsightsMetrics": MetricRow, MetricRows, metric {
        text computer = "Computer",
        text name = "Name",
        text namespace = "Namespace",
        text origin = "Origin",
        text tags = "Tags",
        real value = "Val",
        text value_text = "Value",
    }

    /// An alert of a monitoring system.
    "OperationalAlert": AlertRow, AlertRows, alert {
        text provider = "Provider",
        text name = "AlertName",
        text severity = "AlertSeverity",
        text status = "Status",
        text description = "Description",
        time start = "StartTime",
        time end = "EndTime",
        text fingerprint = "Fingerprint",
        text namespace = "Namespace",
        text pod = "PodName",
        text computer = "Computer",
        text receiver = "Receiver",
        text group_key = "GroupKey",
        json labels = "Labels",
        json annotations = "Annotations",
        text generator_url = "GeneratorUrl",
        text external_url = "ExternalUrl",
        text raw = "RawAlert",
    }

    /// An audit of Prisma Cloud Compute.
    "PrismaCloudCompute_CL": PrismaRow, PrismaRows, prisma {
        text kind = "AuditType",
        text severity = "Severity",
        text rule = "Rule",
        text message = "Message",
        text category = "Category",
        text container = "ContainerName",
        text container_id = "ContainerId",
        text image = "ImageName",
        text host = "HostName",
        text namespace = "Namespace",
        text pod = "PodName",
        text user = "UserName",
        text command = "Command",
        text effect = "Effect",
        json techniques = "AttackTechniques",
        text raw = "RawEvent",
    }

    /// Any JSON object.
    "CustomLog_CL": CustomRow, CustomRows, custom {
        text computer = "Computer",
        text origin = "Origin",
        text message = "Message",
        json raw = "RawData",
    }
}

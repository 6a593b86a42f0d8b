//! What is asked of a table: how long its rows are kept, whether they may be deleted at all, how much there may be.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The policy of a table. What is `None` is as the configuration has it for all tables.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Policy {
    /// Days that rows are kept, by `TimeGenerated`; 0: for ever
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_days: Option<u32>,
    /// The same for the rows of single clusters
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub cluster_days: BTreeMap<String, u32>,
    /// Nothing of it is deleted, whatever retention says or anybody asks, for the reason given here
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legal_hold: Option<String>,
    /// Most bytes of files; more rows are refused then
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota_bytes: Option<u64>,
}

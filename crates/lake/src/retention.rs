//! How long rows are kept, and deleting some of them before: by age for a table or one cluster's rows in it, by what is in them
//! when somebody has the right to be forgotten, and not at all under legal hold.
//!
//! Files of which every row goes are taken out of the table; those with some rows that stay are written anew without the others.
//! Either way the rows leave the table at once and the disk with the next vacuum behind `keep_removed`. The chain says what was
//! deleted, why, and on whose word.

use std::collections::HashSet;
use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::{Expr, cast, ident, lit};
use datafusion::physical_expr::PhysicalExpr;
use metrics::counter;
use serde::Serialize;
use serde_json::json;
use taffrail_kql::Type;
use taffrail_schema::{TIME, TableDef};

use crate::compact::merge;
use crate::delta::{DataFile, add, remove};
use crate::error::LakeError;
use crate::lake::{Inner, Lake};
use crate::policy::Policy;
use crate::shared::Table;

/// Which rows to delete: those for which every column has the value given, in the range of time. Nothing given: all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deletion {
    /// Column and value as text; rows that have it
    pub equal: Vec<(String, String)>,
    /// Column and value as text; rows that do not have it
    pub unequal: Vec<(String, String)>,
    /// `TimeGenerated` from here on
    pub from: Option<DateTime<Utc>>,
    /// `TimeGenerated` before
    pub before: Option<DateTime<Utc>>,
    /// Why, for the account
    pub reason: String,
    /// On whose word, for the account
    pub by: String,
}

/// What was deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Deleted {
    /// Rows
    pub rows: u64,
    /// Files that are out of the table
    pub files: u64,
}

/// On whose word retention deletes.
const POLICY: &str = "policy";

/// Column by which rows of clusters are told apart.
const CLUSTER: &str = "Cluster";

impl Lake {
    /// The policy of a table.
    ///
    /// # Errors
    /// When there is no such table.
    pub fn policy(&self, table: &str) -> Result<Policy, LakeError> {
        self.inner.table(table)?;
        Ok(self.inner.catalog.policy(table))
    }

    /// Sets the policy of a table; durable when this returns.
    ///
    /// # Errors
    /// When there is no such table, or the file cannot be written.
    pub async fn set_policy(&self, table: &str, policy: Policy) -> Result<(), LakeError> {
        self.inner.check_open()?;
        self.inner.table(table)?;
        let _changing = self.inner.catalog.changing.lock().await;
        let before = self.inner.catalog.policy(table);
        if let Some(chain) = self.inner.shared.chain.as_ref().filter(|_| before != policy) {
            let content = json!({"table": table, "before": before, "policy": policy});
            chain.append("policy", content, true)?;
        }
        self.inner.catalog.change(|kept| {
            if policy == Policy::default() {
                kept.policies.remove(table);
            } else {
                kept.policies.insert(table.to_owned(), policy);
            }
        })
    }

    /// Days that rows of a table are kept; `None`: for ever.
    ///
    /// # Errors
    /// When there is no such table.
    pub fn retention(&self, table: &str) -> Result<Option<u32>, LakeError> {
        self.inner.table(table)?;
        Ok(self.inner.retention_days(table))
    }

    /// Deletes what is older than its table's or its cluster's retention, as the background work does. Returns what was deleted
    /// by table.
    ///
    /// # Errors
    /// When files cannot be read or written, or the deletion not be recorded.
    pub async fn retain(&self, now: DateTime<Utc>) -> Result<Vec<(String, Deleted)>, LakeError> {
        self.inner.check_open()?;
        let mut deleted = Vec::new();
        for table in self.inner.shared.tables() {
            let done = self.inner.retain_table(&table, now).await?;
            if done != Deleted::default() {
                deleted.push((table.name().to_owned(), done));
            }
        }
        Ok(deleted)
    }

    /// Deletes rows, those in memory included.
    ///
    /// # Errors
    /// Under legal hold; when a column does not exist; when files cannot be read or written: the table is as before then.
    pub async fn delete(&self, table: &str, deletion: &Deletion) -> Result<Deleted, LakeError> {
        self.inner.check_open()?;
        let table = self.inner.table(table)?;
        if let Some(reason) = self.inner.catalog.policy(table.name()).legal_hold {
            return Err(LakeError::Table {
                table: table.name().to_owned(),
                message: format!("it is under legal hold ({reason}); nothing of it is deleted until that is lifted"),
            });
        }
        self.inner.flush_tables(|_| true).await?;
        self.inner.delete(&table, deletion).await
    }
}

impl Inner {
    fn retention_days(&self, table: &str) -> Option<u32> {
        let days = self.catalog.policy(table).retention_days.or(self.shared.options.retention_days);
        days.filter(|days| *days > 0)
    }

    /// Deletes what is too old of one table.
    pub(crate) async fn retain_table(&self, table: &Arc<Table>, now: DateTime<Utc>) -> Result<Deleted, LakeError> {
        let name = table.name();
        let policy = self.catalog.policy(name);
        if policy.legal_hold.is_some() {
            return Ok(Deleted::default());
        }
        let limit = |days: u32| {
            now.checked_sub_signed(Duration::days(i64::from(days)))
                .unwrap_or(DateTime::UNIX_EPOCH)
        };
        let reason = "retention".to_owned();
        let by = POLICY.to_owned();
        let mut total = Deleted::default();
        let clusters: Vec<_> = match table.definition.column(CLUSTER) {
            Some(_) => policy.cluster_days.iter().collect(),
            None => Vec::new(),
        };
        let add = |done: Deleted, total: &mut Deleted| {
            total.rows += done.rows;
            total.files += done.files;
        };
        for (cluster, days) in clusters.iter().filter(|(_, days)| **days > 0) {
            let deletion = Deletion {
                equal: vec![(CLUSTER.to_owned(), (*cluster).clone())],
                before: Some(limit(**days)),
                reason: reason.clone(),
                by: by.clone(),
                ..Deletion::default()
            };
            add(self.delete(table, &deletion).await?, &mut total);
        }
        if let Some(days) = self.retention_days(name) {
            let deletion = Deletion {
                unequal: clusters
                    .iter()
                    .map(|(cluster, _)| (CLUSTER.to_owned(), (*cluster).clone()))
                    .collect(),
                before: Some(limit(days)),
                reason,
                by,
                ..Deletion::default()
            };
            add(self.delete(table, &deletion).await?, &mut total);
        }
        Ok(total)
    }

    async fn delete(&self, table: &Arc<Table>, deletion: &Deletion) -> Result<Deleted, LakeError> {
        let doomed = predicate(&table.definition, deletion)?;
        let stays = Expr::IsNotTrue(Box::new(doomed));
        let physical = physical(table, stays)?;
        let mut total = Deleted::default();
        let (files, _) = self.shared.snapshot(table.id);
        let asked = format!("{:?} {:?}", deletion.equal, deletion.unequal);
        let retains = deletion.by == POLICY;
        for file in files.iter().filter(|file| touches(file, deletion)) {
            // A file that was looked through for what retention takes has nothing of it now or later.
            let key = (file.path.clone(), asked.clone());
            if retains && self.retained.lock().contains(&key) {
                continue;
            }
            let done = self.delete_from(table, file, deletion, &physical).await?;
            total.rows += done.rows;
            total.files += done.files;
            if retains && done == Deleted::default() {
                self.retained.lock().insert(key);
            }
        }
        if total.rows > 0 {
            counter!("taffrail_lake_deleted_rows_total", "table" => table.name().to_owned()).increment(total.rows);
            tracing::info!(
                table = table.name(),
                rows = total.rows,
                reason = deletion.reason,
                by = deletion.by,
                "rows deleted"
            );
        }
        Ok(total)
    }

    async fn delete_from(
        &self,
        table: &Arc<Table>,
        file: &Arc<DataFile>,
        deletion: &Deletion,
        stays: &Arc<dyn PhysicalExpr>,
    ) -> Result<Deleted, LakeError> {
        let options = &self.shared.options;
        let whole = goes_whole(file, deletion);
        let written = if whole {
            Vec::new()
        } else {
            let one = [Arc::clone(file)];
            let position = self.shared.durable();
            merge(
                table,
                file.date.as_deref(),
                &one,
                position,
                options.row_group_rows,
                u64::MAX,
                Some(Arc::clone(stays)),
            )
            .await?
        };
        let rows = |files: &mut dyn Iterator<Item = &DataFile>| files.map(|file| file.statistics.rows.unwrap_or_default()).sum::<u64>();
        let before = rows(&mut std::iter::once(file.as_ref()));
        let after = rows(&mut written.iter());
        if !whole && after == before {
            // Nothing to delete in it; what was written is a stranger that vacuum takes.
            return Ok(Deleted::default());
        }
        let mut delta = self.delta(table).await?;
        let (current, _) = self.shared.snapshot(table.id);
        if !current.iter().any(|known| known.path == file.path) {
            // Merged into another meanwhile: the next round finds the rows there.
            return Ok(Deleted::default());
        }
        if let Some(chain) = &self.shared.chain {
            let content = json!({
                "table": table.name(),
                "file": file.path,
                "rows": before - after,
                "equal": deletion.equal,
                "unequal": deletion.unequal,
                "from": deletion.from,
                "before": deletion.before,
                "reason": deletion.reason,
                "by": deletion.by,
            });
            chain.append("delete", content, false)?;
        }
        let mut actions = vec![remove(file, true)];
        actions.extend(written.iter().map(|file| add(file, true)));
        let commit = delta.commit(&table.definition, "DELETE", &actions, false).await?;
        let removed: HashSet<&str> = HashSet::from([file.path.as_str()]);
        self.shared.settle(table.id, 0, |files| {
            files.retain(|file| !removed.contains(file.path.as_str()));
            files.extend(written.into_iter().map(Arc::new));
        });
        self.checkpoint_when_due(table, commit.version);
        Ok(Deleted {
            rows: before - after,
            files: 1,
        })
    }
}

fn micros(time: DateTime<Utc>) -> Expr {
    lit(ScalarValue::TimestampMicrosecond(Some(time.timestamp_micros()), Some("UTC".into())))
}

fn predicate(table: &TableDef, deletion: &Deletion) -> Result<Expr, LakeError> {
    let mut all = lit(true);
    let text = |column: &str| -> Result<Expr, LakeError> {
        let known = table.column(column).ok_or_else(|| LakeError::Table {
            table: table.name.clone(),
            message: format!("it has no column {column}"),
        })?;
        Ok(match known.ty {
            Type::String | Type::Guid | Type::Dynamic => ident(column),
            _ => cast(ident(column), arrow::datatypes::DataType::Utf8View),
        })
    };
    let value = |value: &str| lit(ScalarValue::Utf8View(Some(value.to_owned())));
    for (column, wanted) in &deletion.equal {
        all = all.and(text(column)?.eq(value(wanted)));
    }
    for (column, other) in &deletion.unequal {
        // A row without a value has not this one.
        all = all.and(Expr::IsNotTrue(Box::new(text(column)?.eq(value(other)))));
    }
    if let Some(from) = deletion.from {
        all = all.and(ident(TIME).gt_eq(micros(from)));
    }
    if let Some(before) = deletion.before {
        all = all.and(ident(TIME).lt(micros(before)));
    }
    Ok(all)
}

fn physical(table: &Table, expr: Expr) -> Result<Arc<dyn PhysicalExpr>, LakeError> {
    let schema = DFSchema::try_from(Arc::clone(&table.schema)).map_err(LakeError::delta(table.name()))?;
    SessionContext::new()
        .create_physical_expr(expr, &schema)
        .map_err(LakeError::delta(table.name()))
}

/// Whether the file may have rows to delete, by its times.
fn touches(file: &DataFile, deletion: &Deletion) -> bool {
    let earliest = file.statistics.earliest(TIME);
    let latest = file.statistics.latest(TIME);
    let too_late = deletion
        .before
        .is_some_and(|before| earliest.is_some_and(|earliest| earliest >= before.timestamp_micros()));
    let too_early = deletion
        .from
        .is_some_and(|from| latest.is_some_and(|latest| latest < from.timestamp_micros()));
    // Rows without a time are of no age.
    let timeless = file.date.is_none() && (deletion.before.is_some() || deletion.from.is_some());
    !too_late && !too_early && !timeless
}

/// Whether it can be seen without reading that every row goes.
fn goes_whole(file: &DataFile, deletion: &Deletion) -> bool {
    if !deletion.equal.is_empty() || !deletion.unequal.is_empty() || file.date.is_none() {
        return false;
    }
    let inside = |limit: Option<DateTime<Utc>>, fits: &dyn Fn(i64) -> bool| limit.is_none_or(|limit| fits(limit.timestamp_micros()));
    inside(deletion.before, &|before| {
        file.statistics.latest(TIME).is_some_and(|latest| latest < before)
    }) && inside(deletion.from, &|from| {
        file.statistics.earliest(TIME).is_some_and(|earliest| earliest >= from)
    })
}

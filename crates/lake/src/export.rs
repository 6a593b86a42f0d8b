//! A table as one Parquet file, rows in memory included, for whoever takes rows elsewhere.

use std::path::Path;

use datafusion::execution::context::SessionContext;
use futures::StreamExt;
use parquet::arrow::ArrowWriter;

use crate::error::{LakeError, blocking};
use crate::files::writer_options;
use crate::lake::Lake;
use crate::provider::LakeTable;

impl Lake {
    /// Writes all rows of a table to a file that must not exist yet. Returns how many.
    ///
    /// # Errors
    /// When there is no such table, or a file cannot be read or written.
    pub async fn export(&self, table: &str, path: &Path) -> Result<u64, LakeError> {
        let shared = &self.inner.shared;
        let table = self.inner.table(table)?;
        let failed = LakeError::delta(table.name());
        let rows_of = || {
            let provider = LakeTable::new(std::sync::Arc::clone(shared), std::sync::Arc::clone(&table));
            SessionContext::new().read_table(std::sync::Arc::new(provider))
        };
        let mut rows = match rows_of() {
            Ok(frame) => frame.execute_stream().await.map_err(failed)?,
            Err(error) => return Err(failed(error)),
        };
        let file = std::fs::File::create_new(path).map_err(LakeError::io("create", path))?;
        let options = writer_options(&table.definition, shared.options.row_group_rows, true);
        let schema = std::sync::Arc::clone(&table.schema);
        let mut writer = ArrowWriter::try_new_with_options(file, schema, options).map_err(LakeError::parquet(path))?;
        let mut count = 0;
        while let Some(batch) = rows.next().await {
            let batch = batch.map_err(LakeError::delta(table.name()))?;
            count += batch.num_rows() as u64;
            let place = path.to_owned();
            writer = blocking("writing an export", move || {
                writer.write(&batch).map_err(LakeError::parquet(&place))?;
                Ok(writer)
            })
            .await?;
        }
        let file = writer.into_inner().map_err(LakeError::parquet(path))?;
        file.sync_all().map_err(LakeError::io("fsync", path))?;
        Ok(count)
    }
}

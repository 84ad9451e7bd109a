//! `CHECKPOINT` and `SHOW CHECKPOINTS`.

use laminar_core::Result;
use laminar_core::time::EventTime;

use super::{StatementOutcome, text_rows};
use crate::Database;
use crate::engine::Engine;

pub(super) fn run(database: &Database) -> Result<StatementOutcome> {
    let epoch = database.checkpoint()?;
    Ok(StatementOutcome::done(format!("CHECKPOINT {epoch}")))
}

/// The checkpoints that stand in the directory, the newest first; none in a database in memory.
pub(super) fn show(engine: &Engine) -> Result<StatementOutcome> {
    let stored = engine.journal.store().map(|store| store.checkpoints().kept()).unwrap_or_default();
    let rows = stored.into_iter().rev().map(|checkpoint| {
        vec![
            checkpoint.epoch.to_string(),
            EventTime(checkpoint.written).to_string(),
            checkpoint.watermark.map(|watermark| EventTime(watermark).to_string()).unwrap_or_default(),
            checkpoint.bytes.to_string(),
            checkpoint.blocks.to_string(),
            checkpoint.log.to_string(),
        ]
    });
    text_rows(&["epoch", "written", "watermark", "bytes", "blocks", "log_position"], rows.collect())
}

//! `BACKUP TO`.

use std::path::Path;

use laminar_core::Result;
use laminar_sql::parse::Backup;

use super::StatementOutcome;
use crate::Database;

pub(super) fn run(database: &Database, backup: &Backup) -> Result<StatementOutcome> {
    let epoch = database.back_up(Path::new(&backup.directory)).map_err(|error| error.at(backup.span))?;
    Ok(StatementOutcome::done(format!("BACKUP TO '{}' (checkpoint {epoch})", backup.directory)))
}

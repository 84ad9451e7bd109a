//! Copies of a database in a directory, and databases that are made of them.

use std::path::Path;
use std::sync::Arc;

use laminar_core::{Code, Error, Result};
use laminar_storage::disk::RealDisk;
use laminar_storage::store::{self, Copied};
use laminar_storage::{Store, StoreOptions};

use crate::Database;

impl Database {
    /// Makes a checkpoint and copies it, with what has been logged since, into a directory that is empty or not there. Gives the checkpoint's number. The copy is
    /// a database by itself; it holds all that was answered before the call. Fails in a database in memory.
    pub fn back_up(&self, to: &Path) -> Result<u64> {
        let Some(durable) = &self.durable else {
            return Err(Error::new(Code::InvalidQuery, "a database in memory has nothing that could be copied")
                .with_hint("open a directory: Database::open(\"data\"), or laminar run --data-dir data"));
        };
        self.checkpoint()?;
        Ok(durable.store().back_up(to)?.epoch.unwrap_or(0))
    }
}

/// Copies the database in the directory `from`, which no process has open, as [`Database::back_up`] does but for a checkpoint that is made for it. With what a
/// person should know: that the newest checkpoint could not be used, for example.
pub fn back_up_directory(from: &Path, to: &Path) -> Result<(Copied, Vec<String>)> {
    if !store::is_database(from)? {
        return Err(Error::new(Code::UnknownObject, format!("there is no database in '{}'", from.display()))
            .with_hint("name the directory of a database"));
    }
    let opened = Store::open(from, Arc::new(RealDisk), StoreOptions::STANDARD).map_err(|error| {
        if error.code() == Code::ObjectInUse {
            error.with_hint("say BACKUP TO 'directory' in that process, or stop it first")
        } else {
            error
        }
    })?;
    Ok((opened.store.back_up(to)?, opened.warnings))
}

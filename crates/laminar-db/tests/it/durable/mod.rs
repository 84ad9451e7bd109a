//! Databases in a directory: what was answered with success is there when the directory is opened again.

mod backup;
mod crash;
mod formats;
mod large;
mod oracle;
mod pipelines;
mod plain;
mod replaced;
mod simulation;
mod subscriptions;

use std::path::Path;

use laminar_db::Database;
use tempfile::TempDir;

/// A directory in which databases are opened one after the other.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn data(&self) -> String {
        self.path().join("data").display().to_string()
    }

    fn file(&self, name: &str) -> String {
        self.path().join(name).display().to_string()
    }

    /// Opens the database. It makes checkpoints only when it is told to.
    #[track_caller]
    fn open(&self) -> Database {
        self.open_with(1)
    }

    #[track_caller]
    fn open_with(&self, workers: usize) -> Database {
        let db = Database::builder().workers_in_turn(workers).open(&self.data()).unwrap_or_else(|error| panic!("{error}"));
        db.execute("SET checkpoint_interval = 'never'").unwrap();
        db
    }
}

#[track_caller]
fn rows(db: &Database, sql: &str) -> Vec<Vec<String>> {
    let mut rows = db.query(sql).unwrap_or_else(|error| panic!("{sql}: {error}")).to_strings();
    rows.sort();
    rows
}

#[track_caller]
fn execute(db: &Database, sql: &str) {
    db.execute(sql).map(|_| ()).unwrap_or_else(|error| panic!("{sql}: {error}"));
}

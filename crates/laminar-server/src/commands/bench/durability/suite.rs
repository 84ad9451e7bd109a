//! The measurements, one after the other, in directories of their own below the one that was asked for.

use std::path::{Path, PathBuf};

use laminar_db::Result;

use super::{Figure, device, exactly_once, pushes, state};
use crate::files::failed;
use crate::output::complain;

/// How much is measured.
pub(in super::super) struct Suite {
    /// Rows of a whole input.
    pub(super) rows: usize,
    /// Groups that are checkpointed.
    pub(super) groups: usize,
    /// Rows that are pushed one by one, for each way to wait for them.
    pub(super) pushes: usize,
    /// Syncs of the device alone.
    pub(super) syncs: usize,
    /// Bytes that the device writes and reads at a stretch.
    pub(super) stretch_bytes: usize,
    /// Checkpoints that are made while rows are pushed, and what lies between them.
    pub(super) checkpoints: usize,
    pub(super) checkpoints_every_ms: u64,
    /// How often the checkpoint of the groups is recovered.
    pub(super) recoveries: u16,
    /// How long nothing happens.
    pub(super) idle_ms: u64,
    /// Runs of a whole input, with a directory and without one.
    pub(super) pairs: u16,
    /// Threads that share the work of a database.
    pub(super) workers: u16,
}

impl Suite {
    /// Enough for figures that can be trusted: some minutes.
    pub(in super::super) const FULL: Suite = Suite {
        rows: 10_000_000,
        groups: 1_000_000,
        pushes: 4_000,
        syncs: 2_000,
        stretch_bytes: 512 << 20,
        checkpoints: 10,
        checkpoints_every_ms: 2_000,
        recoveries: 3,
        idle_ms: 5_000,
        pairs: 3,
        workers: 1,
    };

    /// Enough to see that everything works: some seconds.
    pub(in super::super) const QUICK: Suite = Suite {
        rows: 50_000,
        groups: 5_000,
        pushes: 40,
        syncs: 20,
        stretch_bytes: 4 << 20,
        checkpoints: 2,
        checkpoints_every_ms: 100,
        recoveries: 1,
        idle_ms: 1_500,
        pairs: 1,
        workers: 1,
    };

    /// The same with what the caller has chosen.
    pub(in super::super) fn with(self, rows: Option<usize>, pairs: Option<u16>, workers: u16) -> Suite {
        Suite { rows: rows.unwrap_or(self.rows), pairs: pairs.unwrap_or(self.pairs), workers, ..self }
    }
}

/// Measures everything in a directory that is made below `directory` and removed at the end.
pub(in super::super) fn measure(suite: &Suite, directory: &Path) -> Result<Vec<Figure>> {
    let place = tempfile::Builder::new().prefix("laminar-bench-").tempdir_in(directory).map_err(failed(directory))?;
    let folder = |name: &str| -> Result<PathBuf> {
        complain(&format!("  {name}\n"));
        let folder = place.path().join(name.replace(' ', "-"));
        std::fs::create_dir(&folder).map_err(failed(&folder))?;
        Ok(folder)
    };
    let (mut figures, device) = device::measure(suite, &folder("the device alone")?)?;
    figures.extend(pushes::measure(suite, &device, &folder("single pushes")?)?);
    figures.extend(exactly_once::measure(suite, &folder("whole inputs")?)?);
    figures.extend(state::measure(suite, &folder("checkpoints and recovery")?)?);
    Ok(figures)
}

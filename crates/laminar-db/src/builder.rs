//! How a database is put together: the parts come in here as arguments.

use std::path::Path;
use std::sync::Arc;

use laminar_connectors::Registry;
use laminar_core::limits::{STEP_BUDGET_NS, VIRTUAL_PARTITIONS};
use laminar_core::time::{Clock, SystemClock};
use laminar_core::{Result, io_uring};
use laminar_storage::disk::{Disk, IoUringDisk, RealDisk};

use crate::Database;
use crate::durability::DurabilityThreads;
use crate::engine::EngineParts;
use crate::hosted::EngineThread;
use crate::notice::{Notice, NoticeKind};
use crate::recovery::recovered;
use crate::settings::{IoMethod, Settings, StepBudget};

/// Where a database is that has no directory.
const MEMORY: &str = ":memory:";

impl Database {
    /// Opens the database in the directory `path`, which is made if it is not there: what it answered with success is there again. In
    /// `":memory:"` is a new one, which is gone when the program ends.
    ///
    /// Fails with [`Code::ObjectInUse`](crate::Code::ObjectInUse) while another process has the directory open.
    ///
    /// ```
    /// use laminar_db::Database;
    ///
    /// # fn main() -> laminar_db::Result<()> {
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let path = folder.path().join("app").display().to_string();
    /// let db = Database::open(&path)?;
    /// db.execute("CREATE TABLE visits (page VARCHAR); INSERT INTO visits VALUES ('/'), ('/about')")?;
    /// drop(db); // or a crash
    ///
    /// let db = Database::open(&path)?;
    /// assert_eq!(db.query("SELECT count(*) FROM visits")?.to_strings(), [["2"]]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn open(path: &str) -> Result<Self> {
        Self::builder().open(path)
    }

    /// A database put together by hand.
    pub fn builder() -> DatabaseBuilder {
        DatabaseBuilder::default()
    }
}

/// Chooses a database's parts and settings.
pub struct DatabaseBuilder {
    parts: EngineParts,
    hosted: bool,
}

impl Default for DatabaseBuilder {
    fn default() -> Self {
        let (clock, registry, settings) = (Arc::new(SystemClock), Registry::with_builtin(), Settings::default());
        Self { parts: EngineParts { clock, registry, settings, checked: false, inline_workers: false }, hosted: false }
    }
}

impl DatabaseBuilder {
    /// Another clock: tests and simulations decide what time it is.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.parts.clock = clock;
        self
    }

    /// Another set of connectors.
    #[must_use]
    pub fn connectors(mut self, registry: Registry) -> Self {
        self.parts.registry = registry;
        self
    }

    /// Other settings to begin with; `SET` changes them later.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.parts.settings = settings;
        self
    }

    /// Lets `workers` threads share the work instead of the caller doing it all, which is the default (1); at most 256.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.parts.settings.workers = workers.clamp(1, VIRTUAL_PARTITIONS);
        self
    }

    /// Gives the database a thread of its own, which reads sources and runs steps, always to budget ([`StepBudget`](crate::StepBudget)). Callers
    /// push and ask; `run_until_finished` and iterating a subscription only wait. The thread ends with the last handle. Without it, which is the
    /// default, the callers do all the work: whole steps, the same every time.
    #[must_use]
    pub fn hosted(mut self) -> Self {
        self.hosted = true;
        if self.parts.settings.step_budget == StepBudget::WhileContended {
            self.parts.settings.step_budget = StepBudget::Always(STEP_BUDGET_NS);
        }
        self
    }

    /// Where several workers share the work, lets the caller do it for all of them in turn, and deals out even the smallest
    /// steps: for tests, which then are the same every time.
    #[must_use]
    pub fn workers_in_turn(mut self, workers: usize) -> Self {
        self.parts.inline_workers = true;
        self.workers(workers)
    }

    /// Holds everything that operators emit against what their edges promise: for tests, as it keeps a copy of everything.
    #[must_use]
    pub fn checked(mut self) -> Self {
        self.parts.checked = true;
        self
    }

    /// The database in the directory `path`, or a new one in `":memory:"`, see [`Database::open`].
    pub fn open(mut self, path: &str) -> Result<Database> {
        let notice = settle_io_method(&mut self.parts.settings, io_uring::probe);
        let database = if path == MEMORY {
            let database = Database::new(self.parts);
            database.lock().begin_limit()?;
            with_threads(database, self.hosted, None)
        } else {
            let disk = machine_disk(self.parts.settings.io_method)?;
            self.open_on(path, disk)?
        };
        database.lock().notices_of_opening.extend(notice);
        Ok(database)
    }

    /// For tests: the database in the directory `path` of another disk than the machine's.
    #[doc(hidden)]
    pub fn open_on(self, path: &str, disk: Arc<dyn Disk>) -> Result<Database> {
        let database = recovered(self.parts, Path::new(path), disk)?;
        let started = database.durable.clone().map(|durable| {
            let database = database.clone();
            DurabilityThreads::start(durable, move |durable| database.keep_checkpoints(durable))
        });
        let durability = started.transpose()?;
        Ok(with_threads(database, self.hosted, durability))
    }

    /// The database, in memory. A `memory_limit` of its settings that cannot be kept is left out: [`Database::opening_notices`] says why; [`open`](Self::open) fails.
    pub fn build(mut self) -> Database {
        let notice = settle_io_method(&mut self.parts.settings, io_uring::probe);
        let database = Database::new(self.parts);
        {
            let engine = &mut *database.lock();
            engine.notices_of_opening.extend(notice);
            if let Err(error) = engine.begin_limit() {
                engine.settings.memory_limit = None;
                let text = format!("there is no memory_limit: {error}");
                engine.notices_of_opening.push(Notice::new(NoticeKind::Ignored, text, None));
            }
        }
        with_threads(database, self.hosted, None)
    }
}

/// Where rings are asked for and refused, the settings say so from now on, and a notice why.
fn settle_io_method(settings: &mut Settings, probe: impl FnOnce() -> Result<()>) -> Option<Notice> {
    let error = if settings.io_method == IoMethod::IoUring { probe().err()? } else { return None };
    settings.io_method = IoMethod::Sync;
    let text = format!("io_method is 'sync': {}", error.message());
    let hint = "nothing else is different; --set io_method=sync asks for no more than that";
    Some(Notice::new(NoticeKind::Ignored, text, Some(hint.to_owned())))
}

/// The machine's disk, written as the settings say.
fn machine_disk(io_method: IoMethod) -> Result<Arc<dyn Disk>> {
    Ok(match io_method {
        IoMethod::Sync => Arc::new(RealDisk),
        IoMethod::IoUring => Arc::new(IoUringDisk::new()?),
    })
}

/// The database with the threads that work for it until its last handle is gone.
fn with_threads(database: Database, hosted: bool, durability: Option<DurabilityThreads>) -> Database {
    // Without a thread of its own callers do the work, with the same answers.
    let engine = hosted.then(|| EngineThread::start(database.clone())).and_then(Result::ok);
    database.with_threads(engine.is_some(), (engine, durability))
}

#[cfg(test)]
mod tests {
    use laminar_core::{Code, Error};

    use super::*;

    #[test]
    fn where_rings_are_refused_files_are_written_without_them_and_a_notice_says_so() {
        let refuse = || Err(Error::new(Code::Io, "the system refuses io_uring: Operation not permitted (os error 1)"));
        let mut settings = Settings { io_method: IoMethod::IoUring, ..Settings::default() };
        let notice = settle_io_method(&mut settings, refuse).unwrap();
        assert_eq!(notice.kind(), NoticeKind::Ignored);
        assert!(
            notice.to_string().starts_with("io_method is 'sync': the system refuses io_uring: Operation not permitted"),
            "{notice}"
        );
        assert_eq!(settings.io_method, IoMethod::Sync);
        assert_eq!(settle_io_method(&mut settings, || panic!("is not asked for")), None);
        let mut accepted = Settings { io_method: IoMethod::IoUring, ..Settings::default() };
        assert_eq!((settle_io_method(&mut accepted, || Ok(())), accepted.io_method), (None, IoMethod::IoUring));
    }
}

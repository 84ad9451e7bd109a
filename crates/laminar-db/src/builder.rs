//! How a database is put together: the parts come in here as arguments.

use std::path::Path;
use std::sync::Arc;

use laminar_connectors::Registry;
use laminar_core::Result;
use laminar_core::limits::{STEP_BUDGET_NS, VIRTUAL_PARTITIONS};
use laminar_core::time::{Clock, SystemClock};
use laminar_storage::disk::{Disk, RealDisk};

use crate::Database;
use crate::durability::DurabilityThreads;
use crate::engine::EngineParts;
use crate::hosted::EngineThread;
use crate::notice::{Notice, NoticeKind};
use crate::recovery::recovered;
use crate::settings::{Settings, StepBudget};

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
    pub fn open(self, path: &str) -> Result<Database> {
        if path == MEMORY {
            let database = Database::new(self.parts);
            database.lock().begin_limit()?;
            return Ok(with_threads(database, self.hosted, None));
        }
        self.open_on(path, Arc::new(RealDisk))
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
    pub fn build(self) -> Database {
        let database = Database::new(self.parts);
        {
            let engine = &mut *database.lock();
            if let Err(error) = engine.begin_limit() {
                engine.settings.memory_limit = None;
                let text = format!("there is no memory_limit: {error}");
                engine.notices_of_opening.push(Notice::new(NoticeKind::Ignored, text, None));
            }
        }
        with_threads(database, self.hosted, None)
    }
}

/// The database with the threads that work for it until its last handle is gone.
fn with_threads(database: Database, hosted: bool, durability: Option<DurabilityThreads>) -> Database {
    // Without a thread of its own callers do the work, with the same answers.
    let engine = hosted.then(|| EngineThread::start(database.clone())).and_then(Result::ok);
    database.with_threads(engine.is_some(), (engine, durability))
}

//! The thread of a hosted database: it reads sources and runs steps, always to budget, while callers push and ask.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use laminar_core::{Code, Error, Result};

use crate::Database;

/// The thread; it ends with the last handle to its database.
pub(crate) struct EngineThread {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl EngineThread {
    /// Starts a thread that works for `database`, which must not be one of the handles that end it.
    pub(crate) fn start(database: Database) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        let thread = thread::Builder::new().name("laminar-engine".to_owned()).spawn(move || work(&database, &seen));
        let thread = thread.map_err(|error| {
            Error::new(Code::LimitReached, format!("the thread of the database could not be started: {error}"))
                .with_hint("raise the limit of threads, or leave out hosted(): callers then do the work")
        })?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

fn work(database: &Database, stop: &AtomicBool) {
    while !stop.load(Ordering::Acquire) {
        database.host();
    }
}

impl Drop for EngineThread {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
        {
            // It has caught what panicked in a step; a panic of the loop itself has been printed.
            let _ = thread.join();
        }
    }
}

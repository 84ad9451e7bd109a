//! The class `Subscription`: changes step by step, by iterating or one at a time.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use laminar_db::{Database, Result, Rows, Subscription, Turn, schema_with_operations};
use pyo3::prelude::*;

use crate::database::{SLICE_NS, end_of, nap, now};
use crate::error::plain;
use crate::result::PyRows;

/// Between two looks for what other threads push.
const NAP: Duration = Duration::from_millis(2);

/// A reader of changes, until it is closed.
#[pyclass(module = "laminardb", name = "Subscription", frozen)]
pub(crate) struct PySubscription {
    name: String,
    columns: Vec<String>,
    /// Locked without the interpreter only, since a reader of another thread holds it while it works.
    open: Mutex<Option<Subscription>>,
    database: Database,
    /// Seconds that iterating waits for changes.
    timeout: Option<f64>,
}

/// What a moment of waiting brought.
enum Waited {
    Changes(Rows),
    /// Nothing will come, or not without a push.
    Ended,
    /// Nothing yet.
    Nothing,
}

impl PySubscription {
    pub(crate) fn new(subscription: Subscription, database: Database, timeout: Option<f64>) -> Self {
        let schema = schema_with_operations(&subscription.schema());
        let columns = schema.fields().iter().map(|field| field.name().clone()).collect();
        Self { name: subscription.name().to_owned(), columns, open: Mutex::new(Some(subscription)), database, timeout }
    }

    fn open(&self) -> MutexGuard<'_, Option<Subscription>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a moment. With an end the wait is for other threads' pushes too.
    fn slice(&self, end: Option<i64>) -> Result<Waited> {
        let until = now().saturating_add(SLICE_NS).min(end.unwrap_or(i64::MAX));
        let (mut worked, mut idle) = (false, false);
        loop {
            // Locked anew each time: others may close the subscription while this one waits.
            match self.look()? {
                Waited::Nothing if idle => return Ok(Waited::Ended),
                Waited::Nothing if worked && now() >= until => return Ok(Waited::Nothing),
                Waited::Nothing => worked = true,
                found => return Ok(found),
            }
            match self.database.turn()? {
                Turn::Progressed => {}
                Turn::Wait(wait) => nap(wait, until),
                Turn::Finished if end.is_none() => idle = true,
                Turn::Finished => nap(NAP, until),
            }
        }
    }

    /// What is there already.
    fn look(&self) -> Result<Waited> {
        let mut open = self.open();
        let Some(subscription) = open.as_mut() else { return Ok(Waited::Ended) };
        Ok(match subscription.try_next()? {
            Some(changes) => {
                let rows = changes.with_operations()?;
                Waited::Changes(Rows::from(rows))
            }
            None if subscription.is_finished() => Waited::Ended,
            None => Waited::Nothing,
        })
    }

    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Option<PyRows>> {
        let end = end_of(timeout)?;
        loop {
            match py.detach(|| self.slice(end)).map_err(|error| plain(py, &error))? {
                Waited::Changes(rows) => return Ok(Some(PyRows::new(rows))),
                Waited::Ended => return self.ended(py),
                Waited::Nothing => {}
            }
            py.check_signals()?;
            if end.is_some_and(|end| now() >= end) {
                return Ok(None);
            }
        }
    }
}

impl PySubscription {
    /// Nothing comes any more: an error if something that feeds it has stopped before its end.
    fn ended(&self, py: Python<'_>) -> PyResult<Option<PyRows>> {
        let failure = py.detach(|| self.open().as_ref().and_then(Subscription::failure));
        failure.map_or(Ok(None), |error| Err(plain(py, &error)))
    }
}

#[pymethods]
impl PySubscription {
    /// The name of the object, or of the query.
    #[getter]
    fn name(&self) -> &str {
        &self.name
    }

    /// Names of the columns: `step`, `op`, then those of the rows.
    #[getter]
    fn columns(&self) -> Vec<String> {
        self.columns.clone()
    }

    /// Changes that were dropped because nobody read them in time.
    #[getter]
    fn dropped(&self, py: Python<'_>) -> u64 {
        py.detach(|| self.open().as_ref().map_or(0, Subscription::dropped))
    }

    /// True once nothing will come any more and everything has been read.
    #[getter]
    fn finished(&self, py: Python<'_>) -> bool {
        py.detach(|| self.open().as_ref().is_none_or(Subscription::is_finished))
    }

    /// The changes of the next step, or None.
    #[pyo3(signature = (timeout = None))]
    fn next(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Option<PyRows>> {
        self.wait(py, timeout)
    }

    /// Stops listening.
    fn close(&self, py: Python<'_>) {
        py.detach(|| {
            let taken = self.open().take();
            drop(taken);
        });
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<PyRows>> {
        self.wait(py, self.timeout)
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __exit__(&self, py: Python<'_>, _kind: &Bound<'_, PyAny>, _value: &Bound<'_, PyAny>, _trace: &Bound<'_, PyAny>) {
        self.close(py);
    }
}

/// Stopping takes the engine's lock, so it must not happen while the interpreter is held.
impl Drop for PySubscription {
    fn drop(&mut self) {
        let taken = self.open.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(subscription) = taken {
            Python::attach(|py| py.detach(|| drop(subscription)));
        }
    }
}

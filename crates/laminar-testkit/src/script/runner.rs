//! Runs one script against an engine.

use std::path::Path;

use laminar_core::{Error, Result};
use sqllogictest::{DB, DBOutput, Runner, default_normalizer, default_validator, strict_column_validator};
use tokio::runtime::Builder;

use super::kind::print;
use super::{Answer, Engine, Kind};

/// Runs the script at `path`; `make` makes its engine. With `update` the actual results are written into the file instead.
///
/// # Errors
/// The first statement that did not do what the script says, with its line.
pub fn run_script(path: &Path, make: &dyn Fn() -> Result<Box<dyn Engine>>, update: bool) -> Result<(), String> {
    let mut runner = Runner::new(|| {
        let engine = make().map(Connection);
        async move { engine }
    });
    runner.with_column_validator(strict_column_validator);
    if update {
        let runtime = Builder::new_current_thread().build().map_err(|error| error.to_string())?;
        let updated = runner.update_test_file(path, " ", default_validator, default_normalizer, strict_column_validator);
        return runtime.block_on(updated).map_err(|error| error.to_string());
    }
    runner.run_file(path).map_err(|error| error.to_string())
}

/// Runs a statement on a thread of its own: the library updates files within an async runtime, where an engine must not wait.
fn apart(engine: &mut dyn Engine, sql: &str) -> Result<Answer> {
    std::thread::scope(|scope| scope.spawn(|| engine.run(sql)).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
}

/// An engine as the library of scripts wants it.
struct Connection(Box<dyn Engine>);

impl DB for Connection {
    type Error = Error;
    type ColumnType = Kind;

    fn run(&mut self, sql: &str) -> Result<DBOutput<Kind>> {
        Ok(match apart(&mut *self.0, sql)? {
            Answer::Done(rows) => DBOutput::StatementComplete(rows),
            Answer::Rows(schema, batches) => DBOutput::Rows {
                types: schema.fields().iter().map(|field| Kind::of(field.data_type())).collect(),
                rows: batches.iter().map(print).collect::<Result<Vec<_>>>()?.concat(),
            },
        })
    }

    fn engine_name(&self) -> &str {
        "laminar"
    }
}

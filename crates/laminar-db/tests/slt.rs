//! Every feature of the language in SQL: the scripts in `tests/slt`, each against a database of its own.

use std::path::Path;
use std::process::ExitCode;

use laminar_db::{Code, Database, Error, Result, StatementOutcome};
use laminar_testkit::script::{Answer, Engine, MakeEngine, run_folder_on};

struct Embedded(Database);

impl Engine for Embedded {
    fn run(&mut self, sql: &str) -> Result<Answer> {
        Ok(match self.0.execute(sql)?.pop() {
            Some(StatementOutcome::Rows(rows)) => Answer::Rows(rows.schema, rows.batches),
            Some(
                StatementOutcome::Inserted { rows, .. }
                | StatementOutcome::Updated { rows, .. }
                | StatementOutcome::Deleted { rows, .. },
            ) => Answer::Done(rows),
            Some(StatementOutcome::Done { .. } | StatementOutcome::Skipped(_)) | None => Answer::Done(0),
            Some(StatementOutcome::Subscription(_)) => {
                return Err(Error::new(Code::NotSupported, "a script reads no endless rows"));
            }
        })
    }
}

fn main() -> ExitCode {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slt");
    run_folder_on(&scripts, vec![("1 worker", on(1)), ("2 workers", on(2)), ("4 workers", on(4))])
}

/// Several workers take turns on one thread, so that every run is the same; their threads have tests of their own.
fn on(workers: usize) -> MakeEngine {
    Box::new(move || Ok(Box::new(Embedded(Database::builder().workers_in_turn(workers).build()))))
}

//! Every feature of the language in SQL: the scripts in `tests/slt`, each against a database of its own.

use std::path::Path;
use std::process::ExitCode;

use laminar_db::{Code, Database, Error, Outcome, Result};
use laminar_testkit::script::{Answer, Engine, run_folder};

struct Embedded(Database);

impl Engine for Embedded {
    fn run(&mut self, sql: &str) -> Result<Answer> {
        Ok(match self.0.execute(sql)?.pop() {
            Some(Outcome::Rows(rows)) => Answer::Rows(rows.schema, rows.batches),
            Some(Outcome::Inserted(rows)) => Answer::Done(rows),
            Some(Outcome::Done(_) | Outcome::Skipped(_)) | None => Answer::Done(0),
            Some(Outcome::Subscription(_)) => return Err(Error::new(Code::NotSupported, "a script reads no endless rows")),
        })
    }
}

fn main() -> ExitCode {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slt");
    run_folder(&scripts, || Ok(Box::new(Embedded(Database::open(":memory:")?))))
}

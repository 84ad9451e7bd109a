//! The script runner runs scripts: here with DataFusion alone as the engine.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use datafusion::prelude::SessionContext;
use laminar_core::{Code, Error, Result};
use laminar_testkit::script::{Answer, Engine, run_folder, run_script};
use tokio::runtime::Runtime;

struct Batch {
    session: SessionContext,
    runtime: Runtime,
}

impl Engine for Batch {
    fn run(&mut self, sql: &str) -> Result<Answer> {
        let answer = async {
            let frame = self.session.sql(sql).await?;
            let schema = Arc::new(frame.schema().as_arrow().clone());
            Ok((schema, frame.collect().await?))
        };
        let answer: datafusion::error::Result<_> = self.runtime.block_on(answer);
        let (schema, rows) = answer.map_err(|error| Error::new(Code::InvalidQuery, error.to_string()))?;
        Ok(if schema.fields().is_empty() { Answer::Done(0) } else { Answer::Rows(schema, rows) })
    }
}

fn make() -> Result<Box<dyn Engine>> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    Ok(Box::new(Batch { session: SessionContext::new(), runtime }))
}

/// A script that expects something else must fail, with the place: else no script could ever find anything.
fn wrong_scripts_fail(folder: &Path) {
    for (name, place) in [("result.slt", "result.slt:3"), ("type.slt", "type.slt:2"), ("error.slt", "error.slt:2")] {
        let message = run_script(&folder.join(name), &make, false).expect_err(name);
        assert!(message.contains(place), "{message}");
    }
}

fn main() -> ExitCode {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    wrong_scripts_fail(&tests.join("slt_wrong"));
    run_folder(&tests.join("slt"), make)
}

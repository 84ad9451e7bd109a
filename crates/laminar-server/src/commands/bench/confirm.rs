//! The batch answer to a workload's query over the same rows.

use laminar_db::{Code, Database, Error, Result};

use super::answer::Answer;
use super::input::{Input, Table};
use super::workload::Workload;

/// Fails unless an ad-hoc SELECT over views of all rows gives what the stream gave. The views have the names of the stream's
/// sources, so that the query is the same to the letter.
pub(super) fn confirm(workload: &Workload, input: &Input, streamed: &Answer) -> Result<()> {
    let batch = batch_answer(workload, input)?;
    if batch == *streamed {
        return Ok(());
    }
    let text = format!(
        "the stream's answer ({} rows, {streamed}) is not the batch answer ({} rows, {batch})",
        streamed.rows, batch.rows
    );
    Err(Error::new(Code::Internal, text)
        .with_hint("this is a bug: run it with --workers 1 and fewer --rows to see where it begins"))
}

fn batch_answer(workload: &Workload, input: &Input) -> Result<Answer> {
    let database = Database::builder().build();
    for Table { name, columns } in input.source.tables() {
        let source = format!("CREATE SOURCE pushed_{name} ({columns})");
        database.execute(&format!("{source}; CREATE MATERIALIZED VIEW {name} AS SELECT * FROM pushed_{name}"))?;
    }
    database.execute(workload.setup)?;
    for batch in &input.batches {
        database.push(&format!("pushed_{}", batch.table), batch.rows.clone())?;
    }
    Answer::of_rows(&database.query(&workload.select())?.batches)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::bench::{pipeline::Threads, throughput, workload::find};

    #[test]
    fn another_answer_than_the_batch_answer_is_refused() {
        let workload = find("tumble-1k")[0];
        let input = Input::make(workload.source, 3_000).unwrap();
        let answer = throughput::run(workload, &input, Threads { workers: 1, hosted: false }).unwrap().answer;
        confirm(workload, &input, &answer).unwrap();
        let fewer = Input::make(workload.source, 2_999).unwrap();
        let error = confirm(workload, &fewer, &answer).unwrap_err();
        assert!(error.message().contains("is not the batch answer"), "{error}");
    }
}

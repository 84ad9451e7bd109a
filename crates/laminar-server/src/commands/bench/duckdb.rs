//! The same rows and the same question in DuckDB: a Python process that runs the query whenever it is told to.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

use laminar_db::{Code, Database, Error, Result};
use tempfile::TempDir;

use super::answer::Answer;
use super::input::{Input, Table};
use super::workload::Workload;

const SCRIPT: &str = include_str!("duckdb.py");
const PYTHON: &str = "python3";

/// Fails, and says what to install, unless Python finds DuckDB.
pub(super) fn assert_installed() -> Result<()> {
    let tried = Command::new(PYTHON).args(["-c", "import duckdb, pyarrow"]).output();
    let detail = match tried {
        Ok(output) if output.status.success() => return Ok(()),
        Ok(output) => String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or_default().to_owned(),
        Err(error) => format!("{PYTHON} cannot be started: {error}"),
    };
    Err(Error::new(Code::Io, format!("--compare duckdb needs DuckDB's Python package ({detail})"))
        .with_hint("pip install duckdb pyarrow; in a virtual environment, activate it first"))
}

/// A DuckDB that holds the rows of a workload.
pub(super) struct DuckDb {
    process: Child,
    answers: BufReader<ChildStdout>,
    /// What DuckDB says its version is.
    pub(super) version: String,
}

/// One run of the query.
#[derive(Debug)]
pub(super) struct Answered {
    /// Seconds.
    pub(super) wall: f64,
    /// Seconds of CPU, all threads.
    pub(super) cpu: f64,
    rows: i64,
    sums: Vec<i64>,
}

impl DuckDb {
    /// Hands the rows over as Parquet files and waits until they are in DuckDB's memory.
    pub(super) fn start(workload: &Workload, query: &str, input: &Input, threads: u16) -> Result<Self> {
        let folder = TempDir::new()?;
        for table in input.source.tables() {
            write_parquet(input, table, &folder.path().join(format!("{}.parquet", table.name)).display().to_string())?;
        }
        let mut process = Command::new(PYTHON)
            .args(["-c", SCRIPT])
            .arg(folder.path())
            .args([&threads.to_string(), workload.setup, query])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let answers = process.stdout.take().ok_or_else(|| Error::internal("a pipe was asked for"))?;
        let mut duckdb = Self { process, answers: BufReader::new(answers), version: String::new() };
        duckdb.version = duckdb.line()?.trim_start_matches("ready ").to_owned();
        Ok(duckdb)
    }

    /// Runs the query once.
    pub(super) fn run(&mut self) -> Result<Answered> {
        let commands = self.process.stdin.as_mut().ok_or_else(|| Error::internal("a pipe was asked for"))?;
        commands.write_all(b"run\n").and_then(|()| commands.flush())?;
        let line = self.line()?;
        parse(&line).ok_or_else(|| Error::new(Code::Io, format!("DuckDB answered '{line}' instead of figures")))
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        match self.answers.read_line(&mut line)? {
            0 => Err(Error::new(Code::Io, "DuckDB stopped; what it said stands above")),
            _ => Ok(line.trim_end().to_owned()),
        }
    }
}

impl Drop for DuckDb {
    fn drop(&mut self) {
        // Waiting closes its input first, which ends it. If it cannot be waited for, it is gone already.
        let _ = self.process.wait();
    }
}

impl Answered {
    /// Fails unless DuckDB found what we found.
    pub(super) fn assert_same(&self, ours: &Answer) -> Result<()> {
        if (self.rows, &self.sums) == (ours.rows, &ours.sums) {
            return Ok(());
        }
        let text = format!(
            "DuckDB's answer ({} rows, sums {:?}) is not ours ({} rows, sums {:?})",
            self.rows, self.sums, ours.rows, ours.sums
        );
        Err(Error::new(Code::Internal, text)
            .with_hint("without --compare the batch engine's answer is held against the stream's"))
    }
}

fn parse(line: &str) -> Option<Answered> {
    let mut words = line.split(' ');
    let (wall, cpu) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let rows = words.next()?.parse().ok()?;
    let sums = words.map(|word| word.parse().ok()).collect::<Option<_>>()?;
    Some(Answered { wall, cpu, rows, sums })
}

fn write_parquet(input: &Input, table: &Table, path: &str) -> Result<()> {
    let Table { name, columns } = table;
    let path = path.replace('\'', "''");
    let database = Database::builder().build();
    database.execute(&format!(
        "CREATE SOURCE {name} ({columns}); CREATE SINK file FROM {name} INTO FILE (path = '{path}', compression = 'none')"
    ))?;
    for batch in input.batches.iter().filter(|batch| batch.table == *name) {
        database.push(name, batch.rows.clone())?;
    }
    database.finish()?;
    let status = database.status();
    match status.failures().next() {
        Some((_, error)) => Err(error.clone()),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn only_a_whole_line_of_figures_is_an_answer() {
        let answered = parse("0.25 0.5 3 6 -1").unwrap();
        assert_eq!((answered.rows, answered.sums), (3, vec![6, -1]));
        for line in ["", "0.25 0.5", "0.25 0.5 x", "0.25 0.5 3 six"] {
            assert!(parse(line).is_none(), "{line}");
        }
    }
}

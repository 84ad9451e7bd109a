//! Runs histories through the engine and the oracle and compares.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, TimestampNanosecondArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use laminar_core::{Code, Error, Result};

use super::report::{Failure, Summary};
use super::{BatchOracle, BatchQuery, Prepared, Query, Running, Subject, Test};
use crate::compare::{Bag, bag_of_changes, bag_of_rows, compare};
use crate::random::{Change, Contents, History, Row, Step, Table};

/// After a failure so many more histories are tried, to show the smallest that fails.
const SEARCHED_FOR_SMALLER: u64 = 2_000;

/// How much is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effort {
    /// How many histories.
    pub cases: u64,
    /// The seed of the first history; the next ones follow by one.
    pub first_seed: u64,
}

impl Effort {
    /// As the environment says: `LAMINAR_ORACLE_CASES` histories, or the one of `LAMINAR_ORACLE_SEED`.
    ///
    /// # Panics
    /// If a variable is not a number.
    pub fn from_env() -> Self {
        let number = |name: &str| {
            let text = std::env::var(name).ok()?;
            Some(text.parse::<u64>().unwrap_or_else(|_| panic!("{name} must be a whole number, not '{text}'")))
        };
        match number("LAMINAR_ORACLE_SEED") {
            Some(first_seed) => Self { cases: 1, first_seed },
            None => Self { cases: number("LAMINAR_ORACLE_CASES").unwrap_or(10_000), first_seed: 1 },
        }
    }

    fn shared(self, parts: u64) -> Self {
        Self { cases: (self.cases / parts).max(1), ..self }
    }
}

/// Runs the test with the effort of the environment.
///
/// # Panics
/// If a statement is refused, if engine and oracle disagree, or if nearly all contents were empty, because then the test says nothing.
pub fn check(subject: &dyn Subject, test: &Test) {
    let effort = Effort::from_env().shared(test.share);
    match run(subject, test, effort) {
        Ok(Ok(summary)) => {
            let shown = effort.cases > 100;
            assert!(!shown || summary.with_rows * 4 > summary.comparisons, "nearly all contents are empty: {summary:?}");
        }
        Ok(Err(failure)) => panic!("{failure}"),
        Err(error) => panic!("{error}"),
    }
}

/// Runs the test.
///
/// # Errors
/// The outer one if a statement cannot be planned, the inner one if engine and oracle disagree.
pub fn run(subject: &dyn Subject, test: &Test, effort: Effort) -> Result<Result<Summary, Box<Failure>>> {
    let mut bench = Bench::new(subject, test)?;
    let mut summary = Summary::default();
    for seed in effort.first_seed..effort.first_seed + effort.cases {
        if let Err(failure) = bench.try_history(seed, &mut summary)? {
            let more = if effort.cases == 1 { 0 } else { SEARCHED_FOR_SMALLER };
            return Ok(Err(bench.smallest(failure, seed + 1..seed + more)?));
        }
    }
    Ok(Ok(summary))
}

/// The engine, the oracle and the queries that both have planned so far.
struct Bench<'a> {
    subject: &'a dyn Subject,
    test: &'a Test,
    oracle: BatchOracle,
    planned: Vec<Option<(Box<dyn Prepared>, BatchQuery)>>,
}

impl<'a> Bench<'a> {
    fn new(subject: &'a dyn Subject, test: &'a Test) -> Result<Self> {
        let mut tables: Vec<_> = test.tables.iter().map(|table| (table.name.clone(), with_arrival(table))).collect();
        tables.push(("progress".into(), progress_schema(&test.tables)));
        let planned = test.queries.iter().map(|_| None).collect();
        Ok(Self { subject, test, oracle: BatchOracle::new(tables)?, planned })
    }

    /// The query of a seed is fixed too, so that the seed alone repeats everything.
    fn query_of(&self, seed: u64) -> usize {
        (seed % self.test.queries.len() as u64) as usize
    }

    fn plan(&mut self, query: usize) -> Result<()> {
        if self.planned[query].is_none() {
            let Query { statements, batch } = &self.test.queries[query];
            let within = |error: Error| error.with_detail(statements.join("; "));
            let prepared = self.subject.prepare(&self.test.tables, statements).map_err(within)?;
            self.planned[query] = Some((prepared, self.oracle.prepare(batch)?));
        }
        Ok(())
    }

    fn try_history(&mut self, seed: u64, summary: &mut Summary) -> Result<Result<(), Box<Failure>>> {
        let query = self.query_of(seed);
        self.plan(query)?;
        let history = History::new(&self.test.tables, &self.test.sizes, seed);
        let tables = &self.test.tables;
        let (prepared, batch) = self.planned[query].as_ref().expect("planned above");
        summary.histories += 1;

        let run = Run { tables, oracle: &self.oracle, batch };
        let last = match run.compare_steps(prepared.as_ref(), &history, summary) {
            Ok(last) => last,
            Err((place, differences)) => return Ok(Err(self.failure(query, &history, place, differences))),
        };
        let again = history.cut_again(tables.len(), seed ^ u64::MAX);
        match run.compare_end(prepared.as_ref(), &again, &last, summary) {
            Ok(()) => Ok(Ok(())),
            Err((place, differences)) => Ok(Err(self.failure(query, &again, place, differences))),
        }
    }

    fn failure(&self, query: usize, history: &History, place: String, differences: String) -> Box<Failure> {
        let Query { statements, batch } = &self.test.queries[query];
        let created = self.test.tables.iter().map(Table::create_sql);
        Box::new(Failure {
            seed: history.seed,
            changes: history.len(),
            place,
            statements: created.chain(statements.iter().cloned()).collect(),
            batch: batch.clone(),
            history: history.display(&self.test.tables).to_string(),
            differences,
        })
    }

    /// The failure with the fewest changes among the histories of `seeds` with the same query.
    fn smallest(&mut self, mut best: Box<Failure>, seeds: std::ops::Range<u64>) -> Result<Box<Failure>> {
        let query = self.query_of(best.seed);
        for seed in seeds.filter(|seed| seed % self.test.queries.len() as u64 == query as u64) {
            if let Err(failure) = self.try_history(seed, &mut Summary::default())?
                && failure.changes < best.changes
            {
                best = failure;
            }
        }
        Ok(best)
    }
}

/// One history on its way. A disagreement is `(place, differences)`.
struct Run<'a> {
    tables: &'a [Table],
    oracle: &'a BatchOracle,
    batch: &'a BatchQuery,
}

type Agreed<T> = Result<T, (String, String)>;

impl Run<'_> {
    /// Compares after every step; gives back what the oracle says in the end.
    fn compare_steps(&self, prepared: &dyn Prepared, history: &History, summary: &mut Summary) -> Agreed<Bag> {
        let failed = |step: usize| move |error: Error| (format!("in step {step}"), format!("{error}\n"));
        let mut contents = vec![Contents::default(); self.tables.len()];
        let mut running = prepared.start().map_err(failed(0))?;
        let mut expected = Bag::new();
        for (number, step) in (1..).zip(&history.steps) {
            self.engine_step(running.as_mut(), step).map_err(failed(number))?;
            for (table, changes) in &step.batches {
                contents[*table].apply(&self.tables[*table], changes);
            }
            expected = self.expected(&contents).map_err(failed(number))?;
            let actual = running.contents().and_then(|rows| bag_of_changes(&rows)).map_err(failed(number))?;
            compare(&actual, &expected).map_err(|differences| (format!("after step {number}"), differences))?;
            summary.comparisons += 1;
            summary.with_rows += usize::from(!expected.is_empty());
        }
        Ok(expected)
    }

    /// Runs the same changes in another cut and compares the end only.
    fn compare_end(&self, prepared: &dyn Prepared, history: &History, expected: &Bag, summary: &mut Summary) -> Agreed<()> {
        let failed = |error: Error| ("in another cut".to_owned(), format!("{error}\n"));
        let mut running = prepared.start().map_err(failed)?;
        for step in &history.steps {
            self.engine_step(running.as_mut(), step).map_err(failed)?;
        }
        let actual = running.contents().and_then(|rows| bag_of_changes(&rows)).map_err(failed)?;
        let end = "at the end of the same changes in another cut, which is shown";
        compare(&actual, expected).map_err(|differences| (end.to_owned(), differences))?;
        summary.comparisons += 1;
        summary.with_rows += usize::from(!expected.is_empty());
        Ok(())
    }

    fn engine_step(&self, running: &mut dyn Running, step: &Step) -> Result<()> {
        let batches = step.batches.iter().map(|(table, changes)| Ok((*table, Change::batch(&self.tables[*table], changes)?)));
        running.step(batches.collect::<Result<_>>()?)
    }

    fn expected(&self, contents: &[Contents]) -> Result<Bag> {
        for (table, contents) in self.tables.iter().zip(contents) {
            self.oracle.set(&table.name, vec![rows_with_arrival(table, contents)?]);
        }
        self.oracle.set("progress", vec![progress(self.tables, contents)?]);
        bag_of_rows(&self.batch.run()?)
    }
}

const TIME: DataType = DataType::Timestamp(TimeUnit::Nanosecond, None);

fn with_arrival(table: &Table) -> SchemaRef {
    let mut fields = table.schema().fields().to_vec();
    fields.push(Arc::new(Field::new("arrival", TIME, true)));
    Arc::new(Schema::new(fields))
}

fn rows_with_arrival(table: &Table, contents: &Contents) -> Result<RecordBatch> {
    let rows: Vec<&Row> = contents.rows.iter().map(|(row, _)| row).collect();
    let arrivals: TimestampNanosecondArray = contents.rows.iter().map(|(_, arrival)| *arrival).collect();
    let mut columns = table.batch(&rows)?.columns().to_vec();
    columns.push(Arc::new(arrivals));
    Ok(RecordBatch::try_new(with_arrival(table), columns)?)
}

fn progress_schema(tables: &[Table]) -> SchemaRef {
    Arc::new(Schema::new(tables.iter().map(|table| Field::new(&table.name, TIME, true)).collect::<Vec<_>>()))
}

fn progress(tables: &[Table], contents: &[Contents]) -> Result<RecordBatch> {
    let column = |contents: &Contents| Arc::new(TimestampNanosecondArray::from(vec![contents.watermark])) as ArrayRef;
    let batch = RecordBatch::try_new(progress_schema(tables), contents.iter().map(column).collect());
    batch.map_err(|error| Error::new(Code::Internal, error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use laminar_core::ChangeBatch;

    use super::*;
    use crate::random::{Changes, Values};

    /// An "engine" that asks a batch oracle of its own; `forgetful` ones never hear of deletions.
    struct Echo {
        forgetful: bool,
    }

    struct EchoQuery {
        forgetful: bool,
        tables: Vec<Table>,
        select: String,
    }

    struct EchoRun {
        forgetful: bool,
        tables: Vec<Table>,
        contents: RefCell<Vec<Bag>>,
        oracle: BatchOracle,
        query: BatchQuery,
    }

    impl Subject for Echo {
        fn prepare(&self, tables: &[Table], statements: &[String]) -> Result<Box<dyn Prepared>> {
            let select = statements[0].split(" AS ").skip(1).collect::<Vec<_>>().join(" AS ");
            Ok(Box::new(EchoQuery { forgetful: self.forgetful, tables: tables.to_vec(), select }))
        }
    }

    impl Prepared for EchoQuery {
        fn start(&self) -> Result<Box<dyn Running + '_>> {
            let oracle = BatchOracle::new(self.tables.iter().map(|table| (table.name.clone(), table.schema())))?;
            let query = oracle.prepare(&self.select)?;
            let contents = RefCell::new(vec![Bag::new(); self.tables.len()]);
            Ok(Box::new(EchoRun { forgetful: self.forgetful, tables: self.tables.clone(), contents, oracle, query }))
        }
    }

    impl Running for EchoRun {
        fn step(&mut self, batches: Vec<(usize, ChangeBatch)>) -> Result<()> {
            for (table, batch) in batches {
                for (row, weight) in bag_of_changes(&[batch])? {
                    let weight = if self.forgetful { weight.max(0) } else { weight };
                    *self.contents.borrow_mut()[table].entry(row).or_default() += weight;
                }
            }
            Ok(())
        }

        fn contents(&mut self) -> Result<Vec<ChangeBatch>> {
            for (table, bag) in self.tables.iter().zip(self.contents.borrow().iter()) {
                let rows: Vec<&Row> = bag.iter().flat_map(|(row, weight)| vec![row; *weight as usize]).collect();
                self.oracle.set(&table.name, vec![table.batch(&rows)?]);
            }
            Ok(self.query.run()?.into_iter().map(ChangeBatch::append).collect())
        }
    }

    fn test() -> Test {
        let t = Table::new("t", Changes::Any, [("a", Values::Int(0, 3)), ("b", Values::Text(3)), ("c", Values::Double(100.0))]);
        let queries = vec![
            Query::same("SELECT b, COUNT(*), SUM(c), AVG(a) FROM t GROUP BY b"),
            Query::same("SELECT x.a, y.b FROM t AS x JOIN t AS y ON x.a = y.a"),
        ];
        Test::new(vec![t], queries)
    }

    const EFFORT: Effort = Effort { cases: 40, first_seed: 1 };

    #[test]
    fn a_right_engine_passes() {
        let summary = run(&Echo { forgetful: false }, &test(), EFFORT).unwrap().unwrap();
        assert_eq!(summary.histories, 40);
        assert!(summary.with_rows > 60, "{summary:?}");
    }

    #[test]
    fn an_engine_that_forgets_deletions_is_caught_and_the_seed_repeats_it() {
        let engine = Echo { forgetful: true };
        let failure = run(&engine, &test(), EFFORT).unwrap().unwrap_err();
        assert!(failure.to_string().contains(&format!("LAMINAR_ORACLE_SEED={}", failure.seed)), "{failure}");
        let again = run(&engine, &test(), Effort { cases: 1, first_seed: failure.seed }).unwrap().unwrap_err();
        assert_eq!(again, failure);
        assert!(failure.changes <= 6, "the smallest failing history is shown:\n{failure}");
    }

    #[test]
    fn a_query_that_cannot_be_planned_is_an_error_of_the_test() {
        let test = Test::new(test().tables, vec![Query::same("SELECT nothing FROM t")]);
        assert!(run(&Echo { forgetful: false }, &test, EFFORT).is_err());
    }
}

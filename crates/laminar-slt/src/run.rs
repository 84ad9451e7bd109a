//! Runs a test: record after record as it is written, and then with its rows in other orders.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use laminar_db::diagnostic::Style;
use laminar_db::{Error, ParsedStatement, Result, parse_script};

use crate::any_order::{arrivals, describe, drawn, first_behind, with_rows};
use crate::difference::Difference;
use crate::failure::{Detail, Failure};
use crate::session::{Answer, ScriptError, Session};
use crate::syntax::{Expected, ExpectedRows, LookAt, Record, Sql, Step, begins_record, next_record_in, parse};
use crate::values::comparable;

/// Pieces of an order of rows that are shown.
const SHOWN_PIECES_MAX: usize = 30;

/// How a test is run.
#[derive(Debug, Clone)]
pub struct Options {
    /// In how many other orders the rows of `any order` come.
    pub permutations: u32,
    /// Which orders: each has the number after the one before it.
    pub seed: u64,
    /// Workers of the database. They take turns on the calling thread, so that every run is the same.
    pub workers: usize,
    /// Rows that differ become those that are expected ([`Report::updated`]), in place of a failure.
    pub update: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { permutations: 20, seed: 0, workers: 1, update: false }
    }
}

/// How a test went.
#[derive(Debug, Clone)]
pub struct Report {
    /// The name under which it was run.
    pub name: String,
    /// Statements, results and orders that were held against what is expected.
    pub checks: usize,
    /// What failed, in order. After a statement that failed the rest of the test is not run.
    pub failures: Vec<Failure>,
    /// The test's text with the rows that came, if they differ ([`Options::update`]).
    pub updated: Option<String>,
    text: String,
}

impl Report {
    /// What failed, as text for people.
    pub fn render(&self) -> String {
        self.render_styled(Style::Plain)
    }

    /// The same, with a choice of colours.
    pub fn render_styled(&self, style: Style) -> String {
        self.failures.iter().map(|failure| failure.render(&self.name, &self.text, style)).collect::<Vec<_>>().join("\n")
    }
}

/// Runs the test `text`, which is called `name` in messages. Paths of scripts in it begin at `folder`.
pub fn run_text(name: &str, text: &str, folder: &Path, options: &Options) -> Report {
    let mut report = Report { name: name.to_owned(), checks: 0, failures: Vec::new(), updated: None, text: text.to_owned() };
    let records = match parse(text) {
        Ok(records) => records,
        Err((line, error)) => {
            report.checks = 1;
            report.failures.push(Failure::of_error(line, error, 0));
            return report;
        }
    };
    let written = Run::new(&records, folder, options, None).all();
    report.checks = written.checks;
    report.failures = written.failures;
    if report.checks == 0 && report.failures.is_empty() {
        report.failures.push(Failure::new(1, "nothing is checked: there is no `statement`, `query` or `expect` in it"));
    }
    if !written.edits.is_empty() {
        let updated = edited(text, &written.edits);
        // What was written must pass, in other orders too.
        let again = run_text(name, &updated, folder, &Options { update: false, ..options.clone() });
        return Report { updated: Some(updated), ..again };
    }
    if report.failures.is_empty() && options.permutations > 0 && first_block(&records).is_some() {
        report.checks += 1;
        report.failures.extend(in_other_orders(&records, name, folder, options));
    }
    report
}

fn first_block(records: &[Record]) -> Option<usize> {
    records.iter().find(|record| matches!(record.step, Step::AnyOrder)).map(|record| record.line)
}

/// Runs a test that passes as it is written with its rows in other orders: the first difference.
fn in_other_orders(records: &[Record], name: &str, folder: &Path, options: &Options) -> Option<Failure> {
    (0..u64::from(options.permutations)).find_map(|number| {
        let seed = options.seed.wrapping_add(number);
        let run = Run::new(records, folder, options, Some(seed)).all();
        let (order, failure) = (run.order_as_text(), run.failures.into_iter().next()?);
        let workers = if options.workers > 1 { format!(" --workers {}", options.workers) } else { String::new() };
        Some(
            failure
                .note(format!("it passes as it is written, and differs when the rows of `any order` come as\n{order}"))
                .note(format!("repeat this order: laminar test {name} --seed {seed} --permutations 1{workers}")),
        )
    })
}

/// The text with other rows in place of those at these lines (from 0).
/// Everything else stays, the ends of lines too.
fn edited(text: &str, edits: &[(Range<usize>, Vec<String>)]) -> String {
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for (range, rows) in edits.iter().rev() {
        let (start, end) = (range.start.min(lines.len()), range.end.min(lines.len()));
        if let Some(line) = lines.get_mut(range.start.wrapping_sub(1)) {
            *line = without_no(line);
        }
        lines.splice(start..end, rows.iter().cloned());
    }
    let end = if text.ends_with('\n') { newline } else { "" };
    lines.join(newline) + end
}

/// `expect changes v` for `expect no changes v`, since rows came; other lines as they are.
fn without_no(line: &str) -> String {
    match line.split_ascii_whitespace().collect::<Vec<_>>().as_slice() {
        ["expect", "no", rest @ ..] => format!("expect {}", rest.join(" ")),
        _ => line.to_owned(),
    }
}

/// One way through a test.
struct Run<'a> {
    records: &'a [Record],
    session: Session,
    update: bool,
    /// What draws the order of rows; `None`: as it is written.
    seed: Option<u64>,
    checks: usize,
    failures: Vec<Failure>,
    /// Rows that came in place of those at these lines.
    edits: Vec<(Range<usize>, Vec<String>)>,
    /// The pieces in which rows came that can come in any order.
    order: Vec<String>,
}

impl<'a> Run<'a> {
    fn new(records: &'a [Record], folder: &Path, options: &Options, seed: Option<u64>) -> Self {
        let mut looks: Vec<(LookAt, String)> = Vec::new();
        for record in records {
            if let Step::Look { at, object, .. } = &record.step
                && !looks.iter().any(|(other, name)| other == at && name == object)
            {
                looks.push((*at, object.clone()));
            }
        }
        let session = Session::new(options.workers, folder, looks);
        // What is expected is written as it comes in the order of the file.
        let (update, order) = (options.update && seed.is_none(), Vec::new());
        Self { records, session, update, seed, checks: 0, failures: Vec::new(), edits: Vec::new(), order }
    }

    /// Does everything, up to a record that fails and without which the rest means nothing.
    fn all(mut self) -> Self {
        let mut at = 0;
        while let Some(record) = self.records.get(at) {
            if matches!(record.step, Step::Halt) {
                break;
            }
            let end = match record.step {
                Step::AnyOrder => self.end_of_block(at),
                _ => at,
            };
            if let Err(failure) = self.record(record, at, end) {
                let left = self.records.len() - end - 1;
                let rest = if left == 1 {
                    "the record below it is not run".to_owned()
                } else {
                    format!("the {left} records below it are not run")
                };
                self.failures.push(if left > 0 { failure.note(rest) } else { failure });
                break;
            }
            at = end + 1;
        }
        self
    }

    fn end_of_block(&self, at: usize) -> usize {
        let end = self.records[at..].iter().position(|record| matches!(record.step, Step::InOrder));
        end.map_or(self.records.len() - 1, |length| at + length)
    }

    /// Does one record, or the block of records from `at` to `end`. Rows that differ are noted; anything else that fails is the answer.
    fn record(&mut self, record: &Record, at: usize, end: usize) -> Result<(), Failure> {
        let line = record.line;
        let failed = |error: Error| Failure::of_directive(line, &error);
        match &record.step {
            Step::Statement { sql, expected } => self.statement(line, sql, expected),
            Step::Query { sql, letters, sorted, rows } => self.query(line, sql, letters.as_deref(), *sorted, rows),
            Step::Insert { at, sql } => {
                if let Some(moment) = at {
                    self.session.advance_clock_to(*moment).map_err(failed)?;
                }
                self.session.execute(&sql.text).map(|_| ()).map_err(|error| Failure::of_error(line, error, sql.start))
            }
            Step::Look { at, object, rows } => self.look(line, *at, object, rows),
            Step::Load { path } => self.session.load(path).map_err(|ScriptError { error, file, text }| Failure {
                detail: Detail::Script { error, file, text },
                ..Failure::new(line, "the script cannot be loaded")
            }),
            Step::StartClock(at) => self.session.start_clock(*at).map_err(failed),
            Step::AdvanceClockBy(nanos) => self.session.advance_clock_by(*nanos).map_err(failed),
            Step::AdvanceClockTo(to) => self.session.advance_clock_to(*to).map_err(failed),
            Step::AdvanceWatermark { source, to } => self.session.advance_watermark(source, *to).map_err(failed),
            Step::End { sources } => self.session.end(sources).map_err(failed),
            Step::AnyOrder => self.block(at + 1..end),
            Step::InOrder | Step::Halt => Ok(()),
        }
    }

    fn statement(&mut self, line: usize, sql: &Sql, expected: &Expected) -> Result<(), Failure> {
        self.checks += 1;
        let answer = self.session.execute(&sql.text);
        match (expected, answer) {
            (Expected::Ok, Ok(_)) => Ok(()),
            (Expected::Count(count), Ok(Answer::Done(rows))) if *count == rows => Ok(()),
            (Expected::Count(count), Ok(answer)) => {
                let rows = match answer {
                    Answer::Done(rows) => rows,
                    Answer::Rows { lines, .. } => lines.len() as u64,
                };
                self.failures.push(Failure::new(line, format!("rows that the statement has changed: {rows}, expected: {count}")));
                Ok(())
            }
            (Expected::Error(_), Ok(_)) => {
                self.failures.push(Failure::new(line, "the statement works, expected was an error"));
                Ok(())
            }
            (Expected::Error(pattern), Err(error)) => {
                if !pattern.is_match(&error.to_string()) {
                    let failure = Failure::of_error(line, error, sql.start);
                    self.failures.push(failure.note(format!("expected was another error, with: {pattern}")));
                }
                Ok(())
            }
            (_, Err(error)) => Err(of_sql(line, error, sql)),
        }
    }

    fn query(&mut self, line: usize, sql: &Sql, letters: Option<&str>, sorted: bool, rows: &ExpectedRows) -> Result<(), Failure> {
        self.checks += 1;
        let answer = self.session.execute(&sql.text);
        let (found, lines) = match answer {
            Ok(Answer::Rows { letters, lines }) => (letters, lines),
            Ok(Answer::Done(_)) => {
                self.failures.push(Failure::new(line, "this is no query").note("write `statement ok` in place of `query`"));
                return Ok(());
            }
            Err(error) => {
                self.failures.push(of_sql(line, error, sql));
                return Ok(());
            }
        };
        if let Some(letters) = letters
            && letters != found
        {
            let failure = Failure::new(line, format!("the columns are of the types {found}, expected were {letters}"));
            self.failures.push(
                failure
                    .note("I whole numbers, R other numbers, T texts, P points in time, D dates, B booleans, ? everything else"),
            );
            return Ok(());
        }
        // Which of several orders a query without ORDER BY takes may follow from the order in which rows came.
        self.rows(line, "the rows of the query are others than expected", sorted || self.seed.is_some(), rows, lines);
        Ok(())
    }

    fn look(&mut self, line: usize, at: LookAt, object: &str, rows: &ExpectedRows) -> Result<(), Failure> {
        self.checks += 1;
        if at == LookAt::Changes
            && let Some(row) =
                rows.rows.iter().find(|row| !["+I ", "-D ", "-U ", "+U "].iter().any(|change| row.starts_with(change)))
        {
            return Err(Failure::new(line, format!("this is no change: `{row}`"))
                .note("a change begins with +I, -D, -U or +U; an empty line must stand before the next record"));
        }
        let steps = self.session.look(at, object).map_err(|error| Failure::of_directive(line, &error))?;
        let what = match at {
            LookAt::Changes => format!("the changes of '{object}' since the last look are others than expected"),
            LookAt::Late => format!("the late rows of '{object}' since the last look are others than expected"),
            LookAt::Errors => format!("the rows in error of '{object}' since the last look are others than expected"),
        };
        if at != LookAt::Changes {
            self.rows(line, &what, true, rows, steps.concat());
        } else if self.seed.is_some() {
            // In another order there are other steps on the way; what they come to is the same.
            let (expected, actual) = (net(&comparable_rows(&rows.rows)), net(&comparable_rows(&steps.concat())));
            self.compare(line, "the changes together come to something else than expected", rows, &expected, &actual, Vec::new());
        } else {
            let expected = comparable_rows(&rows.rows);
            let actual = within_steps(&expected, steps.iter().map(|step| comparable_rows(step)).collect());
            self.compare(line, &what, rows, &expected, &actual, steps.concat());
        }
        Ok(())
    }

    fn rows(&mut self, line: usize, what: &str, sorted: bool, rows: &ExpectedRows, mut came: Vec<String>) {
        let mut expected = comparable_rows(&rows.rows);
        if sorted {
            expected.sort_unstable();
            came.sort_unstable();
        }
        let mut actual = comparable_rows(&came);
        if sorted {
            actual.sort_unstable();
        }
        self.compare(line, what, rows, &expected, &actual, came);
    }

    /// Notes a difference, or the rows that came in place of it.
    fn compare(
        &mut self,
        line: usize,
        what: &str,
        rows: &ExpectedRows,
        expected: &[String],
        actual: &[String],
        came: Vec<String>,
    ) {
        let Some(difference) = Difference::of(expected, actual) else { return };
        let begins_next = rows.rows.iter().find(|row| begins_record(row));
        if self.update && begins_next.is_none() {
            return self.edits.push((rows.lines.clone(), came));
        }
        let mut failure = Failure::of_rows(line, what, difference);
        if let Some(next) = begins_next {
            failure = failure.note(format!("an empty line must stand before the next record, as in front of `{next}`"));
        }
        self.failures.push(match self.session.describe_times() {
            Some(times) => failure.note(times),
            None => failure,
        });
    }

    /// Inserts the rows of a block, as they are written or in an order that is drawn.
    fn block(&mut self, records: Range<usize>) -> Result<(), Failure> {
        let mut statements: Vec<(usize, usize, ParsedStatement)> = Vec::new();
        for Record { line, step } in &self.records[records] {
            let (Step::Insert { sql, .. } | Step::Statement { sql, .. }) = step else { continue };
            for parsed in parse_script(&sql.text) {
                let parsed = parsed.map_err(|error| Failure::of_error(*line, error, sql.start))?;
                statements.push((*line, sql.start, parsed));
            }
        }
        let parsed: Vec<ParsedStatement> = statements.iter().map(|(_, _, parsed)| parsed.clone()).collect();
        let first = statements.first().map_or(0, |(line, ..)| *line);
        let rows = arrivals(&parsed, &self.session.times, &self.session.database)
            .map_err(|error| Failure::of_directive(first, &error))?;
        if let Some((behind, by)) = first_behind(&rows) {
            let (row, latest) = (&rows[behind], &rows[by]);
            let line = statements[row.statement].0;
            let text = format!(
                "a row of `any order` comes behind the watermark as it is written: {}",
                describe(&parsed[row.statement], &[row.row])
            );
            return Err(Failure::new(line, text)
                .note(format!(
                    "this one comes before it, and is so much later: {}",
                    describe(&parsed[latest.statement], &[latest.row])
                ))
                .note("let it come earlier, or behind `in order` if it is to be late"));
        }
        let pieces: Vec<(usize, Vec<usize>)> = match self.seed {
            Some(seed) => {
                let pieces = drawn(&rows, seed);
                pieces
                    .into_iter()
                    .map(|piece| (rows[piece[0]].statement, piece.iter().map(|index| rows[*index].row).collect()))
                    .collect()
            }
            None => (0..parsed.len())
                .map(|statement| (statement, rows.iter().filter(|row| row.statement == statement).map(|row| row.row).collect()))
                .collect(),
        };
        for (statement, rows) in pieces {
            let (line, start, parsed) = &statements[statement];
            if self.seed.is_some() {
                self.order.push(describe(parsed, &rows));
            }
            let run = self.session.run(&with_rows(parsed, &rows));
            run.map_err(|error| Failure::of_error(*line, parsed.in_script(error), *start))?;
        }
        Ok(())
    }

    fn order_as_text(&self) -> String {
        let mut lines: Vec<String> = self.order.iter().take(SHOWN_PIECES_MAX).map(|piece| format!("      {piece}")).collect();
        if self.order.len() > SHOWN_PIECES_MAX {
            lines.push(format!("      … {} more", self.order.len() - SHOWN_PIECES_MAX));
        }
        lines.join("\n")
    }
}

/// The error of SQL; where the next record may have been taken for a part of it, that too.
fn of_sql(line: usize, error: Error, sql: &Sql) -> Failure {
    let failure = Failure::of_error(line, error, sql.start);
    match next_record_in(&sql.text) {
        Some(note) => failure.note(note),
        None => failure,
    }
}

fn comparable_rows(rows: &[String]) -> Vec<String> {
    rows.iter().map(|row| comparable(row)).collect()
}

/// The changes in the order in which they are expected, as far as they are: within a step there is no order.
fn within_steps(expected: &[String], steps: Vec<Vec<String>>) -> Vec<String> {
    let mut actual: Vec<String> = Vec::new();
    for step in steps {
        let wanted = expected.get(actual.len()..actual.len() + step.len()).unwrap_or_default();
        let (mut sorted, mut wanted_sorted) = (step.clone(), wanted.to_vec());
        sorted.sort_unstable();
        wanted_sorted.sort_unstable();
        actual.extend(if sorted == wanted_sorted { wanted.to_vec() } else { step });
    }
    actual
}

/// What changes come to together: rows that are there more often or less.
fn net(changes: &[String]) -> Vec<String> {
    let mut weights: BTreeMap<&str, i64> = BTreeMap::new();
    for change in changes {
        let (operation, row) = change.split_once(' ').unwrap_or((change, ""));
        *weights.entry(row).or_default() += if operation.starts_with('-') { -1 } else { 1 };
    }
    let line = |(row, weight): (&str, i64)| {
        let operation = if weight < 0 { "-D" } else { "+I" };
        std::iter::repeat_n(format!("{operation} {row}"), usize::try_from(weight.unsigned_abs()).unwrap_or(usize::MAX))
    };
    weights.into_iter().flat_map(line).collect()
}

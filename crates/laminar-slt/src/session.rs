//! One run of a test: a fresh database in memory, with a clock that only the test moves.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use laminar_core::time::{Clock, ManualClock, Watermark};
use laminar_db::connectors::Registry;
use laminar_db::connectors::generator::GeneratorConnector;
use laminar_db::{
    Code, Database, Error, NoticeKind, ParsedStatement, Result, Statement, StatementOutcome, Subscription, Turn,
    parse_script_with,
};

use crate::moment::{Moment, written};
use crate::pipeline::without_connectors;
use crate::syntax::LookAt;
use crate::values::{letters_of, lines_of};

/// What the clock shows when a test begins: 2024-01-01.
const BEGIN: i64 = 1_704_067_200_000_000_000;
/// Rounds of work for one line of a test: more means that a source never ends.
const ROUNDS_MAX: usize = 1_000_000;

/// What a statement gives.
pub(crate) enum Answer {
    /// Rows as lines, with the letters of their columns.
    Rows { letters: String, lines: Vec<String> },
    /// It is done and has changed that many rows.
    Done(u64),
}

/// Why a script does not run, with its place in the script's text.
pub(crate) struct ScriptError {
    pub(crate) error: Error,
    pub(crate) file: String,
    pub(crate) text: String,
}

/// How the watermark of a source follows from its rows.
#[derive(Debug, Clone)]
pub(crate) struct SourceTime {
    /// The index of its column.
    pub(crate) column: usize,
    /// How far it stays behind the latest time, in nanoseconds; `None`: marked rows say where it is.
    pub(crate) lag: Option<i64>,
    /// The columns of the source.
    pub(crate) columns: Vec<String>,
}

/// A fresh database, and what the test has seen of it.
pub(crate) struct Session {
    pub(crate) database: Database,
    clock: ManualClock,
    workers: usize,
    folder: PathBuf,
    /// Whether something was done already, so that its clock goes on from there.
    has_begun: bool,
    /// What `expect` looks at somewhere in the test. Changes are followed from the moment at which there is something to follow.
    looks: Vec<Look>,
    /// The sources that have an event time.
    pub(crate) times: BTreeMap<String, SourceTime>,
}

struct Look {
    at: LookAt,
    object: String,
    subscription: Option<Subscription>,
}

impl Session {
    /// A database of so many workers, who take turns on this thread, so that every run is the same. `looks`: what the test looks at.
    pub(crate) fn new(workers: usize, folder: &Path, looks: impl IntoIterator<Item = (LookAt, String)>) -> Self {
        let (clock, folder) = (ManualClock::at(BEGIN), folder.to_owned());
        let looks = looks.into_iter().map(|(at, object)| Look { at, object, subscription: None }).collect();
        let database = database(workers, &clock);
        Self { database, clock, workers, folder, has_begun: false, looks, times: BTreeMap::new() }
    }

    /// Runs the statements of `sql`. What the last one answers; an error has its place in `sql`.
    pub(crate) fn execute(&mut self, sql: &str) -> Result<Answer> {
        let mut answer = Answer::Done(0);
        for parsed in laminar_db::parse_script(sql) {
            let parsed = parsed?;
            answer = self.run(&parsed).map_err(|error| parsed.in_script(error))?;
        }
        Ok(answer)
    }

    /// Runs one statement. A query first has its inputs read as far as they are at this time.
    pub(crate) fn run(&mut self, parsed: &ParsedStatement) -> Result<Answer> {
        self.has_begun = true;
        if matches!(parsed.statement, Statement::Select(_)) || self.database.waits_for_inputs(parsed) {
            self.settle()?;
        }
        let answer = answer_of(self.database.run(parsed)?)?;
        self.note_source(&parsed.statement);
        self.follow()?;
        Ok(answer)
    }

    /// Runs the script at `path`, of which connectors are left out: the test gives the rows.
    pub(crate) fn load(&mut self, path: &str) -> Result<(), ScriptError> {
        let file = self.folder.join(path).display().to_string();
        let text = std::fs::read_to_string(&file).map_err(|error| {
            let error = Error::new(Code::Io, format!("'{file}' cannot be read: {error}"))
                .with_hint("the path begins at the folder of the test");
            ScriptError { error, file: file.clone(), text: String::new() }
        })?;
        for parsed in parse_script_with(&text, &|name| std::env::var(name).ok()) {
            let run = parsed.and_then(|parsed| self.run_inside(&parsed).map_err(|error| parsed.in_script(error)));
            run.map_err(|error| ScriptError { error, file: file.clone(), text: text.clone() })?;
        }
        Ok(())
    }

    fn run_inside(&mut self, parsed: &ParsedStatement) -> Result<()> {
        match without_connectors(parsed)? {
            Some(inside) => self.run(&inside).map(|_| ()),
            None => Ok(()),
        }
    }

    /// Lets the clock begin at another time. Nothing has been done yet.
    pub(crate) fn start_clock(&mut self, at: Moment) -> Result<()> {
        if self.has_begun {
            return Err(Error::new(Code::InvalidQuery, "the clock has begun already")
                .with_hint("`start clock at` stands before everything else; `advance clock to` moves it on"));
        }
        self.clock = ManualClock::at(at.when(BEGIN));
        self.database = database(self.workers, &self.clock);
        Ok(())
    }

    /// What the clock shows.
    pub(crate) fn now(&self) -> i64 {
        self.clock.now()
    }

    pub(crate) fn advance_clock_by(&mut self, nanos: i64) -> Result<()> {
        self.advance_clock(self.now().saturating_add(nanos))
    }

    pub(crate) fn advance_clock_to(&mut self, moment: Moment) -> Result<()> {
        let (now, to) = (self.now(), moment.when(self.now()));
        if to < now {
            let text = format!("the clock shows {} and does not go back to {}", written(now), written(to));
            return Err(Error::new(Code::InvalidQuery, text).with_hint("`start clock at` lets it begin earlier"));
        }
        self.advance_clock(to)
    }

    /// Moves the clock, with a stop at each moment at which something happens by itself.
    fn advance_clock(&mut self, to: i64) -> Result<()> {
        self.has_begun = true;
        self.settle()?;
        for _ in 0..ROUNDS_MAX {
            let now = self.now();
            let stop = self.database.wakes_at().filter(|at| (now + 1..to).contains(at)).unwrap_or(to);
            self.clock.advance(stop - now);
            self.settle()?;
            if stop == to {
                return Ok(());
            }
        }
        Err(endless("so much happens by itself until then that this is no test"))
    }

    pub(crate) fn advance_watermark(&mut self, source: &str, to: Moment) -> Result<()> {
        self.has_begun = true;
        let (to, status) = (Watermark(to.when(self.now())), self.database.status());
        if let Some(reached) = status.object(source).map(|object| object.watermark).filter(|reached| *reached > to) {
            let text = format!("the watermark of '{source}' is {reached} already, and never goes back");
            return Err(Error::new(Code::InvalidQuery, text).with_hint("write a later time"));
        }
        self.database.advance_watermark(source, to)?;
        self.settle()
    }

    /// Ends sources; none: all.
    pub(crate) fn end(&mut self, sources: &[String]) -> Result<()> {
        self.settle()?;
        if sources.is_empty() {
            self.database.finish()?;
        }
        sources.iter().try_for_each(|source| self.database.end_source(source))?;
        self.settle()
    }

    /// The rows that came since the last look, as lines, step by step.
    pub(crate) fn look(&mut self, at: LookAt, object: &str) -> Result<Vec<Vec<String>>> {
        self.settle()?;
        self.follow()?;
        let look = self.looks.iter_mut().find(|look| look.at == at && look.object == object);
        let look = look.ok_or_else(|| Error::internal("the test looks at what it does not name"))?;
        if look.subscription.is_none() {
            look.subscription = Some(subscribe(&self.database, &at.target(object))?);
        }
        let mut steps = Vec::new();
        let Some(subscription) = &mut look.subscription else { return Ok(steps) };
        while let Some(changes) = subscription.try_next()? {
            let rows = changes.with_operations()?;
            // Before the columns stand the step and, for changes, what happens.
            let schema = rows.schema();
            // A column of the rows may be called so too; it stands before the reason.
            let reason = (2..rows.num_columns()).rev().find(|column| schema.field(*column).name() == "reason");
            let columns: Vec<usize> = match at {
                LookAt::Changes => (1..rows.num_columns()).collect(),
                LookAt::Late => (2..rows.num_columns()).filter(|column| Some(*column) != reason).collect(),
                LookAt::Errors => reason.into_iter().collect(),
            };
            steps.push(lines_of(&rows.project(&columns)?)?);
        }
        Ok(steps)
    }

    /// The clock, and how far the watermark of each source is, for an author who wonders why a window is still open.
    pub(crate) fn describe_times(&self) -> Option<String> {
        let status = self.database.status();
        let watermarks = self.times.keys().filter_map(|name| {
            let source = status.object(name)?;
            Some(match source.watermark {
                _ if source.ended => format!("{name} has ended"),
                Watermark::START => format!("{name} has no watermark yet"),
                watermark => format!("the watermark of {name} is {watermark}"),
            })
        });
        let mut parts: Vec<String> = watermarks.collect();
        if parts.is_empty() {
            return None;
        }
        let late = status.objects.iter().filter(|object| object.late > 0);
        let late: Vec<String> = late.map(|object| format!("{} of {}", object.late, object.name)).collect();
        if !late.is_empty() {
            parts.push(format!("late rows: {}", late.join(", ")));
        }
        parts.push(format!("the clock shows {}", written(self.now())));
        Some(parts.join("; "))
    }

    /// Works as long as something moves.
    fn settle(&mut self) -> Result<()> {
        for _ in 0..ROUNDS_MAX {
            if self.database.turn()? != Turn::Progressed {
                return Ok(());
            }
        }
        Err(endless("a source of this test never ends"))
    }

    /// Subscribes to what is looked at later and has come into being.
    fn follow(&mut self) -> Result<()> {
        for look in self.looks.iter_mut().filter(|look| look.at == LookAt::Changes && look.subscription.is_none()) {
            match subscribe(&self.database, &look.object) {
                Ok(subscription) => look.subscription = Some(subscription),
                Err(error) if error.code() == Code::UnknownObject => {}
                Err(error) => return Err(error.within(format!("`expect changes {}`", look.object))),
            }
        }
        Ok(())
    }

    fn note_source(&mut self, statement: &Statement) {
        let Statement::CreateSource(source) = statement else { return };
        self.times.remove(&source.name.text);
        let columns: Vec<String> = source.columns.iter().map(|column| column.name.text.clone()).collect();
        let Some(watermark) = &source.watermark else { return };
        let Some(column) = columns.iter().position(|column| *column == watermark.column.text) else { return };
        let strategy = watermark.options.iter().find(|option| option.key == "strategy").map(|option| option.value.as_str());
        let lag = match strategy {
            Some("punctuated") => None,
            // The clock makes it, and stands still while rows come.
            Some("processing_time") => Some(i64::MAX),
            _ => Some(watermark.lag),
        };
        let time = SourceTime { column, lag, columns };
        self.times.insert(source.name.text.clone(), time);
    }
}

/// The changes of an object; of a view that is put in wherever it is named, those of the query over it.
fn subscribe(database: &Database, object: &str) -> Result<Subscription> {
    match database.subscribe(object) {
        Err(error) if error.code() == Code::InvalidQuery => {
            let query = format!("SELECT * FROM \"{}\"", object.replace('"', "\"\""));
            database.subscribe(&query).map_err(|_| error)
        }
        subscribed => subscribed,
    }
}

/// A database that goes by `clock`, and so do its generators.
fn database(workers: usize, clock: &ManualClock) -> Database {
    let mut connectors = Registry::with_builtin();
    connectors.add(Box::new(GeneratorConnector::new(Arc::new(clock.clone()))));
    Database::builder().workers_in_turn(workers).clock(Arc::new(clock.clone())).connectors(connectors).build()
}

fn endless(message: &str) -> Error {
    Error::new(Code::LimitReached, message).with_hint(
        "give the source an end: `rows = 1000` of a generator, a file without `follow`; or push its rows with `insert`",
    )
}

/// The answer of a statement. One that lacks rows because something has stopped is none.
fn answer_of(outcome: StatementOutcome) -> Result<Answer> {
    if let Some(notice) = outcome.notices().iter().find(|notice| notice.kind() == NoticeKind::Partial) {
        return Err(Error::new(Code::InvalidQuery, format!("the answer is not whole: {}", notice.message())));
    }
    Ok(match outcome {
        StatementOutcome::Rows(rows) => Answer::Rows {
            letters: letters_of(&rows.schema),
            lines: rows.batches.iter().map(lines_of).collect::<Result<Vec<_>>>()?.concat(),
        },
        StatementOutcome::Inserted { rows, .. }
        | StatementOutcome::Updated { rows, .. }
        | StatementOutcome::Deleted { rows, .. } => Answer::Done(rows),
        StatementOutcome::Done { .. } | StatementOutcome::Skipped(_) => Answer::Done(0),
        StatementOutcome::Subscription(_) => {
            return Err(Error::new(Code::NotSupported, "a test reads no endless rows")
                .with_hint("`expect changes <view>` shows what has changed since the last look"));
        }
    })
}

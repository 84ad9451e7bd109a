//! `laminar run FILE.sql`: executes a script, prints results as they come, and ends when everything bounded is read.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use laminar_db::core::time::{Clock, SystemClock};
use laminar_db::{
    Code, Database, Error, Notice, NoticeKind, ObjectKind, ObjectStatus, ParsedStatement, Result, Settings, Span,
    StatementOutcome, Subscription, Turn, diagnostic, parse_script_with,
};

use crate::output::{Format, LiveLine, Printer, complain, count, describe, print_summary};

/// What `laminar run` is told.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The script; `-` reads it from standard input.
    file: PathBuf,
    /// How results are written to standard output.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// Fills in ${NAME} in the script, before the environment does; can be repeated.
    #[arg(long = "var", value_name = "NAME=VALUE")]
    variables: Vec<String>,
    /// Says nothing on standard error but errors, and notices about answers that are not whole.
    #[arg(long, short)]
    quiet: bool,
    /// Number of threads that share the work; with 1 the reading thread does all of it.
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u16).range(1..=256))]
    workers: u16,
    /// A setting that the database is opened with, as SET would say it; can be repeated. Bringing a directory back keeps to memory_limit so.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    settings: Vec<String>,
    /// Where everything is kept between runs: a run goes on where the last one stopped, however it did. Made if it is not there.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// Everything went as the script says.
const DONE: u8 = 0;
/// A statement, source, sink or query failed.
const FAILED: u8 = 1;
/// The command line cannot be followed.
const USAGE: u8 = 2;
/// Nanoseconds within which interrupts count as one.
const SAME_INTERRUPT: i64 = 200_000_000;
/// Nanoseconds between two looks at whether somebody reads the output.
const LOOKS_EVERY: i64 = 200_000_000;
/// Stopped by Ctrl-C.
const INTERRUPTED: u8 = 130;

/// Runs the script and says how it went: 0 done, 1 something failed, 2 wrong arguments, 130 interrupted.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    if let Err(error) = check_variables(&arguments.variables).and_then(|()| check_settings(&arguments.settings)) {
        complain(&format!("error[{}]: {}\n", error.code().as_str(), describe(&error)));
        return ExitCode::from(USAGE);
    }
    let text = match read_script(&arguments.file) {
        Ok(text) => text,
        Err(error) => {
            complain(&format!("error[{}]: {}\n", error.code().as_str(), describe(&error)));
            return ExitCode::from(USAGE);
        }
    };
    match Script::new(arguments) {
        Ok(mut script) => ExitCode::from(script.execute(&text)),
        Err(error) => {
            complain(&format!("error[{}]: {}\n", error.code().as_str(), describe(&error)));
            ExitCode::from(FAILED)
        }
    }
}

/// Fails unless each variable that was given has a value.
pub(super) fn check_variables(variables: &[String]) -> Result<()> {
    let wrong = variables.iter().find(|variable| !variable.contains('='));
    match wrong {
        Some(variable) => {
            Err(Error::new(Code::InvalidOption, format!("--var {variable} has no value")).with_hint("write --var NAME=VALUE"))
        }
        None => Ok(()),
    }
}

/// Fails unless each setting that was given has a value.
pub(super) fn check_settings(settings: &[String]) -> Result<()> {
    match settings.iter().find(|setting| !setting.contains('=')) {
        Some(setting) => Err(Error::new(Code::InvalidOption, format!("--set {setting} has no value"))
            .with_hint("write --set NAME=VALUE, as --set memory_limit=1GB")),
        None => Ok(()),
    }
}

/// The value of a variable: the last that was given, else that of the environment.
pub(super) fn variable(variables: &[String], name: &str) -> Option<String> {
    let mut given = variables.iter().rev().filter_map(|variable| variable.split_once('='));
    given.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned()).or_else(|| std::env::var(name).ok())
}

/// The text of a script; `-` is standard input.
pub(super) fn read_script(file: &Path) -> Result<String> {
    let read = if file.as_os_str() == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(file)
    };
    let bytes = read.map_err(|error| {
        Error::new(Code::Io, format!("the script '{}' cannot be read: {error}", file.display()))
            .with_hint("laminar run takes a file with SQL statements, or - for standard input")
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let what = match error.as_bytes() {
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "it is in UTF-16".to_owned(),
            _ => format!("byte {} is not UTF-8", error.utf8_error().valid_up_to() + 1),
        };
        Error::new(Code::Io, format!("the script '{}' cannot be read: {what}", file.display())).with_hint("save it as UTF-8")
    })
}

/// A script that runs.
struct Script<'a> {
    arguments: &'a Arguments,
    database: Database,
    printer: Printer,
    line: LiveLine,
    subscriptions: Vec<Subscription>,
    /// The statements that an earlier run with the same directory has done.
    done_before: Vec<String>,
    /// How many statements of that kind this run has come to.
    done_here: usize,
    /// Whether an answer lacked rows because something had stopped.
    was_partial: bool,
    began: i64,
    /// When to look again whether somebody reads the output, in nanoseconds.
    looks_at: i64,
    /// When Ctrl-C was pressed first, in nanoseconds; 0: not yet.
    interrupted_at: Arc<AtomicI64>,
}

impl<'a> Script<'a> {
    fn new(arguments: &'a Arguments) -> Result<Self> {
        let began = SystemClock.now();
        let mut settings = Settings::default();
        for setting in &arguments.settings {
            let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
            settings.set(name.trim(), Some(value.trim())).map_err(|error| error.within(format!("--set {setting}")))?;
        }
        let builder = Database::builder().settings(settings).workers(arguments.workers.into());
        let database = match &arguments.data_dir {
            Some(path) => builder.open(&path.to_string_lossy())?,
            None => builder.open(":memory:")?,
        };
        Ok(Self {
            arguments,
            done_before: database.script(),
            done_here: 0,
            database,
            printer: Printer::new(arguments.format),
            line: LiveLine::new(began),
            subscriptions: Vec::new(),
            was_partial: false,
            began,
            looks_at: began + LOOKS_EVERY,
            interrupted_at: Arc::default(),
        })
    }

    fn execute(&mut self, text: &str) -> u8 {
        self.listen_for_interrupts();
        self.tell(&self.database.opening_notices());
        let file = self.arguments.file.display().to_string();
        let code = match self.statements(text).and_then(|()| self.run_to_the_end().map_err(Failure::Run)) {
            Ok(()) if self.interrupted() => INTERRUPTED,
            Ok(()) => DONE,
            // Ctrl-C ends a query, and `| head` closes the output.
            Err(Failure::Run(error) | Failure::Statement(error))
                if error.code() == Code::Closed && (self.interrupted() || self.printer.is_closed()) =>
            {
                if self.interrupted() {
                    INTERRUPTED
                } else {
                    DONE
                }
            }
            Err(failure) => {
                self.line.clear();
                complain(&match failure {
                    Failure::Statement(error) => format!("{}\n", diagnostic::render(&error, text, Some(&file)).trim_end()),
                    Failure::Run(error) => format!("error[{}]: {}\n", error.code().as_str(), describe(&error)),
                });
                FAILED
            }
        };
        self.line.clear();
        let status = self.database.status();
        let failed = status.failures().any(|(object, error)| !lost_its_reader(object, error));
        if !self.arguments.quiet || failed {
            print_summary(&status, SystemClock.now() - self.began);
        }
        if (failed || self.was_partial) && code == DONE { FAILED } else { code }
    }

    fn listen_for_interrupts(&self) {
        let (first, query) = (self.interrupted_at.clone(), self.database.interrupt());
        let set = ctrlc::set_handler(move || {
            let now = SystemClock.now();
            match first.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed) {
                // Shells and `timeout` send one interrupt to the process and to its group: that is one wish, not two.
                Ok(_) => query.raise(),
                Err(before) if now - before < SAME_INTERRUPT => {}
                Err(_) => std::process::exit(i32::from(INTERRUPTED)),
            }
        });
        if let Err(error) = set {
            complain(&format!("Ctrl-C will stop at once, without completing outputs: {error}\n"));
        }
    }

    fn interrupted(&self) -> bool {
        self.interrupted_at.load(Ordering::Relaxed) > 0
    }

    fn statements(&mut self, text: &str) -> Result<(), Failure> {
        let lookup = |name: &str| variable(&self.arguments.variables, name);
        for parsed in parse_script_with(text, &lookup) {
            if self.interrupted() {
                return Ok(());
            }
            let parsed = parsed.map_err(Failure::Statement)?;
            self.statement(&parsed).map_err(|error| Failure::Statement(parsed.in_script(error)))?;
        }
        Ok(())
    }

    fn statement(&mut self, parsed: &ParsedStatement) -> Result<()> {
        if self.was_done_before(parsed)? {
            return Ok(());
        }
        // A SELECT sees all of its bounded inputs, so that a script's output does not depend on timing.
        while !self.interrupted() && self.database.waits_for_inputs(parsed) {
            if self.is_unread() {
                return Ok(());
            }
            if self.turn()? == Turn::Finished {
                break;
            }
        }
        if self.interrupted() {
            self.note("interrupted: what the script says from here on is not done\n");
            return Ok(());
        }
        let outcome = self.database.run_in_script(parsed)?;
        self.tell(outcome.notices());
        match outcome {
            StatementOutcome::Done { what, .. } => self.note(&format!("{what}\n")),
            StatementOutcome::Skipped(why) => self.note(&format!("skipped: {why}\n")),
            StatementOutcome::Inserted { rows, .. } => self.note(&format!("INSERT {}\n", count(rows))),
            StatementOutcome::Updated { rows, .. } => self.note(&format!("UPDATE {}\n", count(rows))),
            StatementOutcome::Deleted { rows, .. } => self.note(&format!("DELETE {}\n", count(rows))),
            StatementOutcome::Rows(rows) => {
                self.line.clear();
                self.printer.rows(&rows)?;
            }
            StatementOutcome::Subscription(subscription) => {
                self.subscriptions.push(subscription);
                self.print_changes()?;
            }
        }
        Ok(())
    }

    /// Whether an earlier run has done the statement. Fails if it has done another one in its place: the directory is that of another script.
    fn was_done_before(&mut self, parsed: &ParsedStatement) -> Result<bool> {
        if !Database::is_kept(parsed) {
            return Ok(false);
        }
        let number = self.done_here;
        self.done_here += 1;
        let Some(before) = self.done_before.get(number) else { return Ok(false) };
        if *before == parsed.text {
            if number + 1 == self.done_before.len() {
                self.note(&format!(
                    "{} of this script were done by an earlier run: going on behind them\n",
                    statements(number + 1)
                ));
            }
            return Ok(true);
        }
        let text = format!("the directory was made by another script: its statement {} was another one", number + 1);
        Err(Error::new(Code::ObjectExists, text)
            .with_detail(format!("it was: {before}"))
            .with_hint("add statements only at the end of a script, or choose another --data-dir")
            .at(Span { start: 0, end: parsed.text.len() }))
    }

    /// Says on standard error what is to be known beside an answer.
    fn tell(&mut self, notices: &[Notice]) {
        for notice in notices {
            self.was_partial |= notice.kind() == NoticeKind::Partial;
            self.line.clear();
            let hint = notice.hint().map(|hint| format!("\n  = hint: {hint}")).unwrap_or_default();
            complain(&format!("NOTICE: {}{hint}\n", notice.message()));
        }
    }

    /// Says something on standard error, unless told to be quiet.
    fn note(&mut self, text: &str) {
        if !self.arguments.quiet {
            self.line.clear();
            complain(text);
        }
    }

    /// Works until everything bounded is read, then completes all outputs.
    fn run_to_the_end(&mut self) -> Result<()> {
        while !self.interrupted() {
            if self.is_unread() {
                return Ok(());
            }
            if self.turn()? == Turn::Finished {
                if self.arguments.data_dir.is_none() {
                    self.database.finish()?;
                }
                break;
            }
        }
        if self.interrupted() && self.arguments.data_dir.is_none() {
            self.database.stop_reading()?;
        }
        self.print_changes()?;
        if self.arguments.data_dir.is_some() {
            // Nothing ends with this run: the next one goes on here.
            return self.database.checkpoint().map(|_| ());
        }
        // After Ctrl-C windows stay open, but what was written is completed.
        self.database.close_sinks();
        Ok(())
    }

    /// Whether the reader of the standard output has gone, as `head` does when it has enough, and no other output is being
    /// written: then there is nothing left to do. Sinks into files go on, since nobody has given up on those.
    fn is_unread(&mut self) -> bool {
        let now = SystemClock.now();
        if !self.printer.is_closed() && now < self.looks_at {
            return false;
        }
        self.looks_at = now + LOOKS_EVERY;
        let status = self.database.status();
        let gone = self.printer.is_closed() || status.failures().any(|(object, error)| lost_its_reader(object, error));
        let writes = |object: &ObjectStatus| object.kind == ObjectKind::Sink && !object.ended && object.failed.is_none();
        gone && self.subscriptions_are_unread() && !status.objects.iter().any(writes)
    }

    /// Whether no subscription has a reader.
    fn subscriptions_are_unread(&self) -> bool {
        self.printer.is_closed() || self.subscriptions.is_empty()
    }

    /// One round of work, and what there is to print after it.
    fn turn(&mut self) -> Result<Turn> {
        let turn = self.database.turn()?;
        self.print_changes()?;
        let now = SystemClock.now();
        if !self.arguments.quiet && self.line.is_due(now) {
            let status = self.database.status();
            self.line.draw(&status, now);
        }
        if let Turn::Wait(wait) = turn {
            std::thread::sleep(wait);
        }
        Ok(turn)
    }

    fn print_changes(&mut self) -> Result<()> {
        for (index, subscription) in self.subscriptions.iter_mut().enumerate() {
            while let Some(changes) = subscription.try_next()? {
                self.line.clear();
                self.printer.changes(index, &changes)?;
            }
        }
        Ok(())
    }
}

/// Whether an object stopped because nobody reads what it prints: that is no failure.
fn lost_its_reader(object: &ObjectStatus, error: &Error) -> bool {
    object.kind == ObjectKind::Sink && error.code() == Code::Closed
}

fn statements(count: usize) -> String {
    if count == 1 { "1 statement".to_owned() } else { format!("{count} statements") }
}

/// What stopped a script.
enum Failure {
    /// A statement; its position points into the script.
    Statement(Error),
    /// Something while it ran.
    Run(Error),
}

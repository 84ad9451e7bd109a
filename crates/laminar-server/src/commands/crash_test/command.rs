//! What `laminar crash-test` is told, and how it goes about it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use laminar_db::core::time::{Clock, SystemClock};
use laminar_db::{Code, Error, Result, check_directory, diagnostic};

use super::comparison::differences;
use super::contents::Contents;
use super::life::{End, Life};
use super::script::Script;
use crate::commands::run::{check_settings, check_variables, read_script, variable};
use crate::files::failed;
use crate::output::{complain, count, describe, print_text};
use crate::random::scramble;

/// What `laminar crash-test` is told.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The script; `-` reads it from standard input.
    file: PathBuf,
    /// How often its process is killed.
    #[arg(long, value_name = "N", default_value = "20", value_parser = clap::value_parser!(u32).range(1..))]
    kills: u32,
    /// Decides the moments at which it is killed; without it they are others each time.
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Fills in ${NAME} in the script, before the environment does; can be repeated.
    #[arg(long = "var", value_name = "NAME=VALUE")]
    variables: Vec<String>,
    /// A setting that each database is opened with, as for `laminar run`; can be repeated.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    settings: Vec<String>,
    /// Number of threads that share the work.
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u16).range(1..=256))]
    workers: u16,
    /// A new or empty directory for the databases and outputs of the test, in place of a temporary one.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// What was killed ends as what was not.
const DONE: u8 = 0;
/// A killed run has lost or doubled something, or failed; or the script fails without being killed.
const FAILED: u8 = 1;
/// The command line or the script cannot be followed.
const USAGE: u8 = 2;
/// How much longer than the run without kills the last one of a killed run may take.
const PATIENCE: i64 = 10;
/// What is added to that, in nanoseconds.
const PATIENCE_NS: i64 = 60_000_000_000;
/// Checkpoints that a run has time for, about: kills come before, between and in the middle of them.
const CHECKPOINTS: i64 = 8;
/// Bounds of the time between two checkpoints, in nanoseconds.
const CHECKPOINT_NS: (i64, i64) = (20_000_000, 10_000_000_000);

/// Tests the script and says how it went: 0 nothing is lost or doubled, 1 something is, or a run failed, 2 wrong arguments or script.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    match prepared(arguments) {
        Ok((script, place)) => ExitCode::from(test(arguments, &script, place)),
        Err(message) => {
            complain(&message);
            ExitCode::from(USAGE)
        }
    }
}

fn prepared(arguments: &Arguments) -> Result<(Script, Place), String> {
    let checked = check_variables(&arguments.variables).and_then(|()| check_settings(&arguments.settings));
    let text = checked.and_then(|()| read_script(&arguments.file)).map_err(|error| told(&error))?;
    let file = arguments.file.display().to_string();
    let script = Script::parse(&text, &|name| variable(&arguments.variables, name)).map_err(|error| match error.span() {
        Some(_) => format!("{}\n", diagnostic::render(&error, &text, Some(&file)).trim_end()),
        None => told(&error),
    })?;
    let place = Place::new(arguments.data_dir.as_deref()).map_err(|error| told(&error))?;
    Ok((script, place))
}

fn told(error: &Error) -> String {
    format!("error[{}]: {}\n", error.code().as_str(), describe(error))
}

/// Where all runs of a test are.
enum Place {
    Temporary(tempfile::TempDir),
    Given(PathBuf),
}

impl Place {
    fn new(given: Option<&Path>) -> Result<Self> {
        let Some(given) = given else {
            let temporary = tempfile::Builder::new().prefix("laminar-crash-test-").tempdir();
            return temporary.map(Self::Temporary).map_err(failed(std::env::temp_dir()));
        };
        std::fs::create_dir_all(given).map_err(failed(given))?;
        if std::fs::read_dir(given).map_err(failed(given))?.next().is_some() {
            return Err(Error::new(Code::InvalidOption, format!("the directory '{}' is not empty", given.display()))
                .with_hint("--data-dir is where the test makes databases of its own: name a new directory"));
        }
        given.canonicalize().map(Self::Given).map_err(failed(given))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Temporary(temporary) => temporary.path(),
            Self::Given(path) => path,
        }
    }

    /// Leaves it to be looked at.
    fn keep(self) {
        if let Self::Temporary(temporary) = self {
            let _ = temporary.keep();
        }
    }
}

fn test(arguments: &Arguments, script: &Script, place: Place) -> u8 {
    let seed = arguments.seed.unwrap_or_else(|| scramble(SystemClock.now() as u64) % 1_000_000);
    let mut trial = Trial { arguments, script, place: place.path(), seed, moments: 0, whole_ns: 0 };
    match trial.run() {
        Ok(summary) => {
            print_text(&summary);
            DONE
        }
        Err(Trouble { what, differs, is_of_kills }) => {
            print_text(&differs);
            complain(&format!("error: {what}\n"));
            if is_of_kills {
                complain(&format!(
                    "  its script, database and outputs are in {}\n  repeat it with: {}\n",
                    place.path().display(),
                    command_line(arguments, seed)
                ));
                place.keep();
            }
            FAILED
        }
    }
}

fn command_line(arguments: &Arguments, seed: u64) -> String {
    let mut line = format!("laminar crash-test {} --kills {} --seed {seed}", arguments.file.display(), arguments.kills);
    if arguments.workers > 1 {
        line += &format!(" --workers {}", arguments.workers);
    }
    arguments.variables.iter().for_each(|variable| line += &format!(" --var '{variable}'"));
    arguments.settings.iter().for_each(|setting| line += &format!(" --set '{setting}'"));
    line
}

/// Why a test has failed.
struct Trouble {
    what: String,
    /// The rows that differ, in lines.
    differs: String,
    /// It came with a kill, so that there is something to look at and to repeat.
    is_of_kills: bool,
}

impl Trouble {
    fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), differs: String::new(), is_of_kills: true }
    }

    /// What is wrong with the script itself.
    fn of_script(what: impl Into<String>) -> Self {
        Self { is_of_kills: false, ..Self::new(what) }
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::new(format!("[{}] {}", error.code().as_str(), describe(&error)))
    }
}

/// One test: a run without kills, and runs with kills until there were enough of them.
struct Trial<'a> {
    arguments: &'a Arguments,
    script: &'a Script,
    place: &'a Path,
    seed: u64,
    /// Moments that were chosen so far.
    moments: u64,
    /// How long the run without kills took, in nanoseconds.
    whole_ns: i64,
}

impl Trial<'_> {
    fn run(&mut self) -> Result<String, Trouble> {
        let whole = self.whole()?;
        if whole.bags.is_empty() {
            let hint = "add a materialized view, or a sink into a file";
            return Err(Trouble::of_script(format!("nothing that this script leaves can be compared\n  = hint: {hint}")));
        }
        let (mut kills, mut runs) = (0, 0);
        while kills < self.arguments.kills {
            runs += 1;
            kills += self.killed_run(runs, self.arguments.kills - kills, &whole)?;
        }
        let times = if kills == 1 { "once".to_owned() } else { format!("{kills} times") };
        let runs = if runs == 1 { "1 run".to_owned() } else { format!("{runs} runs") };
        let mut text = format!("killed {times} in {runs} (seed {}): each ended with what a run without kills has\n", self.seed);
        for (name, bag) in &whole.bags {
            let rows: i64 = bag.values().sum();
            text += &format!("  {name}: {} {}\n", count(rows.unsigned_abs()), if rows == 1 { "row" } else { "rows" });
        }
        if !whole.left_out.is_empty() {
            text += &format!("not compared:\n  {}\n", whole.left_out.join("\n  "));
        }
        Ok(text)
    }

    /// What the script leaves when its process is not killed.
    fn whole(&mut self) -> Result<Contents, Trouble> {
        let life = self.life("whole");
        life.prepare(&self.script.writing_below(&life.folder, None))?;
        let began = SystemClock.now();
        if let End::Failed(words) = life.live(i64::MAX)? {
            return Err(Trouble::of_script(format!("the script fails without being killed:\n{words}")));
        }
        self.whole_ns = SystemClock.now() - began;
        complain(&format!("without kills: {:.3} s\n", self.whole_ns as f64 / 1e9));
        Ok(Contents::read(self.script, &life.folder, &life.data())?)
    }

    /// Runs the script anew, killed at most so many times until it comes to its end; gives how often it was.
    fn killed_run(&mut self, number: u32, kills_max: u32, whole: &Contents) -> Result<u32, Trouble> {
        let life = self.life(&format!("run-{number}"));
        let interval = (self.whole_ns / CHECKPOINTS).clamp(CHECKPOINT_NS.0, CHECKPOINT_NS.1);
        life.prepare(&self.script.writing_below(&life.folder, Some(interval as u64 / 1_000_000)))?;
        let mut kills = 0;
        loop {
            let nanos = if kills < kills_max { self.moment() } else { self.whole_ns * PATIENCE + PATIENCE_NS };
            match life.live(nanos)? {
                End::Finished => break,
                End::Failed(words) => {
                    return Err(Trouble::new(format!("run {number} fails after {kills} kills:\n{words}")));
                }
                End::Killed if kills < kills_max => {
                    kills += 1;
                    complain(&format!("run {number}: killed after {:.3} s\n", nanos as f64 / 1e9));
                }
                End::Killed => {
                    let seconds = nanos / 1_000_000_000;
                    return Err(Trouble::new(format!(
                        "run {number} does not come to its end within {seconds} s after {kills} kills"
                    )));
                }
            }
        }
        self.compare(&life, number, kills, whole)?;
        std::fs::remove_dir_all(&life.folder).map_err(failed(&life.folder))?;
        Ok(kills)
    }

    fn compare(&self, life: &Life, number: u32, kills: u32, whole: &Contents) -> Result<(), Trouble> {
        let report = check_directory(&life.data())?;
        if !report.is_whole() {
            return Err(Trouble { differs: report.to_string(), ..Trouble::new(format!("run {number} has left damaged files")) });
        }
        let contents = Contents::read(self.script, &life.folder, &life.data())?;
        match differences(&contents, whole) {
            differs if differs.is_empty() => Ok(()),
            differs => {
                let what = format!("run {number} ended with other rows after {kills} kills than a run without kills");
                Err(Trouble { differs, ..Trouble::new(what) })
            }
        }
    }

    fn life(&self, name: &str) -> Life {
        Life { folder: self.place.join(name), workers: self.arguments.workers, settings: self.arguments.settings.clone() }
    }

    /// How long the next process lives, in nanoseconds: anything up to what the whole run takes.
    fn moment(&mut self) -> i64 {
        self.moments += 1;
        let random = scramble(self.seed.wrapping_add(scramble(self.moments)));
        (random % self.whole_ns.max(1).unsigned_abs()) as i64
    }
}

//! What `laminar bench` is told, and the order in which it does it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::{PossibleValue, PossibleValuesParser};
use laminar_db::{Code, Error, Result};

use super::answer::Answer;
use super::confirm::confirm;
use super::duckdb::{self, Answered, DuckDb};
use super::durability::{self, Suite};
use super::input::Input;
use super::pipeline::Threads;
use super::report::{Agreement, Comparison, Measured, Report, print_workloads};
use super::workload::{DURABILITY, Kind, NEXMARK, Workload, find, workloads};
use super::{latency, throughput};
use crate::files::failed;
use crate::output::{Format, Printer, complain, count, describe, peak_memory, reset_peak_memory};

/// What `laminar bench` is told.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// What to measure; without one, what there is.
    #[arg(value_name = "WORKLOAD", value_parser = names())]
    workloads: Vec<String>,
    /// Rows of a run; 10,000,000 by default (50,000 for durability --quick), 1,000,000 for queries of Nexmark that read texts or join, 200,000 for latency, 10,000 for latency-beside-load.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rows: Option<u32>,
    /// Number of threads that share the work; with 1 the pushing thread does all of it.
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u16).range(1..=256))]
    workers: u16,
    /// Gives the database a thread of its own that reads and steps, as a server has it.
    #[arg(long)]
    hosted: bool,
    /// Runs of each workload, 3 by default (1 for durability --quick); a comparison has at least five pairs.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    runs: Option<u16>,
    /// Does not ask the batch engine, and DuckDB where Python has it, for the same answer.
    #[arg(long)]
    no_check: bool,
    /// Runs the same rows there too, in turns, and tells the ratio.
    #[arg(long, value_enum, value_name = "ENGINE")]
    compare: Option<Engine>,
    /// Rows a second that the workloads of latency push; 100,000 by default, 1,000 for latency-beside-load.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// Where durability makes its databases; by default the current directory. What it has made is removed at the end.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Measures durability on little data: enough to see that it works, not for figures.
    #[arg(long)]
    quick: bool,
    /// How the figures are written to standard output.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

impl Arguments {
    fn threads(&self) -> Threads {
        Threads { workers: self.workers, hosted: self.hosted }
    }

    fn runs(&self) -> u16 {
        self.runs.unwrap_or(RUNS)
    }

    fn asks_for_durability(&self) -> bool {
        self.workloads.iter().any(|name| name == DURABILITY)
    }

    fn suite(&self) -> Suite {
        let suite = if self.quick { Suite::QUICK } else { Suite::FULL };
        suite.with(self.rows.map(|rows| rows as usize), self.runs, self.workers)
    }
}

/// What there is to compare with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Engine {
    /// DuckDB, by its Python package.
    #[value(name = "duckdb")]
    DuckDb,
}

/// Everything was measured and confirmed.
const DONE: u8 = 0;
/// A workload failed, or its answer is not the batch answer.
const FAILED: u8 = 1;
/// The command line cannot be followed.
const USAGE: u8 = 2;
/// Runs of a workload, unless told otherwise.
const RUNS: u16 = 3;
/// Fewer pairs would say little about a ratio.
const PAIRS_MIN: u16 = 5;
/// Bytes.
const MIB: f64 = (1 << 20) as f64;

fn names() -> PossibleValuesParser {
    let each = workloads().map(|workload| PossibleValue::new(workload.name).help(workload.about));
    let suites = [
        PossibleValue::new(NEXMARK).help("all queries of Nexmark"),
        PossibleValue::new(DURABILITY).help("what a database in a directory costs, beside what the device can do"),
    ];
    PossibleValuesParser::new(each.chain(suites))
}

/// Measures what is asked for and says how it went: 0 done, 1 something failed or was not confirmed, 2 wrong arguments.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let mut printer = Printer::new(arguments.format);
    let chosen: Vec<&Workload> = arguments.workloads.iter().flat_map(|name| find(name)).collect();
    if let Err(error) = check_durability(arguments).and_then(|()| check_comparison(arguments, &chosen)) {
        tell("", &error);
        return ExitCode::from(USAGE);
    }
    let (mut report, mut code) = (Report::default(), DONE);
    // One workload that fails does not keep the others from running.
    for workload in &chosen {
        if let Err(error) = measure(arguments, workload, &mut report) {
            tell(workload.name, &error);
            code = FAILED;
        }
    }
    if arguments.asks_for_durability()
        && let Err(error) = measure_durability(arguments, &mut report)
    {
        tell(DURABILITY, &error);
        code = FAILED;
    }
    if arguments.workloads.is_empty() {
        complain("beside these: durability, what a database in a directory costs, and nexmark, all its queries\n");
    }
    let printed = if arguments.workloads.is_empty() { print_workloads(&mut printer) } else { report.print(&mut printer) };
    match printed {
        Ok(()) => ExitCode::from(code),
        Err(error) => {
            tell("", &error);
            ExitCode::from(FAILED)
        }
    }
}

fn tell(workload: &str, error: &Error) {
    let place = if workload.is_empty() { String::new() } else { format!("{workload}: ") };
    complain(&format!("error[{}]: {place}{}\n", error.code().as_str(), describe(error)));
}

/// Whether what is told about durability has a meaning.
fn check_durability(arguments: &Arguments) -> Result<()> {
    let refused = |text: String| {
        Err(Error::new(Code::InvalidOption, text).with_hint("write laminar bench durability [--dir DIR] [--quick]"))
    };
    match (arguments.asks_for_durability(), &arguments.dir) {
        (false, Some(_)) => refused("--dir is where durability makes its databases, and nothing else has any".to_owned()),
        (false, None) if arguments.quick => refused("--quick is for durability; other workloads have --rows".to_owned()),
        (true, Some(dir)) if !dir.is_dir() => refused(format!("there is no directory '{}'", dir.display())),
        (true, _) if arguments.compare.is_some() => {
            refused("durability is measured beside the device, not beside DuckDB".to_owned())
        }
        (true, _) if arguments.hosted => {
            refused("durability is measured in the threads that push: leave out --hosted".to_owned())
        }
        _ => Ok(()),
    }
}

/// Before minutes are spent on runs: whether everything can be compared.
fn check_comparison(arguments: &Arguments, chosen: &[&Workload]) -> Result<()> {
    if arguments.compare.is_none() {
        return Ok(());
    }
    let comparable = workloads().filter(|workload| workload.duckdb.is_some()).map(|workload| workload.name);
    let hint = format!("these have: {}", comparable.collect::<Vec<_>>().join(", "));
    if chosen.is_empty() {
        return Err(
            Error::new(Code::InvalidOption, "--compare duckdb needs a workload with a counterpart in DuckDB").with_hint(hint)
        );
    }
    match chosen.iter().find(|workload| workload.duckdb.is_none()) {
        Some(workload) => {
            let text = format!("{} has no counterpart in DuckDB", workload.name);
            Err(Error::new(Code::InvalidOption, text).with_hint(hint))
        }
        None => duckdb::assert_installed(),
    }
}

fn measure(arguments: &Arguments, workload: &Workload, report: &mut Report) -> Result<()> {
    let rows = arguments.rows.map_or(workload.rows, |rows| rows as usize);
    complain(&format!("{}: {}; making {} rows\n", workload.name, workload.about, count(rows as u64)));
    let input = Input::make(workload.source, rows)?;
    match workload.kind {
        Kind::Throughput => measure_throughput(arguments, workload, &input, report),
        Kind::Latency => measure_latency(arguments, workload, &input, report),
    }
}

fn measure_durability(arguments: &Arguments, report: &mut Report) -> Result<()> {
    let directory = arguments.dir.clone().unwrap_or_else(|| PathBuf::from("."));
    let directory = directory.canonicalize().map_err(failed(&directory))?;
    complain(&format!("{DURABILITY}: in a directory below {}\n", directory.display()));
    report.durability = durability::measure(&arguments.suite(), &directory)?;
    Ok(())
}

fn measure_throughput(arguments: &Arguments, workload: &Workload, input: &Input, report: &mut Report) -> Result<()> {
    let opponent = arguments.compare.and(workload.duckdb_select());
    let mut duckdb = opponent.map(|query| DuckDb::start(workload, &query, input, arguments.workers)).transpose()?;
    let runs = if duckdb.is_some() { arguments.runs().max(PAIRS_MIN) } else { arguments.runs() };
    let (mut ours, mut theirs, mut peak) = (Vec::new(), Vec::new(), None);
    for number in 0..runs {
        // Whoever comes second may find warmer or fuller caches: so they take turns at it.
        if number % 2 == 1 {
            theirs.extend(duckdb.as_mut().map(DuckDb::run).transpose()?);
        }
        reset_peak_memory();
        let run = throughput::run(workload, input, arguments.threads())?;
        peak = peak.max(peak_memory());
        if number % 2 == 0 {
            theirs.extend(duckdb.as_mut().map(DuckDb::run).transpose()?);
        }
        complain(&format!("  run {}: {}\n", number + 1, run_text(input, &run, theirs.last())));
        ours.push(run);
    }
    let answer = same_answer(&ours)?;
    theirs.iter().try_for_each(|answered| answered.assert_same(&answer))?;
    let mut measured = measured(arguments, workload, input, answer, peak);
    measured.emitted = ours.last().map_or(0, |run| run.emitted);
    if let Some(duckdb) = &duckdb {
        measured.duckdb_agrees = Agreement::Yes;
        report.compared.push(Comparison::new(&measured, &ours, &theirs, &duckdb.version));
    }
    report.throughput.push((measured, ours));
    drop(duckdb);
    confirm_last(arguments, workload, input, report.throughput.last_mut().map(|(measured, _)| measured))
}

fn run_text(input: &Input, run: &throughput::Run, duckdb: Option<&Answered>) -> String {
    let rate = |seconds: f64| count((input.rows() as f64 / seconds) as u64);
    let ours = format!("{} rows/s, {} rows per CPU second", rate(run.wall), rate(run.cpu));
    match duckdb {
        Some(answered) => format!("{ours}; DuckDB {} and {}", rate(answered.wall), rate(answered.cpu)),
        None => ours,
    }
}

/// The answer of every run, which must be one.
fn same_answer(runs: &[throughput::Run]) -> Result<Answer> {
    let first = runs.first().map(|run| run.answer.clone()).unwrap_or_default();
    match runs.iter().find(|run| run.answer != first) {
        Some(run) => {
            let text = format!("two runs over the same rows gave different answers: {first} and {}", run.answer);
            Err(Error::new(Code::Internal, text).with_hint("this is a bug; see whether it happens with --workers 1 too"))
        }
        None => Ok(first),
    }
}

fn measure_latency(arguments: &Arguments, workload: &Workload, input: &Input, report: &mut Report) -> Result<()> {
    reset_peak_memory();
    let rate = arguments.rate.unwrap_or_else(|| workload.rate_by_default());
    let latencies = latency::measure(workload, input, arguments.threads(), rate, arguments.runs())?;
    let mut measured = measured(arguments, workload, input, latencies.answer.clone(), peak_memory());
    measured.emitted = latencies.emitted;
    report.latency.push((measured, rate, latencies));
    confirm_last(arguments, workload, input, report.latency.last_mut().map(|(measured, ..)| measured))
}

fn measured(arguments: &Arguments, workload: &Workload, input: &Input, answer: Answer, peak: Option<u64>) -> Measured {
    Measured {
        workload: workload.name,
        rows: input.rows(),
        workers: arguments.workers,
        peak_mib: peak.map(|bytes| bytes as f64 / MIB),
        input_mib: input.bytes() as f64 / MIB,
        emitted: 0,
        answer,
        batch_agrees: Agreement::NotAsked,
        duckdb_agrees: Agreement::NotAsked,
    }
}

/// The batch engine comes last, so that what it leaves in memory does not stand in the figures.
fn confirm_last(arguments: &Arguments, workload: &Workload, input: &Input, measured: Option<&mut Measured>) -> Result<()> {
    let Some(measured) = measured.filter(|_| !arguments.no_check) else {
        return Ok(());
    };
    complain("  asking the batch engine for the same\n");
    let confirmed = confirm(workload, input, &measured.answer);
    measured.batch_agrees = confirmed.is_ok().into();
    confirmed?;
    // A comparison has asked it already.
    if let Some(query) = workload.duckdb_select().filter(|_| measured.duckdb_agrees == Agreement::NotAsked) {
        if duckdb::assert_installed().is_err() {
            measured.duckdb_agrees = Agreement::Absent;
            return Ok(());
        }
        complain("  asking DuckDB for the same\n");
        let confirmed = DuckDb::start(workload, &query, input, arguments.workers)?.run()?.assert_same(&measured.answer);
        measured.duckdb_agrees = confirmed.is_ok().into();
        confirmed?;
    }
    Ok(())
}

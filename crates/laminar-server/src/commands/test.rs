//! `laminar test FILE|DIR…`: runs tests of views and streams that are written in SQL, and shows how what came differs from what was expected.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use laminar_db::diagnostic::Style;
use laminar_db::{Code, Error, Result};
use laminar_slt::{Options, Report, find, run_file};

use crate::output::{complain, count, describe, print_text};

/// What `laminar test` is told.
#[derive(clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Arguments {
    /// Tests, or folders with them: every .slt file below.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Runs only the files in whose path this text stands.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// In how many other orders the rows of `any order` come.
    #[arg(long, value_name = "N", default_value = "20")]
    permutations: u32,
    /// Which orders these are: each has the number after the one before it.
    #[arg(long, value_name = "S", default_value = "0")]
    seed: u64,
    /// Workers of each database; they take turns, so that every run is the same.
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u16).range(1..=256))]
    workers: u16,
    /// Writes the rows that came into the files, in place of those that were expected; read the difference before you keep it.
    #[arg(long)]
    update: bool,
}

const EXAMPLE: &str = "A test, as a file minutes.slt:

  statement ok
  CREATE SOURCE clicks (page VARCHAR, ts TIMESTAMP,
    WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)

  statement ok
  CREATE MATERIALIZED VIEW minutes AS
  SELECT window_start, count(*) AS n FROM clicks
  GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE) EMIT ON WINDOW CLOSE

  any order
  insert INTO clicks VALUES ('/', '2024-01-01 10:00:07'), ('/', '2024-01-01 10:00:03')
  in order

  advance watermark clicks to 10:01:00

  query PI
  SELECT * FROM minutes
  ----
  2024-01-01T10:00:00 2

The language: docs/09-testing.md (insert at, advance clock, expect changes, load, …)";

/// Every check passed.
const PASSED: u8 = 0;
/// A check failed.
const FAILED: u8 = 1;
/// The command line cannot be followed.
const USAGE: u8 = 2;

/// Runs the tests and says how it went: 0 all passed, 1 a check failed, 2 wrong arguments.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    match files(arguments).and_then(|files| test(arguments, &files)) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            complain(&format!("error[{}]: {}\n", error.code().as_str(), describe(&error)));
            ExitCode::from(USAGE)
        }
    }
}

fn files(arguments: &Arguments) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in &arguments.paths {
        let found: Vec<PathBuf> = find(path)?.into_iter().filter(|file| !files.contains(file)).collect();
        files.extend(found);
    }
    if let Some(text) = &arguments.filter {
        files.retain(|file| file.to_string_lossy().contains(text.as_str()));
        if files.is_empty() {
            return Err(Error::new(Code::InvalidOption, format!("no test has '{text}' in its path")));
        }
    }
    Ok(files)
}

fn test(arguments: &Arguments, files: &[PathBuf]) -> Result<u8> {
    let options = Options {
        permutations: arguments.permutations,
        seed: arguments.seed,
        workers: arguments.workers.into(),
        update: arguments.update,
    };
    let style = style();
    let (mut checks, mut failed, mut updated) = (0, 0, 0);
    for file in files {
        let report = match run_file(file, &options) {
            Ok(report) => report,
            Err(error) => {
                failed += 1;
                print_text(&unreadable(file, &error, style));
                continue;
            }
        };
        (checks, failed) = (checks + report.checks, failed + report.failures.len());
        updated += usize::from(report.updated.is_some());
        print_text(&shown(&report, style));
    }
    let updated = if updated > 0 { format!(", {} updated", of_files(updated)) } else { String::new() };
    let checks = if checks == 1 { "1 check".to_owned() } else { format!("{} checks", count(checks as u64)) };
    print_text(&format!("{}, {checks}, {failed} failed{updated}\n", of_files(files.len())));
    Ok(if failed == 0 { PASSED } else { FAILED })
}

/// A file that is no test: the others are run all the same.
fn unreadable(file: &Path, error: &Error, style: Style) -> String {
    format!("{}  {}\n\n{}\n\n", paint(style, "31", "FAILED"), file.display(), describe(error))
}

fn paint(style: Style, code: &str, word: &str) -> String {
    if style == Style::Ansi { format!("\x1b[{code}m{word}\x1b[0m") } else { word.to_owned() }
}

/// A line for a test, and what failed in it.
fn shown(report: &Report, style: Style) -> String {
    let paint = |code: &str, word: &str| paint(style, code, word);
    match (report.failures.is_empty(), &report.updated) {
        (true, None) => format!("{}  {}\n", paint("32", "ok    "), report.name),
        (true, Some(_)) => format!("{}  {}\n", paint("33", "update"), report.name),
        (false, _) => format!("{}  {}\n\n{}\n", paint("31", "FAILED"), report.name, report.render_styled(style)),
    }
}

fn of_files(files: usize) -> String {
    if files == 1 { "1 file".to_owned() } else { format!("{} files", count(files as u64)) }
}

/// Colours are for terminals, and for those who want them (<https://no-color.org>).
fn style() -> Style {
    let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    if wanted && std::io::stdout().is_terminal() { Style::Ansi } else { Style::Plain }
}

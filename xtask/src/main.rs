//! The project's own chores: `cargo run -p xtask -- tidy` and `cargo run -p xtask -- arrows`.

use std::path::Path;
use std::process::ExitCode;

mod arrows;
mod rooms;
mod tidy;

const USAGE: &str = "usage: cargo run -p xtask -- CHORE

chores:
  tidy     house rules of the source: headers, doors, names, lengths, links, error page
  arrows   which crate may depend on which, which room of a crate on which, and where no SQL and no DataFusion may be";

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a chore speaks to the terminal")]
fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask stands in the workspace");
    let mut arguments = std::env::args().skip(1);
    let outcome = match (arguments.next().as_deref(), arguments.next()) {
        (Some("tidy"), None) => tidy::run(root),
        (Some("arrows"), None) => arrows::run(root),
        (Some("--help" | "-h"), None) => Ok(Report { facts: USAGE.to_owned(), ..Report::default() }),
        _ => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(report) => {
            println!("{}", report.facts);
            report.complaints.iter().for_each(|complaint| eprintln!("{complaint}"));
            if report.complaints.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

/// What a chore found.
#[derive(Debug, Default)]
struct Report {
    /// Worth knowing, never wrong.
    facts: String,
    /// Broken rules, each with its place and what to do; none: all is well.
    complaints: Vec<String>,
}

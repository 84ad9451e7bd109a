//! The binary `laminar`.

mod commands;
mod output;

use std::process::ExitCode;

use clap::Parser;

/// A streaming SQL database: write SQL, and the answers stay current while data arrives.
#[derive(Parser)]
#[command(name = "laminar", version, after_help = EXAMPLES, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Runs a script of SQL statements.
    Run(commands::run::Arguments),
}

const EXAMPLES: &str = "Examples:
  laminar run examples/flights/flights.sql        run a script; its results go to standard output
  laminar run report.sql --format csv > out.csv   only results, as CSV
  DATA=/srv/data laminar run job.sql              ${DATA} in the script is filled in from the environment
  echo \"SELECT 1 + 1\" | laminar run -             read the script from standard input";

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Run(arguments) => commands::run::run(&arguments),
    }
}

//! The binary `laminar`.

mod commands;
mod files;
mod output;
mod random;

use std::process::ExitCode;

use clap::Parser;

/// Batches come and go all the time, on several threads: the system's allocator would give their memory back and ask for it anew. State can
/// leave memory where a `memory_limit` is set.
#[global_allocator]
static ALLOCATOR: laminar_core::alloc::SpillAllocator<mimalloc::MiMalloc> =
    laminar_core::alloc::SpillAllocator::before(mimalloc::MiMalloc);

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
    /// Runs tests of views and streams, written in SQL, with a clock that they move themselves.
    Test(commands::test::Arguments),
    /// Looks at every file of a database's directory and says which are whole; changes nothing.
    Check(commands::check::Arguments),
    /// Kills a script's process at random moments, lets it go on, and compares with a run that was not killed.
    CrashTest(commands::crash_test::Arguments),
    /// Copies a database that no process has open.
    Backup(commands::backup::BackupArguments),
    /// Makes a database of a backup, after every byte of it was looked at.
    Restore(commands::backup::RestoreArguments),
    /// Measures named workloads on generated rows, and confirms their answers; without a name: lists them.
    Bench(commands::bench::Arguments),
}

const EXAMPLES: &str = "Examples:
  laminar run examples/flights/flights.sql        run a script; its results go to standard output
  laminar run report.sql --format csv > out.csv   only results, as CSV
  DATA=/srv/data laminar run job.sql              ${DATA} in the script is filled in from the environment
  echo \"SELECT 1 + 1\" | laminar run -             read the script from standard input
  laminar run job.sql --data-dir state            go on where the last run stopped, however it did
  laminar run big.sql --set memory_limit=1GB      state that is more stands on disk
  laminar test tests                              run every .slt file below tests: what comes in, and what must come out
  laminar check state                             is every byte of the directory as it was written?
  laminar crash-test job.sql --kills 50           does this script survive kill -9? writes none of its outputs
  laminar backup state /srv/copy                  copy a database; restore brings it back
  laminar bench tumble-10k --workers 2            rows a second, with an answer that a batch query confirms
  laminar bench durability --dir /srv/data        what a directory costs there, beside what the device can do";

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Run(arguments) => commands::run::run(&arguments),
        Command::Test(arguments) => commands::test::run(&arguments),
        Command::Check(arguments) => commands::check::run(&arguments),
        Command::CrashTest(arguments) => commands::crash_test::run(&arguments),
        Command::Backup(arguments) => commands::backup::backup(&arguments),
        Command::Restore(arguments) => commands::backup::restore(&arguments),
        Command::Bench(arguments) => commands::bench::run(&arguments),
    }
}

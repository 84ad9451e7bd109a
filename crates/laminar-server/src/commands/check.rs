//! `laminar check DIR`: looks at every byte of a database's directory and says what is whole. Changes nothing.

use std::path::PathBuf;
use std::process::ExitCode;

use laminar_db::check_directory;

use crate::output::{complain, describe, print_text};

/// What `laminar check` is told.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The directory of a database; it may be open.
    directory: PathBuf,
}

/// Prints a line for each file. 0: all is whole; 1: something is damaged, or this is no such directory.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    match check_directory(&arguments.directory) {
        Ok(report) => {
            print_text(&report.to_string());
            let damaged = report.damaged().count();
            let summary = match damaged {
                0 => "all is whole".to_owned(),
                1 => "1 file is damaged".to_owned(),
                _ => format!("{damaged} files are damaged"),
            };
            complain(&format!("{}: {summary}\n", arguments.directory.display()));
            ExitCode::from(u8::from(damaged > 0))
        }
        Err(error) => {
            complain(&format!("error[{}]: {}\n", error.code().as_str(), describe(&error)));
            ExitCode::FAILURE
        }
    }
}

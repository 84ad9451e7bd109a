//! `laminar backup DIR TO` and `laminar restore FROM DIR`: copies of a database, of which every byte is looked at.

use std::path::PathBuf;
use std::process::ExitCode;

use laminar_db::{Copied, Result, back_up_directory, restore_directory};

use crate::output::{complain, describe};

/// What `laminar backup` is told.
#[derive(clap::Args)]
pub(crate) struct BackupArguments {
    /// The directory of a database that no process has open; of one that runs, say BACKUP TO 'directory' to it.
    directory: PathBuf,
    /// Where the copy goes: an empty directory, or one that does not exist yet.
    to: PathBuf,
}

/// What `laminar restore` is told.
#[derive(clap::Args)]
pub(crate) struct RestoreArguments {
    /// A backup; it stays as it is.
    from: PathBuf,
    /// Where the database goes: an empty directory, or one that does not exist yet.
    directory: PathBuf,
}

/// Copies a database. 0: the copy is there and whole; 1: it is not.
pub(crate) fn backup(arguments: &BackupArguments) -> ExitCode {
    let copied = back_up_directory(&arguments.directory, &arguments.to).map(|(copied, warnings)| {
        warnings.iter().for_each(|warning| complain(&format!("warning: {warning}\n")));
        copied
    });
    tell(&copied, &format!("{} is copied to {}", arguments.directory.display(), arguments.to.display()))
}

/// Makes a database of a copy. 0: it is there and whole; 1: it is not.
pub(crate) fn restore(arguments: &RestoreArguments) -> ExitCode {
    let copied = restore_directory(&arguments.from, &arguments.directory);
    tell(&copied, &format!("{} is restored to {}", arguments.from.display(), arguments.directory.display()))
}

fn tell(copied: &Result<Copied>, what: &str) -> ExitCode {
    match copied {
        Ok(Copied { epoch, bytes }) => {
            let checkpoint = epoch.map_or("no checkpoint".to_owned(), |epoch| format!("checkpoint {epoch}"));
            complain(&format!("{what}: {checkpoint} and the log from there on, {bytes} bytes, all whole\n"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            complain(&format!("error[{}]: {}\n", error.code().as_str(), describe(error)));
            ExitCode::FAILURE
        }
    }
}

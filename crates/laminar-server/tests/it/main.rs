//! The binary as a person uses it: scripts in, screens out.

mod bench;
mod command_line;
mod crash_test;
mod data_dir;
mod flights;
#[cfg(target_os = "linux")]
mod memory_limit;
mod messages;
mod outputs;
#[cfg(unix)]
mod pipes;
mod scripts;
mod test_files;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What a run printed and how it ended.
struct Ran {
    out: String,
    err: String,
    code: i32,
}

/// The binary under test.
fn laminar() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_laminar"));
    command.current_dir(repository());
    command
}

/// The root of the repository.
fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository has a root")
}

/// Runs `laminar run` over a script in a folder of its own; `${DIR}` in it is that folder.
fn run_script(script: &str, arguments: &[&str]) -> Ran {
    run_with_files(script, &[], arguments)
}

/// The same, with files beside the script.
fn run_with_files(script: &str, files: &[(&str, &[u8])], arguments: &[&str]) -> Ran {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).expect("a file for the test");
    }
    let file = folder.path().join("script.sql");
    std::fs::write(&file, script).expect("the script of the test");
    let mut command = laminar();
    command.current_dir(folder.path()).env("DIR", folder.path()).arg("run").arg("script.sql").args(arguments);
    finished(command.output().expect("the binary runs"))
}

fn finished(output: Output) -> Ran {
    Ran {
        out: String::from_utf8(output.stdout).expect("results are text"),
        err: String::from_utf8(output.stderr).expect("messages are text"),
        code: output.status.code().unwrap_or(-1),
    }
}

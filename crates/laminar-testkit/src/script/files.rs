//! Makes one test of every `.slt` file below a folder.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use laminar_core::Result;
use libtest_mimic::{Arguments, Failed, Trial};

use super::{Engine, run_script};

/// The `main` of a test binary without harness: runs all scripts below `folder`, one test each, named by its path.
/// `make` makes the engine of a script. No script at all is a failure: the folder's name is wrong.
pub fn run_folder(folder: &Path, make: impl Fn() -> Result<Box<dyn Engine>> + Send + Sync + 'static) -> ExitCode {
    let arguments = Arguments::from_args();
    let update = std::env::var_os("UPDATE_EXPECT").is_some_and(|value| value == "1");
    let make = Arc::new(make);
    let trial = |path: PathBuf| {
        let name = path.strip_prefix(folder).unwrap_or(&path).with_extension("").display().to_string();
        let make = make.clone();
        Trial::test(name, move || run_script(&path, &*make, update).map_err(Failed::from))
    };
    let trials = match scripts(folder) {
        Ok(paths) if !paths.is_empty() => paths.into_iter().map(trial).collect(),
        Ok(_) => vec![broken(format!("{}: holds no .slt file", folder.display()))],
        Err(error) => vec![broken(format!("{}: {error}", folder.display()))],
    };
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn broken(reason: String) -> Trial {
    Trial::test("scripts are found", move || Err(Failed::from(reason)))
}

/// All `.slt` files below `folder`, in order.
fn scripts(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(scripts(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "slt") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

//! Makes one test of every `.slt` file below a folder.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use laminar_core::Result;
use libtest_mimic::{Arguments, Failed, Trial};

use super::{Engine, run_script};

/// Makes the engine of one script.
pub type MakeEngine = Box<dyn Fn() -> Result<Box<dyn Engine>> + Send + Sync>;

/// The `main` of a test binary without harness: runs all scripts below `folder`, one test each, named by its path.
/// `make` makes the engine of a script. No script at all is a failure: the folder's name is wrong.
pub fn run_folder(folder: &Path, make: impl Fn() -> Result<Box<dyn Engine>> + Send + Sync + 'static) -> ExitCode {
    run_folder_on(folder, vec![("", Box::new(make))])
}

/// The same on several engines, which must all give the same: one test for each script and engine. An engine's name stands
/// behind the script's. Results that are to be written into the files are those of the first engine.
pub fn run_folder_on(folder: &Path, engines: Vec<(&str, MakeEngine)>) -> ExitCode {
    let arguments = Arguments::from_args();
    let update = std::env::var_os("UPDATE_EXPECT").is_some_and(|value| value == "1");
    let engines: Vec<(&str, Arc<MakeEngine>)> =
        engines.into_iter().take(if update { 1 } else { usize::MAX }).map(|(name, make)| (name, Arc::new(make))).collect();
    let trial = |path: &PathBuf, (engine, make): &(&str, Arc<MakeEngine>)| {
        let script = path.strip_prefix(folder).unwrap_or(path).with_extension("").display().to_string();
        let name = if engine.is_empty() { script } else { format!("{script} on {engine}") };
        let (path, make) = (path.clone(), Arc::clone(make));
        Trial::test(name, move || run_script(&path, &**make, update).map_err(Failed::from))
    };
    let trials = match scripts(folder) {
        Ok(paths) if !paths.is_empty() => {
            paths.iter().flat_map(|path| engines.iter().map(move |engine| trial(path, engine))).collect()
        }
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

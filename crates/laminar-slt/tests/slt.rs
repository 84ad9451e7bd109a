//! Every feature of the language in SQL: the scripts of `laminar-db` on one, two and four workers, and the tests of this crate and of the examples.
//! `UPDATE_EXPECT=1` writes the rows that came into the files; read the difference before committing it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use laminar_slt::{Options, find, run_file};
use libtest_mimic::{Arguments, Failed, Trial};

/// Where tests stand, from the root of the repository, and how many workers run each.
const FOLDERS: [(&str, &[usize]); 3] =
    [("crates/laminar-db/tests/slt", &[1, 2, 4]), ("crates/laminar-slt/tests/slt", &[1, 2, 4]), ("examples", &[1])];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let trials = FOLDERS.iter().flat_map(|(folder, workers)| trials(&root.join(folder), workers)).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trials(folder: &Path, workers: &[usize]) -> Vec<Trial> {
    let update = std::env::var_os("UPDATE_EXPECT").is_some_and(|value| value == "1");
    let workers = if update { &workers[..1] } else { workers };
    let files = match find(folder) {
        Ok(files) => files,
        Err(error) => return vec![Trial::test("scripts are found", move || Err(Failed::from(error)))],
    };
    let trial = |path: &PathBuf, workers: usize| {
        let script = path.strip_prefix(folder).unwrap_or(path).with_extension("").display().to_string();
        let workers_name = if workers == 1 { "1 worker".to_owned() } else { format!("{workers} workers") };
        let (path, options) = (path.clone(), Options { workers, update, ..Options::default() });
        Trial::test(format!("{script} on {workers_name}"), move || {
            let report = run_file(&path, &options)?;
            if report.failures.is_empty() { Ok(()) } else { Err(Failed::from(report.render())) }
        })
    };
    files.iter().flat_map(|path| workers.iter().map(move |workers| trial(path, *workers))).collect()
}

//! `laminar test`: which files are run, what is printed, and how it ends.

use std::path::Path;

use super::{Ran, finished, laminar};

const GOOD: &str = "statement ok\nCREATE TABLE t (a BIGINT)\n\ninsert INTO t VALUES (1)\n\nquery I\nSELECT a FROM t\n----\n1\n";
const BAD: &str = "query I\nSELECT 1\n----\n2\n";

fn test(folder: &Path, arguments: &[&str]) -> Ran {
    finished(laminar().current_dir(folder).arg("test").args(arguments).output().expect("the binary runs"))
}

#[test]
fn files_and_folders_are_run_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("deep")).unwrap();
    std::fs::write(folder.path().join("deep/good.slt"), GOOD).unwrap();
    std::fs::write(folder.path().join("bad.slt"), BAD).unwrap();
    std::fs::write(folder.path().join("notes.txt"), "no test").unwrap();
    let all = test(folder.path(), &["."]);
    assert_eq!((all.code, all.err.as_str()), (1, ""), "{}", all.out);
    assert!(all.out.contains("ok      ./deep/good.slt\n") && all.out.ends_with("2 files, 3 checks, 1 failed\n"), "{}", all.out);
    assert!(
        all.out.contains("./bad.slt:1: the rows of the query are others than expected") && all.out.contains("    - 2\n    + 1\n"),
        "{}",
        all.out
    );
    assert!(!all.out.contains('\u{1b}'), "colours are for terminals");
    let good = test(folder.path(), &[".", "--filter", "deep", "--workers", "2"]);
    assert_eq!((good.code, good.out.as_str()), (0, "ok      ./deep/good.slt\n1 file, 2 checks, 0 failed\n"));
    for (arguments, message) in [
        (vec!["nothing.slt"], "'nothing.slt': No such file"),
        (vec![".", "--filter", "other"], "no test has 'other' in its path"),
        (vec![], "required arguments"),
    ] {
        let refused = test(folder.path(), &arguments);
        assert!(refused.code == 2 && refused.err.contains(message), "{}", refused.err);
    }
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    assert!(test(folder.path(), &["empty"]).err.contains("the folder 'empty' holds no .slt file"));
}

#[test]
fn rows_are_written_into_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.slt");
    std::fs::write(&file, BAD).unwrap();
    let updated = test(folder.path(), &["bad.slt", "--update"]);
    assert_eq!((updated.code, updated.out.as_str()), (0, "update  bad.slt\n1 file, 1 check, 0 failed, 1 file updated\n"));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "query I\nSELECT 1\n----\n1\n");
    assert_eq!(test(folder.path(), &["bad.slt"]).code, 0);
}

#[test]
fn the_example_of_the_help_is_a_test_that_passes() {
    let help = finished(laminar().args(["test", "--help"]).output().expect("the binary runs")).out;
    let example = help.split("as a file minutes.slt:\n").nth(1).and_then(|rest| rest.split("The language:").next()).unwrap();
    let example: Vec<&str> = example.lines().map(str::trim).collect();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("minutes.slt"), example.join("\n")).unwrap();
    let ran = test(folder.path(), &["minutes.slt"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "ok      minutes.slt\n1 file, 4 checks, 0 failed\n"));
}

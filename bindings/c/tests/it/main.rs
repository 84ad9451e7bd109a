//! Compiles the C examples against the header and the library, and reads what they print.

use std::path::{Path, PathBuf};
use std::process::Command;

use expect_test::{Expect, expect};

/// The directory of the library that was built with this test.
fn library_directory() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a file");
    let beside = test.parent().expect("a file has a directory").to_owned();
    let file = format!("{}laminar{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let found = [beside.clone(), beside.join("..")].into_iter().find(|directory| directory.join(&file).exists());
    found.unwrap_or_else(|| panic!("{file} is not at {}", beside.display()))
}

fn compile(source: &str, standard: &str, to: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let library = library_directory();
    let output = Command::new("cc")
        .args([standard, "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-I"])
        .arg(root.join("include"))
        .arg(root.join(source))
        .arg("-L")
        .arg(&library)
        .arg(format!("-Wl,-rpath,{}", library.display()))
        .args(["-llaminar", "-o"])
        .arg(to)
        .output()
        .expect("a C compiler called cc (on Debian: apt install gcc)");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[track_caller]
fn check(source: &str, expected: Expect) {
    check_with(source, &[], expected);
}

#[track_caller]
fn check_with(source: &str, arguments: &[&str], expected: Expect) {
    let directory = tempfile::tempdir().expect("a directory for temporary files");
    let program = directory.path().join("program");
    compile(source, "-std=c99", &program);
    let output = Command::new(&program).args(arguments).output().expect("the program starts");
    assert!(output.status.success(), "{:?}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    expected.assert_eq(&String::from_utf8_lossy(&output.stdout));
}

#[test]
fn the_first_example_pushes_queries_and_reads_errors() {
    check(
        "examples/totals.c",
        expect![[r#"
        2 rows in some batches
        total (l) = 80
        total (l) = 40
        1 column
        2 rows by stream
        1 rows in some batches
        n (l) = 1000
        LDB-1003 at byte 7, result NULL
        hint: yes
        a wrong type: LDB-1007
        a wrong name: LDB-1002
        sql is a null pointer
        database is a null pointer
        LDB-3001, database NULL
    "#]],
    );
}

#[test]
fn the_second_example_hears_changes_by_polling_and_by_callbacks() {
    check(
        "examples/changes.c",
        expect![[r#"
        step, op, symbol, ...
        called: +I A total = 30
        called: +I B total = 5
        called: -U A total = 30
        called: +U A total = 60
        called: -U B total = 5
        called: +U B total = 10
        polled: +I A total = 30
        polled: +I B total = 5
        polled: -U A total = 30
        polled: +U A total = 60
        polled: -U B total = 5
        polled: +U B total = 10
        LDB-1002, subscription NULL
        callback is a null pointer
        a subscription with a callback cannot be polled, changes NULL
        subscription is a null pointer
        finished: 0
        called: the end
        finished: 1, calls: 3
    "#]],
    );
}

/// `LAMINAR_PUSH_ROWS=10000000` is the long mode.
#[test]
fn a_loop_of_pushes_beside_a_subscription_that_is_never_read_takes_bounded_memory() {
    let rows = std::env::var("LAMINAR_PUSH_ROWS").unwrap_or_else(|_| "1000000".to_owned());
    check_with(
        "tests/push_loop.c",
        &[&rows],
        expect![[r#"
            all are counted: 1
            grown by less than 64 MiB: 1
            the reader that never read: LDB-4001
        "#]],
    );
}

/// A function that is in the header and not in the library would be missed by nobody but its first caller, and the reverse.
#[test]
fn the_header_declares_exactly_the_functions_of_the_library() {
    let names = |text: &str, before: &str| {
        let mut names: Vec<String> = text
            .split(before)
            .skip(1)
            .filter_map(|rest| {
                let name = format!("laminar_{}", rest.split('(').next()?);
                name.chars().all(|c| c.is_ascii_lowercase() || c == '_').then_some(name)
            })
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    };
    let header = include_str!("../../include/laminar.h");
    let declarations: String = header.lines().filter(|line| line.ends_with(");")).collect::<Vec<_>>().join("\n");
    let source = concat!(include_str!("../../src/ffi.rs"), include_str!("../../src/ffi_subscriptions.rs"));
    let library = names(source, "extern \"C\" fn laminar_");
    assert!(library.len() > 25);
    assert_eq!(names(&declarations, "laminar_"), library);
}

//! Directories of every format that there ever was are opened and go on. `tests/fixtures/format-N` was written by a build that wrote format N, and ends
//! like after a crash: with one checkpoint and what was logged behind it. Its statements are in `tests/fixtures/statements.sql`.
//!
//! `other-plan` and `other-plan-of-source` were written by a build that kept IS NOT DISTINCT FROM beside the keys of a join, which is a key now;
//! `separate-row-numbers` by one in which another node numbered the first rows than the one that finds them.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use laminar_core::time::ManualClock;
use laminar_db::{Database, check_directory};

use super::{Folder, execute, rows};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
/// Soon after the fixtures were: sources are not idle yet.
const WRITTEN_AT: i64 = 1_795_994_427_000_000_000;
const VIEWS: [&str; 8] = ["people", "towns", "minutes", "sittings", "who", "oldest", "ranks", "minutes$late"];

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let into = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &into);
        } else {
            fs::copy(entry.path(), into).unwrap();
        }
    }
}

fn all(db: &Database) -> Vec<Vec<Vec<String>>> {
    VIEWS.iter().map(|view| rows(db, &format!("SELECT * FROM {view}"))).collect()
}

fn check(format: &str) {
    let statements = fs::read_to_string(format!("{FIXTURES}/statements.sql")).unwrap().replace("CHECKPOINT;", "");
    let at = |workers| Database::builder().clock(Arc::new(ManualClock::at(WRITTEN_AT))).workers_in_turn(workers);
    let memory = at(1).build();
    execute(&memory, &statements);
    let folder = Folder::new();
    copy(&Path::new(FIXTURES).join(format), Path::new(&folder.data()));
    for round in 0..3 {
        let report = check_directory(Path::new(&folder.data())).unwrap();
        assert!(report.is_whole(), "{format}: {report}");
        let db = at(1 + round).open(&folder.data()).unwrap();
        execute(&db, "SET checkpoint_interval = 'never'");
        assert_eq!(all(&db), all(&memory), "{format}, round {round}");
        for db in [&db, &memory] {
            execute(
                db,
                &format!(
                    "INSERT INTO people VALUES ('new {round}', 'rome', {round});
                     DELETE FROM people WHERE age = 40 - 10 * {round};
                     INSERT INTO visits VALUES ('bob', '/', '2024-01-01 10:0{}:50')",
                    round + 2
                ),
            );
        }
        assert_eq!(all(&db), all(&memory), "{format}, after round {round}");
        if round == 1 {
            db.checkpoint().unwrap();
        }
    }
}

#[test]
fn a_directory_of_format_1_goes_on() {
    check("format-1");
}

#[test]
fn a_directory_of_format_2_goes_on() {
    check("format-2");
}

#[test]
fn views_of_which_this_build_makes_other_operators_are_computed_anew() {
    let folder = Folder::new();
    copy(&Path::new(FIXTURES).join("other-plan"), Path::new(&folder.data()));
    let open = |workers| Database::builder().clock(Arc::new(ManualClock::at(WRITTEN_AT))).workers_in_turn(workers);
    let counted = "SELECT name, n FROM counted ORDER BY name";
    let checked = |db: &Database, expected: [[&str; 2]; 2], busy: &str| {
        assert_eq!(rows(db, counted), expected);
        assert_eq!(rows(db, "SELECT n FROM busy_now"), [[busy]]);
    };
    {
        let db = open(2).open(&folder.data()).unwrap();
        let notices: Vec<String> = db.opening_notices().iter().map(ToString::to_string).collect();
        let anew =
            "computed anew from what they read, since this build makes other operators of them: pairs, counted, busy, busy_now";
        assert_eq!(notices, [anew]);
        checked(&db, [["ann", "2"], ["bob", "1"]], "1");
        // Steps count as before: what was acknowledged behind the checkpoint does not come again.
        let fetched = rows(&db, "FETCH ALL FROM reader");
        assert!(fetched.iter().all(|row| row.iter().all(|value| value != "south")), "{fetched:?}");
        assert!(!fetched.is_empty());
        execute(&db, "ACK reader; INSERT INTO orders VALUES (7, 2, NULL)");
        checked(&db, [["ann", "2"], ["bob", "2"]], "2");
        db.checkpoint().unwrap();
        execute(&db, "DELETE FROM orders WHERE id = 1");
    }
    // Its state is that of this build now.
    let db = open(1).open(&folder.data()).unwrap();
    assert!(db.opening_notices().is_empty());
    checked(&db, [["ann", "1"], ["bob", "2"]], "1");
}

#[test]
fn a_view_whose_rows_are_kept_nowhere_is_not_computed_anew() {
    let folder = Folder::new();
    copy(&Path::new(FIXTURES).join("other-plan-of-source"), Path::new(&folder.data()));
    let error = Database::builder().open(&folder.data()).err().unwrap();
    let text = "the state of 'pairs' belongs to another plan than this build makes of its statement, and it cannot be computed anew: \
                'pairs' reads 'orders', which keeps no rows";
    assert!(error.message().ends_with(text), "{error}");
    assert_eq!(error.hint(), Some("open the directory with the version of LaminarDB that wrote it"));
}

#[test]
fn first_rows_that_another_node_numbers_go_on_so() {
    let folder = Folder::new();
    copy(&Path::new(FIXTURES).join("separate-row-numbers"), Path::new(&folder.data()));
    let open = |workers| Database::builder().clock(Arc::new(ManualClock::at(WRITTEN_AT))).workers_in_turn(workers);
    let places = "SELECT auction, place, price FROM places ORDER BY auction, place";
    for round in 0..2 {
        let db = open(1 + round).open(&folder.data()).unwrap();
        assert!(db.opening_notices().is_empty(), "{:?}", db.opening_notices());
        let best = if round == 0 { [["1", "1", "30"], ["1", "2", "20"]] } else { [["1", "1", "40"], ["1", "2", "30"]] };
        assert_eq!(rows(&db, places), [&best[..], &[["2", "1", "20"]]].concat());
        execute(&db, "INSERT INTO bids VALUES (1, 40), (1, 5)");
        db.checkpoint().unwrap();
        assert_eq!(rows(&db, "SELECT price FROM ranked WHERE auction = 1 AND place = 1 LIMIT 1"), [["40"]]);
    }
}

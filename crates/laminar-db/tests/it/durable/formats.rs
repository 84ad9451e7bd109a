//! Directories of every format that there ever was are opened and go on. `tests/fixtures/format-N` was written by a build that wrote format N, and ends
//! like after a crash: with one checkpoint and what was logged behind it. Its statements are in `tests/fixtures/statements.sql`.

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

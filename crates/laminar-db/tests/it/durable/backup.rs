//! Copies of a database: whole, of one moment, and named where they are damaged.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use laminar_db::{Code, Database, back_up_directory, check_directory, restore_directory};

use super::{Folder, execute, rows};

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn number(n: i64) -> RecordBatch {
    RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from(vec![n])) as ArrayRef)]).unwrap()
}

#[test]
fn a_backup_is_the_database_as_it_was_and_the_database_goes_on() {
    let folder = Folder::new();
    let db = folder.open();
    execute(
        &db,
        "CREATE TABLE t (a BIGINT); INSERT INTO t VALUES (1); CHECKPOINT; CREATE MATERIALIZED VIEW n AS SELECT count(*) AS n FROM t;
         CREATE SUBSCRIPTION s ON t WITH (snapshot = false); INSERT INTO t VALUES (2); CHECKPOINT; INSERT INTO t VALUES (3)",
    );
    let copy = folder.file("copy");
    execute(&db, &format!("BACKUP TO '{copy}'; INSERT INTO t VALUES (4); CHECKPOINT"));
    let report = check_directory(Path::new(&copy)).unwrap();
    assert!(report.is_whole(), "{report}");
    assert_eq!(rows(&db, "SELECT n FROM n"), [["4"]]);
    drop(db);
    let restored = folder.file("restored");
    let copied = restore_directory(Path::new(&copy), Path::new(&restored)).unwrap();
    assert_eq!(copied.epoch, Some(3));
    for directory in [&copy, &restored] {
        let db = Database::open(directory).unwrap();
        assert_eq!(rows(&db, "SELECT a FROM t"), [["1"], ["2"], ["3"]]);
        assert_eq!(rows(&db, "SELECT n FROM n"), [["3"]]);
        assert_eq!(rows(&db, "FETCH ALL FROM s").len(), 2);
        execute(&db, "INSERT INTO t VALUES (5); CHECKPOINT; CHECKPOINT");
    }
    assert_eq!(rows(&folder.open(), "SELECT n FROM n"), [["4"]]);
    assert_eq!(rows(&Database::open(&restored).unwrap(), "SELECT n FROM n"), [["4"]]);
}

#[test]
fn a_directory_that_is_not_open_is_copied_with_its_log_and_one_that_is_open_says_what_to_do() {
    let folder = Folder::new();
    let db = folder.open();
    execute(&db, "CREATE TABLE t (a BIGINT); INSERT INTO t VALUES (1)");
    let (data, copy) = (PathBuf::from(folder.data()), PathBuf::from(folder.file("copy")));
    let error = back_up_directory(&data, &copy).unwrap_err();
    assert_eq!(error.code(), Code::ObjectInUse);
    assert!(error.hint().unwrap().contains("BACKUP TO"), "{error:?}");
    assert!(!copy.exists());
    drop(db);
    let (copied, warnings) = back_up_directory(&data, &copy).unwrap();
    assert_eq!((copied.epoch, warnings.len()), (None, 0), "no checkpoint was made: all is in the log");
    assert_eq!(rows(&Database::open(&folder.file("copy")).unwrap(), "SELECT a FROM t"), [["1"]]);
    let error = back_up_directory(&PathBuf::from(folder.file("nothing")), &copy).unwrap_err();
    assert_eq!(error.code(), Code::UnknownObject, "{error}");
    assert!(!Path::new(&folder.file("nothing")).exists(), "looking for a database makes none");
}

#[test]
fn a_copy_goes_only_where_nothing_is() {
    let folder = Folder::new();
    let db = folder.open();
    execute(&db, "CREATE TABLE t (a BIGINT)");
    let used = folder.file("used");
    std::fs::create_dir(&used).unwrap();
    execute(&db, &format!("BACKUP TO '{used}'"));
    let sql = format!("BACKUP TO '{used}'");
    let error = db.execute(&sql).err().unwrap();
    assert_eq!(error.code(), Code::ObjectExists);
    assert_eq!(error.span().map(|span| &sql[span.start..span.end]), Some(format!("'{used}'").as_str()));
    assert_eq!(restore_directory(Path::new(&used), Path::new(&folder.data())).unwrap_err().code(), Code::ObjectExists);
    let error = Database::open(":memory:").unwrap().execute("BACKUP TO '/nowhere'").err().unwrap();
    assert_eq!(error.message(), "a database in memory has nothing that could be copied");
}

#[test]
fn a_damaged_backup_is_named_with_its_file_and_nothing_is_restored() {
    let folder = Folder::new();
    let db = folder.open();
    execute(&db, "CREATE TABLE t (a BIGINT); INSERT INTO t VALUES (1); CHECKPOINT; INSERT INTO t VALUES (2)");
    drop(db);
    let (data, copy) = (PathBuf::from(folder.data()), PathBuf::from(folder.file("copy")));
    back_up_directory(&data, &copy).unwrap();
    let all = files(&copy);
    assert!(all.len() >= 4, "a format, a log, a manifest and a block: {all:?}");
    for (number, file) in all.iter().enumerate() {
        let bytes = std::fs::read(file).unwrap();
        for damaged in [flipped(&bytes), Vec::new()] {
            std::fs::write(file, damaged).unwrap();
            let target = PathBuf::from(folder.file(&format!("restored-{number}")));
            let error = restore_directory(&copy, &target).unwrap_err();
            assert_eq!(error.code(), Code::BadData, "{}: {error}", file.display());
            assert!(error.message().contains(&file.file_name().unwrap().to_string_lossy().into_owned()), "{error}");
            assert!(!target.exists());
        }
        std::fs::write(file, bytes).unwrap();
    }
    restore_directory(&copy, &PathBuf::from(folder.file("restored"))).unwrap();
}

/// Damage that is no torn end: of a log, in what a checkpoint has synced or in the middle of it.
fn flipped(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    bytes
}

#[test]
fn a_backup_that_is_made_beside_pushes_has_what_was_answered_before_and_is_whole() {
    let folder = Folder::new();
    let db = folder.open();
    execute(&db, "CREATE SOURCE s (n BIGINT); CREATE MATERIALIZED VIEW v AS SELECT count(*) AS n, max(n) AS last FROM s");
    let (stop, answered) = (AtomicBool::new(false), AtomicI64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 1.. {
                if stop.load(Ordering::Acquire) {
                    return;
                }
                db.push("s", number(n)).unwrap();
                answered.store(n, Ordering::Release);
            }
        });
        for round in 0..5 {
            let before = answered.load(Ordering::Acquire);
            let copy = folder.file(&format!("copy-{round}"));
            execute(&db, &format!("BACKUP TO '{copy}'"));
            let after = answered.load(Ordering::Acquire) + 1;
            let restored = Database::open(&copy).unwrap();
            assert_eq!(restored.opening_notices(), [], "round {round}");
            let seen = rows(&restored, "SELECT n, coalesce(last, 0) FROM v").remove(0);
            let n: i64 = seen[0].parse().unwrap();
            assert_eq!(seen[0], seen[1], "round {round}");
            assert!((before..=after).contains(&n), "round {round}: {before} were answered before, {after} after, {n} are there");
        }
        stop.store(true, Ordering::Release);
    });
}

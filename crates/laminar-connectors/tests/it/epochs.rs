//! File sinks in epochs: whatever crashes in between, readers see what was committed, and in the end the file of a run that
//! nothing interrupted.

use std::fs;
use std::io::Read;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use expect_test::expect;
use laminar_connectors::{Guarantee, Options, Registry, Sink, SinkRequest, SinkToken};
use laminar_core::dag::ChangeKind;
use laminar_core::{ChangeBatch, Result, StepId};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::harness::{Place, pairs, schema};
use crate::resume::cases;

const OLD: &str = "what an earlier run left\n";

fn rows(from: i64, to: i64) -> ChangeBatch {
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(from..to));
    ChangeBatch::append(RecordBatch::try_from_iter([("n", numbers)]).unwrap())
}

fn open_in(place: &Place, name: &str, options: &[(&str, &str)], resume: Option<&SinkToken>) -> Result<Box<dyn Sink>> {
    let mut pairs = pairs(options);
    pairs.push(("path".to_owned(), place.path(name).to_str().unwrap().to_owned()));
    let resume = resume.map(|token| SinkToken::from_stored(token.as_stored()));
    Registry::with_builtin().get("file")?.open_sink(SinkRequest {
        name: "k".to_owned(),
        schema: rows(0, 0).schema(),
        changes: ChangeKind::Append,
        options: Options::new(pairs),
        transactional: true,
        io_uring: false,
        resume,
    })
}

/// An output that is written again and again.
struct Case {
    name: &'static str,
    options: &'static [(&'static str, &'static str)],
}

const CASES: &[Case] = &[
    Case { name: "a.csv", options: &[] },
    Case { name: "out/a.csv", options: &[("header", "false")] },
    Case { name: "a.ndjson", options: &[] },
    Case { name: "a.csv.gz", options: &[] },
    Case { name: "a.ndjson.zst", options: &[] },
    Case { name: "a.csv", options: &[("publish", "at_end")] },
    Case { name: "a.csv.zst", options: &[("publish", "at_end")] },
    Case { name: "a.csv", options: &[("changelog", "true")] },
    Case { name: "a.parquet", options: &[("row_group_bytes", "1 KiB")] },
    Case { name: "a.parquet", options: &[("compression", "snappy")] },
];

impl Case {
    fn has(&self, option: &str) -> bool {
        self.options.iter().any(|(name, _)| *name == option)
    }

    fn is_parquet(&self) -> bool {
        self.name.ends_with("parquet")
    }

    fn is_seen_at_end(&self) -> bool {
        self.is_parquet() || self.has("publish")
    }

    /// Whether the bytes depend on where epochs end: each is a member of its own.
    fn is_packed(&self) -> bool {
        self.name.ends_with(".gz") || self.name.ends_with(".zst")
    }

    /// The text of the first rows.
    fn text(&self, rows: i64) -> String {
        let line = |n: i64| match (self.name.contains("ndjson"), self.has("changelog")) {
            (true, _) => format!("{{\"n\":{n}}}\n"),
            (_, true) => format!("+I,{n}\n"),
            _ => format!("{n}\n"),
        };
        let header = match (self.name.contains("csv") && !self.has("header"), self.has("changelog")) {
            (false, _) => "",
            (true, false) => "n\n",
            (true, true) => "op,n\n",
        };
        header.to_owned() + &(0..rows).map(line).collect::<String>()
    }

    /// What readers see, unpacked.
    fn seen(&self, place: &Place) -> Option<Vec<u8>> {
        let bytes = fs::read(place.path(self.name)).ok()?;
        let mut text = Vec::new();
        match self.name.rsplit('.').next() {
            Some("gz") if bytes != OLD.as_bytes() => {
                flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_end(&mut text).unwrap();
            }
            Some("zst") if bytes != OLD.as_bytes() => text = zstd::decode_all(&bytes[..]).unwrap(),
            _ => text = bytes,
        }
        Some(text)
    }
}

/// A checkpoint: rows up to this one are in the epochs up to that one.
#[derive(Clone)]
struct Checkpoint {
    token: SinkToken,
    rows: i64,
    epoch: u64,
    is_complete: bool,
}

/// A database that crashes: it writes rows, and begins anew from its last checkpoint or the one before.
struct Run<'a> {
    case: &'a Case,
    place: Place,
    sink: Box<dyn Sink>,
    written: i64,
    epoch: u64,
    is_finished: bool,
    checkpoints: Vec<Checkpoint>,
    /// What readers should see: so many rows, or (`None`) what stood there before.
    seen: Option<i64>,
    told: String,
}

impl<'a> Run<'a> {
    fn new(case: &'a Case, told: String) -> Self {
        let place = Place::new();
        place.write(case.name, OLD);
        let sink = open_in(&place, case.name, case.options, None).unwrap();
        let checkpoints = Vec::new();
        Self { case, place, sink, written: 0, epoch: 0, is_finished: false, checkpoints, seen: None, told }
    }

    fn write(&mut self, count: i64) {
        self.sink.write(StepId(0), &rows(self.written, self.written + count)).unwrap();
        self.written += count;
    }

    fn prepare(&mut self) -> Checkpoint {
        self.epoch += 1;
        let token = self.sink.prepare(self.epoch).unwrap();
        Checkpoint { token, rows: self.written, epoch: self.epoch, is_complete: self.is_finished }
    }

    fn commit(&mut self, checkpoint: &Checkpoint) {
        self.sink.commit(checkpoint.epoch).unwrap();
        self.show(checkpoint);
    }

    /// From now on readers see what that checkpoint holds.
    fn show(&mut self, checkpoint: &Checkpoint) {
        let is_seen =
            if self.case.is_seen_at_end() { checkpoint.is_complete } else { checkpoint.rows > 0 || checkpoint.is_complete };
        if is_seen {
            self.seen = Some(checkpoint.rows);
        }
    }

    fn check(&self) {
        match self.seen {
            None => assert_eq!(self.case.seen(&self.place).as_deref(), Some(OLD.as_bytes()), "{}", self.told),
            Some(_) if self.case.is_parquet() => {}
            Some(rows) => {
                let seen = self.case.seen(&self.place).map(|bytes| String::from_utf8(bytes).unwrap());
                assert_eq!(seen, Some(self.case.text(rows)), "{}", self.told);
            }
        }
    }

    /// The process ends, and another one goes on from a checkpoint.
    fn crash(&mut self, random: &mut StdRng) {
        // The sink is gone before the next one is opened, as its process is.
        self.sink = Registry::with_builtin().get("blackhole").unwrap().open_sink(blackhole()).unwrap();
        let Some(last) = self.checkpoints.last().cloned() else {
            self.sink = open_in(&self.place, self.case.name, self.case.options, None).unwrap();
            (self.written, self.is_finished) = (0, false);
            return;
        };
        for _ in 0..random.random_range(1..=2) {
            self.sink = Registry::with_builtin().get("blackhole").unwrap().open_sink(blackhole()).unwrap();
            let opened = open_in(&self.place, self.case.name, self.case.options, Some(&last.token));
            self.sink = opened.unwrap_or_else(|error| panic!("{error}\n{}", self.told));
        }
        (self.written, self.is_finished) = (last.rows, last.is_complete);
        self.show(&last);
    }
}

fn blackhole() -> SinkRequest {
    SinkRequest {
        name: "b".to_owned(),
        schema: schema("n:int"),
        changes: ChangeKind::Append,
        options: Options::default(),
        transactional: false,
        io_uring: false,
        resume: None,
    }
}

const ROWS: i64 = 3000;

/// Writes all rows at random and comes to an end; crashes now and then, if `crashes`.
fn run(case: &Case, seed: u64, crashes: bool) -> Place {
    let told = format!("LAMINAR_TEST_SEED={seed} {} {:?}", case.name, case.options);
    let mut random = StdRng::seed_from_u64(seed);
    let mut run = Run::new(case, told);
    let mut waiting: Vec<Checkpoint> = Vec::new();
    loop {
        match random.random_range(0..12) {
            0..=4 if !run.is_finished => {
                let count = [0, 1, 7, 300, 1000][random.random_range(0..5)];
                run.write(count.min(ROWS - run.written));
            }
            0..=4 => {}
            5..=6 => {
                let checkpoint = run.prepare();
                waiting.push(checkpoint);
            }
            // The checkpoint is durable; its commit may come later, or never.
            7 if !waiting.is_empty() => run.checkpoints.push(waiting.remove(0)),
            8 if !waiting.is_empty() => {
                let checkpoint = waiting.remove(0);
                run.sink.abort(checkpoint.epoch).unwrap();
            }
            9..=10 => {
                if let Some(last) = run.checkpoints.last().cloned() {
                    run.commit(&last);
                    if last.is_complete {
                        run.check();
                        return run.place;
                    }
                }
            }
            11 if crashes && random.random_bool(0.4) => {
                waiting.clear();
                run.crash(&mut random);
            }
            _ => {}
        }
        if run.written == ROWS && !run.is_finished {
            run.sink.finish().unwrap();
            run.is_finished = true;
        }
        run.check();
    }
}

#[test]
fn readers_see_what_was_committed_and_at_last_all_rows_once() {
    for case in CASES {
        let whole = fs::read(run(case, 0, false).path(case.name)).unwrap();
        // Each waits for the disk some hundred times.
        for seed in 0..cases().div_ceil(3) {
            let place = run(case, seed, true);
            let told = format!("LAMINAR_TEST_SEED={seed} {} {:?}", case.name, case.options);
            if case.is_packed() {
                assert_eq!(case.seen(&place).map(|bytes| String::from_utf8(bytes).unwrap()), Some(case.text(ROWS)), "{told}");
            } else {
                assert!(fs::read(place.path(case.name)).unwrap() == whole, "{told}");
            }
            if case.is_parquet() {
                let read = place.read(case.name, None, &[]).unwrap();
                assert_eq!(read.rows, (0..ROWS).map(|n| n.to_string()).collect::<Vec<_>>(), "{told}");
            }
            let directory = place.path(case.name);
            let left: Vec<_> =
                fs::read_dir(directory.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            assert_eq!(left.len(), 1, "nothing else is left: {left:?}\n{told}");
        }
    }
}

/// Three epochs, the last of which is crashed into; the same steps without the crash.
fn in_the_same_epochs(case: &Case, crash: bool) -> Vec<u8> {
    let place = Place::new();
    let mut sink = open_in(&place, case.name, case.options, None).unwrap();
    let mut token = SinkToken::default();
    for epoch in 1..=3_u64 {
        let from = epoch as i64 * 500;
        if crash && epoch == 3 {
            sink.write(StepId(0), &rows(from, from + 20)).unwrap();
            drop(sink);
            sink = open_in(&place, case.name, case.options, Some(&token)).unwrap();
        }
        sink.write(StepId(0), &rows(from, from + 200)).unwrap();
        sink.write(StepId(1), &rows(from + 200, from + 500)).unwrap();
        token = sink.prepare(epoch).unwrap();
        sink.commit(epoch).unwrap();
    }
    sink.finish().unwrap();
    sink.prepare(4).unwrap();
    sink.commit(4).unwrap();
    fs::read(place.path(case.name)).unwrap()
}

#[test]
fn a_packed_file_has_the_same_bytes_if_its_epochs_are_the_same() {
    for case in CASES.iter().filter(|case| case.is_packed()) {
        assert!(in_the_same_epochs(case, true) == in_the_same_epochs(case, false), "{}", case.name);
    }
}

#[test]
fn an_output_without_rows_is_what_it_is_without_epochs() {
    for case in CASES {
        let place = Place::new();
        let mut sink = open_in(&place, case.name, case.options, None).unwrap();
        sink.prepare(1).unwrap();
        sink.commit(1).unwrap();
        assert!(!place.path(case.name).exists(), "nothing is made before the first row or the end");
        sink.finish().unwrap();
        let token = sink.prepare(2).unwrap();
        drop(sink);
        let mut sink = open_in(&place, case.name, case.options, Some(&token)).unwrap();
        sink.commit(2).unwrap();
        let whole = Place::new();
        whole.sink(case.name, &[rows(0, 0)], ChangeKind::Append, case.options).unwrap();
        assert_eq!(fs::read(place.path(case.name)).unwrap(), fs::read(whole.path(case.name)).unwrap(), "{}", case.name);
    }
}

/// Goes back behind what has been committed since, as when the newest checkpoint is damaged.
fn gone_back(case: &Case) -> String {
    let place = Place::new();
    let mut sink = open_in(&place, case.name, case.options, None).unwrap();
    let (mut tokens, mut written) = (Vec::new(), 0);
    for epoch in 1..=4 {
        sink.write(StepId(0), &rows(written, written + 10)).unwrap();
        written += 10;
        if epoch == 4 {
            sink.finish().unwrap();
        }
        tokens.push(sink.prepare(epoch).unwrap());
        sink.commit(epoch).unwrap();
    }
    drop(sink);
    let mut sink = match open_in(&place, case.name, case.options, Some(&tokens[1])) {
        Ok(sink) => sink,
        Err(error) => return place.plain(&error.to_string()),
    };
    sink.write(StepId(0), &rows(20, 30)).unwrap();
    sink.finish().unwrap();
    sink.prepare(5).unwrap();
    sink.commit(5).unwrap();
    String::from_utf8(case.seen(&place).unwrap()).unwrap()
}

#[test]
fn an_older_checkpoint_takes_back_what_came_after_it() {
    for case in CASES.iter().filter(|case| !case.is_parquet()) {
        assert_eq!(gone_back(case), case.text(30), "{} {:?}", case.name, case.options);
    }
    let parquet = CASES.iter().find(|case| case.is_parquet()).unwrap();
    expect!["LDB-3002: '.a.parquet.laminar' is gone, and the sink has written into it; hint: put it back, or DROP and CREATE the sink to write it anew"]
        .assert_eq(&gone_back(parquet));
}

#[test]
fn an_output_that_somebody_else_changed_is_named() {
    let changed = |change: fn(&Place)| {
        let place = Place::new();
        let mut sink = open_in(&place, "a.csv", &[], None).unwrap();
        sink.write(StepId(0), &rows(0, 10)).unwrap();
        let token = sink.prepare(1).unwrap();
        sink.commit(1).unwrap();
        drop(sink);
        change(&place);
        place.plain(&open_in(&place, "a.csv", &[], Some(&token)).err().map_or_else(String::new, |error| error.to_string()))
    };
    expect!["LDB-3002: 'a.csv' is gone, and the sink has written into it; hint: put it back, or DROP and CREATE the sink to write it anew"]
        .assert_eq(&changed(|place| fs::remove_file(place.path("a.csv")).unwrap()));
    let other = "LDB-3002: 'a.csv' does not hold any more what the sink has written into it (it is shorter, or another file); hint: put it back, or DROP and CREATE the sink to write it anew";
    assert_eq!(changed(|place| drop(place.write("a.csv", "n\n0\n"))), other);
    assert_eq!(changed(|place| drop(place.write("a.csv", "n\n0\n1\n2\n3\n4\n5\n6\n7\n8\nx\n"))), other);
    assert_eq!(changed(|place| drop(place.write("a.csv", "n\n0\n1\n2\n3\n4\n5\n6\n7\n8\n9\nmore"))), "");
}

#[test]
fn sinks_do_not_write_over_each_other_or_over_what_is_to_be_kept() {
    let place = Place::new();
    let mut sink = open_in(&place, "a.csv", &[], None).unwrap();
    sink.write(StepId(0), &rows(0, 10)).unwrap();
    sink.prepare(1).unwrap();
    sink.commit(1).unwrap();
    let refused = open_in(&place, "a.csv", &[("overwrite", "false")], None).err().unwrap();
    assert_eq!(refused.code(), laminar_core::Code::ObjectExists);
    assert_eq!(sink.guarantee(), Guarantee::ExactlyOnce);
}

#[cfg(unix)]
#[test]
fn a_link_stays_a_link_and_a_device_takes_rows_as_they_come() {
    let place = Place::new();
    place.write("real.csv", OLD);
    std::os::unix::fs::symlink(place.path("real.csv"), place.path("link.csv")).unwrap();
    let mut sink = open_in(&place, "link.csv", &[], None).unwrap();
    sink.write(StepId(0), &rows(0, 2)).unwrap();
    sink.prepare(1).unwrap();
    sink.commit(1).unwrap();
    assert_eq!(place.text("real.csv"), "n\n0\n1\n");
    assert!(fs::symlink_metadata(place.path("link.csv")).unwrap().is_symlink());
    let device = open_in(&place, "/dev/null", &[("format", "csv")], None).unwrap();
    assert_eq!(device.guarantee(), Guarantee::AtLeastOnce);
}

#[test]
fn sinks_that_cannot_take_back_say_so() {
    for name in ["blackhole", "memory", "stdout"] {
        let mut sink = Registry::with_builtin().get(name).unwrap().open_sink(blackhole()).unwrap();
        assert_eq!(sink.guarantee(), Guarantee::AtLeastOnce, "{name}");
        assert!(sink.prepare(1).unwrap().is_empty());
        sink.commit(1).unwrap();
        sink.abort(2).unwrap();
    }
}

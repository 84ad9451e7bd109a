//! Files through the kernel's rings: what is read back is what was written. Without rings (another system, or one that refuses them) there is nothing to see.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use laminar_core::Code;
use laminar_core::io_uring::{CoreRingManager, IoUringConfig, IoUringSink, IoUringWal, Request, RingClass, probe};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// A file's name in a folder that is removed again; `None`: there are no rings here.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Option<Self> {
        if let Err(error) = probe() {
            assert!(error.to_string().contains("refuses io_uring"), "{error}");
            return None;
        }
        let folder = std::env::temp_dir().join(format!("laminar-io-uring-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Some(Self(folder))
    }

    fn file(&self) -> PathBuf {
        self.0.join("file")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn small() -> IoUringConfig {
    IoUringConfig::builder().ring_entries(4).buffer_size(4096).buffer_count(6).build().unwrap()
}

#[test]
fn writes_and_syncs_complete_in_every_mode() {
    let Some(place) = Place::new("modes") else { return };
    let builder = || IoUringConfig::builder().ring_entries(8).buffer_size(4096).buffer_count(4);
    for config in [builder(), builder().enable_sqpoll(10), builder().enable_sqpoll(1).sqpoll_cpu(0)] {
        let config = config.build().unwrap();
        let file = File::create(place.file()).unwrap();
        let mut rings = CoreRingManager::new(0, &config).unwrap();
        for number in 0..100_u64 {
            let (index, buffer) = rings.acquire_buffer().unwrap();
            buffer.fill(number as u8);
            let write = rings.submit_write(file.as_raw_fd(), index, number * 4096, 4096).unwrap();
            let sync = rings.submit_sync(file.as_raw_fd()).unwrap();
            assert_eq!(rings.in_flight(), 2);
            let mut completed = Vec::new();
            while completed.len() < 2 {
                completed.extend(rings.wait().unwrap());
            }
            let outcome = |at: usize| (completed[at].id, completed[at].request, completed[at].result.as_ref().ok().copied());
            assert_eq!([outcome(0), outcome(1)], [(write, Request::Write(index), Some(4096)), (sync, Request::Sync, Some(0))]);
            rings.release_buffer(index).unwrap();
        }
        assert_eq!((rings.in_flight(), rings.available_buffers()), (0, 4));
        let bytes = fs::read(place.file()).unwrap();
        assert!(
            bytes.len() == 409_600 && bytes.chunks(4096).zip(0..).all(|(chunk, number)| chunk.iter().all(|byte| *byte == number))
        );
    }
}

/// Whether a device can be polled is its own affair; that each request ends is ours.
#[test]
fn a_write_to_a_device_that_cannot_be_polled_ends_with_an_error() {
    let Some(place) = Place::new("polled") else { return };
    let config = IoUringConfig::builder().ring_entries(8).buffer_size(4096).buffer_count(2).enable_iopoll().build().unwrap();
    let mut rings = CoreRingManager::new(0, &config).unwrap();
    let file = File::create(place.file()).unwrap();
    let (index, _) = rings.acquire_buffer().unwrap();
    rings.submit_write(file.as_raw_fd(), index, 0, 4096).unwrap();
    assert_eq!(rings.submit_sync(file.as_raw_fd()).unwrap_err().code(), Code::InvalidOption);
    // The file is not opened with O_DIRECT.
    let completed = rings.wait().unwrap();
    assert_eq!((completed.len(), completed[0].ring, completed[0].result.is_err()), (1, RingClass::Poll, true));
    rings.submit_sync(file.as_raw_fd()).unwrap();
    rings.release_buffer(index).unwrap();
}

#[test]
fn what_is_waited_for_comes_first() {
    let Some(place) = Place::new("order") else { return };
    let file = File::create(place.file()).unwrap();
    let mut rings = CoreRingManager::new(0, &small()).unwrap();
    let mut write = |class, offset| {
        let (index, _) = rings.acquire_buffer().unwrap();
        rings.submit_write_on(class, file.as_raw_fd(), index, offset, 0..4096).unwrap();
    };
    for number in 0..2 {
        write(RingClass::Main, number * 4096);
        write(RingClass::Latency, (number + 2) * 4096);
    }
    let mut classes = Vec::new();
    rings.submit().unwrap();
    while rings.in_flight() > 0 {
        classes.extend(rings.poll_completions().unwrap().into_iter().map(|completion| completion.ring));
    }
    // Writes into the system's cache have ended when they have been handed over.
    assert_eq!(classes, [RingClass::Latency, RingClass::Latency, RingClass::Main, RingClass::Main]);
}

#[test]
fn a_full_ring_and_a_ring_that_is_not_there_are_refused() {
    let Some(place) = Place::new("full") else { return };
    let file = File::create(place.file()).unwrap();
    let mut rings = CoreRingManager::new(0, &small()).unwrap();
    let mut indexes = Vec::new();
    for _ in 0..5 {
        indexes.push(rings.acquire_buffer().unwrap().0);
    }
    let mut write = |index, class| rings.submit_write_on(class, file.as_raw_fd(), index, 0, 0..1);
    for index in &indexes[..4] {
        write(*index, RingClass::Main).unwrap();
    }
    assert_eq!(write(indexes[4], RingClass::Main).unwrap_err().code(), Code::LimitReached);
    assert!(
        write(indexes[4], RingClass::Poll)
            .unwrap_err()
            .to_string()
            .contains("hint: build the configuration with enable_iopoll()")
    );
    // What was refused is its holder's still.
    write(indexes[4], RingClass::Latency).unwrap();
    assert!(write(indexes[4], RingClass::Latency).unwrap_err().message().contains("is being written out"));
    // Dropped with all of them in flight.
}

#[test]
fn a_log_that_many_threads_write_holds_each_record_whole() {
    let Some(place) = Place::new("log") else { return };
    let log = IoUringWal::create(&place.file(), &small()).unwrap();
    assert_eq!(IoUringWal::create(&place.file(), &small()).unwrap_err().kind(), ErrorKind::AlreadyExists);
    std::thread::scope(|threads| {
        for thread in 0..4_u8 {
            let log = &log;
            threads.spawn(move || {
                let mut random = StdRng::seed_from_u64(thread.into());
                for _ in 0..100 {
                    // Longer than a buffer, too.
                    let length = random.random_range(1..20_000_u32);
                    let mut record = length.to_le_bytes().to_vec();
                    record.resize(4 + length as usize, thread);
                    let end = log.append(&record).unwrap();
                    if random.random_ratio(1, 4) {
                        log.sync_to(end).unwrap();
                        assert!(log.synced() >= end);
                    }
                }
            });
        }
    });
    let bytes = fs::read(place.file()).unwrap();
    assert_eq!(bytes.len() as u64, log.end());
    let (mut rest, mut records) = (&bytes[..], [0; 4]);
    while let Some((length, behind)) = rest.split_first_chunk() {
        let (record, next) = behind.split_at(u32::from_le_bytes(*length) as usize);
        assert!(record.iter().all(|byte| *byte == record[0]));
        records[usize::from(record[0])] += 1;
        rest = next;
    }
    assert_eq!(records, [100; 4]);
}

#[test]
fn a_log_is_cut_and_goes_on_at_its_end() {
    let Some(place) = Place::new("cut") else { return };
    let log = IoUringWal::create(&place.file(), &small()).unwrap();
    log.append(b"abcdef").unwrap();
    log.sync().unwrap();
    log.truncate(4).unwrap();
    assert_eq!((log.end(), log.synced()), (4, 4));
    assert_eq!(log.append(b"gh").unwrap(), 6);
    log.sync_to(6).unwrap();
    assert_eq!(log.synced(), 6, "other bytes than those that were cut off");
    drop(log);
    let log = IoUringWal::open(&place.file(), &small()).unwrap();
    assert_eq!((log.end(), log.synced(), log.append(b"ij").unwrap()), (6, 0, 8));
    log.sync().unwrap();
    assert_eq!((log.synced(), fs::read(place.file()).unwrap()), (8, b"abcdghij".to_vec()));
}

#[test]
fn a_sink_writes_what_a_plain_file_would_hold() {
    let Some(place) = Place::new("sink") else { return };
    let mut random = StdRng::seed_from_u64(7);
    for _ in 0..20 {
        let mut expected = b"before ".to_vec();
        let mut file = File::create(place.file()).unwrap();
        file.write_all(&expected).unwrap();
        let mut sink = IoUringSink::new(file, &small()).unwrap();
        for _ in 0..random.random_range(0..60) {
            let bytes: Vec<u8> = (0..random.random_range(0..10_000)).map(|_| random.random()).collect();
            sink.write_all(&bytes).unwrap();
            expected.extend(&bytes);
            if random.random_ratio(1, 10) {
                sink.flush().unwrap();
                assert_eq!(fs::read(place.file()).unwrap(), expected);
            }
        }
        let mut file = sink.finish().unwrap();
        file.write_all(b" after").unwrap();
        expected.extend(b" after");
        assert_eq!(fs::read(place.file()).unwrap(), expected);
    }
    let appended = File::options().append(true).open(place.file()).unwrap();
    assert_eq!(IoUringSink::new(appended, &small()).unwrap_err().1.kind(), ErrorKind::InvalidInput);
    let mut dropped = IoUringSink::new(File::create(place.file()).unwrap(), &small()).unwrap();
    dropped.write_all(b"not finished").unwrap();
    drop(dropped);
    assert_eq!(fs::read(place.file()).unwrap(), b"not finished");
}

#[test]
fn a_full_disk_is_an_error_and_stays_one() {
    if Place::new("none").is_none() {
        return;
    }
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let mut sink = IoUringSink::new(full(), &small()).unwrap();
    sink.write_all(&[1; 100]).unwrap();
    assert_eq!(sink.flush().unwrap_err().kind(), ErrorKind::StorageFull);
    assert!(sink.write_all(b"more").unwrap_err().to_string().contains("has failed before"));
    assert!(sink.finish().is_err());
    let log = IoUringWal::open("/dev/full".as_ref(), &small()).unwrap();
    for _ in 0..3 {
        // Several pieces are in flight when the first fails, and none is afterwards.
        assert_eq!(log.append(&[1; 100_000]).unwrap_err().kind(), ErrorKind::StorageFull);
        assert_eq!(log.append(b"x").unwrap_err().kind(), ErrorKind::StorageFull);
    }
    assert_eq!(log.end(), 0);
}

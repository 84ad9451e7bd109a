//! Files through the kernel's rings beside ordinary calls, on the disk of the build directory: appends that are synced, by one, eight
//! and 64 threads; a long file; the blocks of a checkpoint, made to last.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use laminar_core::io_uring::{IoUringConfig, IoUringSink, IoUringWal, sync_files};

const RECORD: [u8; 4096] = [0x5a; 4096];
const FILE_BYTES: usize = 64 << 20;
const BLOCKS: usize = 64;
const BLOCK_BYTES: usize = 256 << 10;

/// What threads append to and sync.
trait Log: Sync {
    fn append_and_sync(&self);
}

/// `pwrite` and `fdatasync` by each thread for itself.
struct Calls {
    file: File,
    end: AtomicU64,
}

impl Log for Calls {
    fn append_and_sync(&self) {
        let at = self.end.fetch_add(RECORD.len() as u64, Ordering::Relaxed);
        self.file.write_all_at(&RECORD, at).unwrap();
        self.file.sync_data().unwrap();
    }
}

impl Log for IoUringWal {
    fn append_and_sync(&self) {
        let end = self.append(&RECORD).unwrap();
        self.sync_to(end).unwrap();
    }
}

fn logs(criterion: &mut Criterion) {
    let folder = folder();
    for threads in [1, 8, 64] {
        let mut group = criterion.benchmark_group(format!("append 4 KiB and fdatasync, {threads} threads"));
        group.throughput(Throughput::Elements(threads)).measurement_time(Duration::from_secs(3)).sample_size(20);
        let calls = Calls { file: File::create(folder.join("calls")).unwrap(), end: AtomicU64::new(0) };
        let path = folder.join(format!("rings {threads}"));
        let rings = IoUringWal::create(&path, &IoUringConfig::STANDARD).unwrap();
        for (name, log) in [("calls", &calls as &dyn Log), ("rings", &rings)] {
            group.bench_function(name, |bencher| {
                bencher.iter_custom(|rounds| {
                    let began = std::time::Instant::now();
                    std::thread::scope(|scope| {
                        for _ in 0..threads {
                            scope.spawn(|| (0..rounds).for_each(|_| log.append_and_sync()));
                        }
                    });
                    began.elapsed()
                });
            });
        }
        group.finish();
    }
    fs::remove_dir_all(folder).unwrap();
}

fn sinks(criterion: &mut Criterion) {
    let folder = folder();
    let line = [0x61; 100];
    let mut group = criterion.benchmark_group("a file of 64 MiB in pieces of 100 bytes");
    group.throughput(Throughput::Bytes(FILE_BYTES as u64)).measurement_time(Duration::from_secs(3)).sample_size(10);
    let write = |out: &mut dyn Write| (0..FILE_BYTES / line.len()).for_each(|_| out.write_all(&line).unwrap());
    group.bench_function("calls", |bencher| {
        bencher.iter(|| {
            let mut out = BufWriter::with_capacity(256 << 10, File::create(folder.join("calls")).unwrap());
            write(&mut out);
            out.into_inner().unwrap()
        });
    });
    for (name, config) in [
        ("rings", IoUringConfig::builder().buffer_size(256 << 10).buffer_count(4)),
        ("rings with a polling thread", IoUringConfig::builder().buffer_size(256 << 10).buffer_count(4).enable_sqpoll(100)),
    ] {
        let config = config.build().unwrap();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut out = IoUringSink::new(File::create(folder.join("rings")).unwrap(), &config).unwrap();
                write(&mut out);
                out.finish().unwrap()
            });
        });
    }
    group.finish();
    fs::remove_dir_all(folder).unwrap();
}

fn blocks(criterion: &mut Criterion) {
    let folder = folder();
    let mut group = criterion.benchmark_group("fdatasync of 64 new files of 256 KiB");
    group.throughput(Throughput::Elements(BLOCKS as u64)).measurement_time(Duration::from_secs(3)).sample_size(10);
    group.bench_function("calls", |bencher| {
        bencher.iter_with_setup(|| written(&folder), |files| files.iter().for_each(|file| file.sync_data().unwrap()));
    });
    group.bench_function("rings", |bencher| {
        bencher.iter_with_setup(|| written(&folder), |files| sync_files(&files).unwrap());
    });
    group.finish();
    fs::remove_dir_all(folder).unwrap();
}

fn written(folder: &Path) -> Vec<File> {
    let file = |number: usize| {
        let path = folder.join(number.to_string());
        let _ = fs::remove_file(&path);
        let mut file = File::create(path).unwrap();
        file.write_all(&vec![0x5a; BLOCK_BYTES]).unwrap();
        file
    };
    (0..BLOCKS).map(file).collect()
}

fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("io-uring-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    folder
}

criterion_group!(benches, logs, sinks, blocks);
criterion_main!(benches);

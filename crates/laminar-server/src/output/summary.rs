//! What a run says at its end.

use std::io::{Write, stderr};

use laminar_db::Status;

/// Says on standard error what happened, and where to look for what was rejected.
pub(crate) fn print_summary(status: &Status, nanos: i64) {
    let seconds = nanos as f64 / 1e9;
    let rows_in = status.rows_in();
    let rate = if seconds > 0.0 { (rows_in as f64 / seconds) as u64 } else { 0 };
    let memory = peak_memory().map(|peak| format!(", peak memory {}", bytes(peak))).unwrap_or_default();
    let mut text = format!(
        "{} rows in, {} rows to sinks, {} late, {} bad, {seconds:.2} s ({} rows/s){memory}\n",
        count(rows_in),
        count(status.rows_out()),
        count(status.late),
        count(status.errors),
        count(rate)
    );
    for object in &status.objects {
        if object.late > 0 {
            text += &format!("  {} late rows: SELECT * FROM {}$late\n", count(object.late), object.name);
        }
        if object.errors > 0 {
            text += &format!("  {} rows in error: SELECT * FROM {}$errors\n", count(object.errors), object.name);
        }
    }
    for (object, error) in status.failures() {
        text += &format!("  '{}' stopped: {error}\n", object.name);
    }
    // Nothing can be done about a closed standard error.
    let _ = stderr().lock().write_all(text.as_bytes());
}

/// A number with its thousands set apart: `336,776`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes in the largest fitting unit: `12.5 MiB`.
pub(super) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// The most memory that this process has held, in bytes, where the system tells it.
pub(crate) fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

/// Lets the peak begin again at what is held now, where the system can do that; elsewhere it stays that of the whole run.
pub(crate) fn reset_peak_memory() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

#[cfg(test)]
mod tests {
    use super::{bytes, count};

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(336_776), "336,776");
        assert_eq!(count(1_000_000), "1,000,000");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(5 << 30), "5.0 GiB");
    }
}

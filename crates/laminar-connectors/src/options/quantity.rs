//! Numbers with units, as people write them: `5s`, `100 ms`, `1 hour 30 minutes`, `64 MiB`.

use std::time::Duration;

/// A duration such as `5s`, `1.5 min` or `1 hour 30 minutes`; `None` if it is not one. A bare number has no meaning.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (number, after) = split_number(rest)?;
        let (unit, after) = split_word(after);
        let nanos = number * nanos_per(unit)?;
        let part = (nanos < u64::MAX as f64).then(|| Duration::from_nanos(nanos.round() as u64))?;
        total = total.checked_add(part)?;
        rest = after;
    }
    Some(total)
}

/// A size such as `1024`, `64 KB` (1000s) or `64 MiB` (1024s), in bytes; `None` if it is not one.
pub fn parse_bytes(text: &str) -> Option<u64> {
    let (number, rest) = split_number(text.trim())?;
    let (unit, rest) = split_word(rest);
    let bytes = number * bytes_per(unit)?;
    (rest.is_empty() && bytes < u64::MAX as f64).then_some(bytes.round() as u64)
}

/// The number in front, and the rest without leading blanks.
fn split_number(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number = text[..end].parse().ok()?;
    Some((number, text[end..].trim_start()))
}

/// The word in front, and the rest without leading blanks.
fn split_word(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_alphabetic()).unwrap_or(text.len());
    (&text[..end], text[end..].trim_start())
}

fn nanos_per(unit: &str) -> Option<f64> {
    Some(match unit.to_lowercase().as_str() {
        "ns" | "nanosecond" | "nanoseconds" => 1.0,
        "us" | "µs" | "microsecond" | "microseconds" => 1e3,
        "ms" | "millisecond" | "milliseconds" => 1e6,
        "s" | "sec" | "secs" | "second" | "seconds" => 1e9,
        "m" | "min" | "mins" | "minute" | "minutes" => 60e9,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3600e9,
        "d" | "day" | "days" => 86_400e9,
        _ => return None,
    })
}

fn bytes_per(unit: &str) -> Option<f64> {
    Some(match unit.to_lowercase().as_str() {
        "" | "b" | "byte" | "bytes" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "kib" => 1024.0,
        "mib" => 1024.0 * 1024.0,
        "gib" => 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        let cases = [
            ("5s", Some(5_000)),
            ("100 ms", Some(100)),
            ("1 minute", Some(60_000)),
            ("1.5 min", Some(90_000)),
            ("1 hour 30 minutes", Some(5_400_000)),
            ("1h30m", Some(5_400_000)),
            ("2 DAYS", Some(172_800_000)),
            ("0s", Some(0)),
            ("5", None),
            ("", None),
            ("s", None),
            ("-5s", None),
            ("5 fortnights", None),
            ("1.2.3s", None),
        ];
        for (text, millis) in cases {
            assert_eq!(parse_duration(text), millis.map(Duration::from_millis), "{text}");
        }
    }

    #[test]
    fn sizes_are_read_as_people_write_them() {
        let cases = [
            ("1024", Some(1024)),
            ("64 KB", Some(64_000)),
            ("64MiB", Some(64 << 20)),
            ("1.5 kib", Some(1536)),
            ("1 gb", Some(1_000_000_000)),
            ("", None),
            ("many", None),
            ("1 MB 2 KB", None),
        ];
        for (text, bytes) in cases {
            assert_eq!(parse_bytes(text), bytes, "{text}");
        }
    }
}

//! Lengths of time as people write them: `1h30m`, `500ms`, `3mon`.

use std::fmt;

/// A length of time that shows itself with the usual units, the largest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// Nanoseconds.
    Nanos(i64),
    /// Calendar months.
    Months(i64),
}

const UNITS: [(i128, &str); 7] = [
    (86_400_000_000_000, "d"),
    (3_600_000_000_000, "h"),
    (60_000_000_000, "m"),
    (1_000_000_000, "s"),
    (1_000_000, "ms"),
    (1_000, "us"),
    (1, "ns"),
];

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Length::Nanos(0) => f.write_str("0s"),
            Length::Nanos(nanos) => write_units(f, i128::from(nanos), &UNITS),
            Length::Months(0) => f.write_str("0mon"),
            Length::Months(months) => write_units(f, i128::from(months), &[(12, "y"), (1, "mon")]),
        }
    }
}

fn write_units(f: &mut fmt::Formatter<'_>, amount: i128, units: &[(i128, &str)]) -> fmt::Result {
    if amount < 0 {
        f.write_str("-")?;
    }
    let mut rest = amount.abs();
    for (size, unit) in units {
        let count = rest / size;
        rest %= size;
        if count > 0 {
            write!(f, "{count}{unit}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Length;

    #[test]
    fn lengths_read_as_people_write_them() {
        for (length, text) in [
            (Length::Nanos(60_000_000_000), "1m"),
            (Length::Nanos(5_400_000_000_000), "1h30m"),
            (Length::Nanos(90_061_000_000_001), "1d1h1m1s1ns"),
            (Length::Nanos(-500_000_000), "-500ms"),
            (Length::Nanos(0), "0s"),
            (Length::Months(3), "3mon"),
            (Length::Months(14), "1y2mon"),
        ] {
            assert_eq!(length.to_string(), text);
        }
    }
}

//! Time zones: `timezone(zone, x)`, which `x AT TIME ZONE zone` stands for.

use chrono::{Duration, FixedOffset, LocalResult, NaiveDateTime, Offset, TimeZone};
use chrono_tz::{TZ_VARIANTS, Tz};
use laminar_core::{Code, Error, Result};

use super::clock::SECOND;
use crate::functions::columns::{Call, Instant, Interval, Stamp, bad, out_of_range};
use crate::functions::kinds::Kind;
use crate::functions::kinds::Kind::{Text, Timestamp, Timestamptz};
use crate::functions::routine::{Constants, Routine, constant_text, routine};

/// The functions of this family.
pub(super) fn routines() -> Vec<Routine> {
    vec![
        routine("timezone")
            .takes([Text, Timestamptz], Timestamp, |call| {
                let mut last = LastZone::default();
                call.map2(|zone: &str, Instant(nanos)| Ok(Some(Stamp(last.zone(zone)?.local(nanos)?))))
            })
            .takes([Text, Timestamp], Timestamptz, |call| {
                let mut last = LastZone::default();
                call.map2(|zone: &str, Stamp(nanos)| Ok(Some(Instant(last.zone(zone)?.utc(nanos)?))))
            })
            .takes([Kind::Interval, Timestamptz], Timestamp, |call: &Call<'_>| {
                call.map2(|zone: Interval, Instant(nanos)| Ok(Some(Stamp(of_interval(zone)?.local(nanos)?))))
            })
            .takes([Kind::Interval, Timestamp], Timestamptz, |call: &Call<'_>| {
                call.map2(|zone: Interval, Stamp(nanos)| Ok(Some(Instant(of_interval(zone)?.utc(nanos)?))))
            })
            .check(|constants| check(constants, 0)),
    ]
}

/// Whether the constant argument `index` names a zone.
pub(super) fn check(constants: &Constants<'_>, index: usize) -> Result<()> {
    constant_text(constants, index).map_or(Ok(()), |name| Zone::named(name).map(drop))
}

/// A zone with its rules, or a fixed distance from UTC.
#[derive(Debug, Clone, Copy)]
pub(super) enum Zone {
    Rules(Tz),
    Fixed(FixedOffset),
}

/// Abbreviations with the hours that they stand for, as PostgreSQL knows them by default.
const ABBREVIATIONS: &[(&str, i32)] = &[
    ("utc", 0),
    ("ut", 0),
    ("z", 0),
    ("zulu", 0),
    ("gmt", 0),
    ("wet", 0),
    ("west", 1),
    ("bst", 1),
    ("cet", 1),
    ("cest", 2),
    ("met", 1),
    ("eet", 2),
    ("eest", 3),
    ("msk", 3),
    ("jst", 9),
    ("kst", 9),
    ("hst", -10),
    ("akst", -9),
    ("akdt", -8),
    ("pst", -8),
    ("pdt", -7),
    ("mst", -7),
    ("mdt", -6),
    ("cst", -6),
    ("cdt", -5),
    ("est", -5),
    ("edt", -4),
];

impl Zone {
    /// The zone called `name`, in any case.
    pub(super) fn named(name: &str) -> Result<Self> {
        let hours = ABBREVIATIONS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, hours)| *hours);
        if let Some(offset) = hours.and_then(|hours| FixedOffset::east_opt(hours * 3600)) {
            return Ok(Self::Fixed(offset));
        }
        if name.starts_with(['+', '-']) || name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(Error::new(Code::InvalidQuery, format!("'{name}' is no name of a time zone"))
                .with_hint("a distance from UTC is an interval: AT TIME ZONE INTERVAL '2 hours' lies east of it"));
        }
        let known = name.parse().ok().or_else(|| TZ_VARIANTS.iter().find(|zone| zone.name().eq_ignore_ascii_case(name)).copied());
        known.map(Self::Rules).ok_or_else(|| {
            let error = Error::new(Code::InvalidQuery, format!("there is no time zone '{name}'"));
            match crate::diagnostic::nearest(name, TZ_VARIANTS.iter().map(|zone| zone.name())) {
                Some(meant) => error.with_hint(format!("did you mean '{meant}'?")),
                None => error.with_hint("zones are called as in 'Europe/Berlin' or 'UTC'"),
            }
        })
    }

    /// What a clock there shows at an instant.
    pub(super) fn local(self, nanos: i64) -> Result<i64> {
        let utc = chrono::DateTime::from_timestamp_nanos(nanos).naive_utc();
        shifted(nanos, self.offset_at(utc))
    }

    /// The instant at which a clock there shows `nanos`. Of an hour that comes twice it is the second one; a time that is left
    /// out is read as if the clock had not been put forward.
    pub(super) fn utc(self, nanos: i64) -> Result<i64> {
        let local = chrono::DateTime::from_timestamp_nanos(nanos).naive_utc();
        let offset = match self {
            Self::Fixed(offset) => offset.local_minus_utc(),
            Self::Rules(zone) => match zone.offset_from_local_datetime(&local) {
                LocalResult::Single(offset) => offset.fix().local_minus_utc(),
                LocalResult::Ambiguous(_, second) => second.fix().local_minus_utc(),
                LocalResult::None => {
                    let before = local - Duration::days(1);
                    self.offset_at(before)
                }
            },
        };
        shifted(nanos, -offset)
    }

    fn offset_at(self, utc: NaiveDateTime) -> i32 {
        match self {
            Self::Fixed(offset) => offset.local_minus_utc(),
            Self::Rules(zone) => zone.offset_from_utc_datetime(&utc).fix().local_minus_utc(),
        }
    }
}

fn shifted(nanos: i64, seconds: i32) -> Result<i64> {
    nanos.checked_add(i64::from(seconds) * SECOND).ok_or_else(|| out_of_range("the timestamp is"))
}

fn of_interval(interval: Interval) -> Result<Zone> {
    let seconds = i32::try_from(interval.nanoseconds / SECOND).ok().and_then(FixedOffset::east_opt);
    match seconds {
        Some(offset) if interval.months == 0 && interval.days == 0 => Ok(Zone::Fixed(offset)),
        _ => Err(bad("a time zone's distance from UTC has hours and minutes alone")),
    }
}

/// Zones are mostly the same in all rows, so the last one is kept.
#[derive(Default)]
pub(super) struct LastZone {
    last: Option<(String, Zone)>,
}

impl LastZone {
    pub(super) fn zone(&mut self, name: &str) -> Result<Zone> {
        match &self.last {
            Some((last, zone)) if last == name => Ok(*zone),
            _ => {
                let zone = Zone::named(name)?;
                self.last = Some((name.to_owned(), zone));
                Ok(zone)
            }
        }
    }
}

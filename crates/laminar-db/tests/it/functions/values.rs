//! Calls with types in place of their arguments, and random values of these types.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// A type of arguments.
#[derive(Debug, Clone, Copy)]
pub(super) struct Type {
    name: &'static str,
    /// The type of a column that holds them.
    pub(super) column: &'static str,
    /// Values as people would write them; interesting ones.
    values: &'static [&'static str],
}

const TYPES: &[Type] = &[
    Type { name: "bool", column: "BOOLEAN", values: &["true", "false"] },
    Type { name: "int", column: "INT", values: &["0", "1", "2", "3", "5", "-1", "-3", "7", "12", "100"] },
    Type { name: "part_index", column: "INT", values: &["1", "2", "3", "-1", "-2", "9"] },
    Type { name: "index", column: "INT", values: &["1", "2", "3", "-1", "-2", "0", "9"] },
    Type { name: "bigint", column: "BIGINT", values: &["0", "1", "-1", "42", "9007199254740993", "-123456789012", "7"] },
    Type {
        name: "double",
        column: "DOUBLE PRECISION",
        values: &["'0'", "'1'", "'-1'", "'0.5'", "'2.5'", "'-2.5'", "'3.5'", "'1e8'", "'0.1'", "'30'", "'1e-3'"],
    },
    Type {
        name: "numeric",
        column: "DECIMAL(12, 3)",
        values: &["'0'", "'1'", "'-1'", "'0.5'", "'2.5'", "'-2.5'", "'1234.567'", "'-99.995'", "'12.345'", "'0.001'"],
    },
    Type {
        name: "text",
        column: "VARCHAR",
        values: &[
            "'abc'",
            "''",
            "'a,b,,c'",
            "'Hello World'",
            "'äöü ß'",
            "'x'",
            "'foobarbaz'",
            "'  pad  '",
            "'1 2  3'",
            "'aAbB'",
            "'it''s'",
            "'%_'",
        ],
    },
    Type { name: "part", column: "VARCHAR", values: &["'a'", "','", "''", "'b'", "' '", "'ö'", "'ba'", "'xyz'"] },
    Type {
        name: "regex",
        column: "VARCHAR",
        values: &[
            "'a'",
            "'[a-c]+'",
            "'(b)(a)?'",
            "'\\s+'",
            "'^.'",
            "'o|oo'",
            "'x*'",
            "'\\w+$'",
            "'[[:upper:]]'",
            "'(a|ab)(c|b)?'",
            "'.'",
            "'\\mb'",
        ],
    },
    Type { name: "replacement", column: "VARCHAR", values: &["'X'", "''", "'<\\&>'", "'[\\1]'", "'\\\\'"] },
    Type { name: "similar", column: "VARCHAR", values: &["'a%'", "'%b%'", "'___'", "'(a|x)%'", "'[a-c]+'", "'%'", "'a.*'"] },
    Type {
        name: "timestamp",
        column: "TIMESTAMP",
        values: &[
            "'2024-02-29 12:34:56.789'",
            "'1999-12-31 23:59:59.999999'",
            "'2000-01-01 00:00:00'",
            "'2024-12-30 06:00:00'",
            "'2021-01-03 13:00:00.5'",
            "'1969-07-20 20:17:40'",
            "'2024-03-31 02:30:00'",
            "'2024-10-27 02:30:00'",
            "'1801-03-01 00:00:01'",
        ],
    },
    Type {
        name: "instant",
        column: "TIMESTAMP WITH TIME ZONE",
        values: &[
            "'2024-02-29 12:34:56.789+00'",
            "'2024-03-31 00:30:00+00'",
            "'2024-03-31 01:30:00+00'",
            "'2024-10-27 00:30:00+00'",
            "'2024-10-27 01:30:00+00'",
            "'1999-12-31 23:59:59.999+00'",
            "'2024-07-01 23:30:00-05'",
        ],
    },
    Type {
        name: "date",
        column: "DATE",
        values: &["'2024-02-29'", "'1999-12-31'", "'2000-01-01'", "'2024-12-30'", "'1969-07-20'", "'2021-01-03'"],
    },
    Type {
        name: "interval",
        column: "VARCHAR",
        values: &[
            "'1 day'",
            "'6'",
            "'1-2'",
            "'1 2:03'",
            "'P1Y2M3DT4H5M6S'",
            "'1 year 2 mons -3 days 04:05:06'",
            "'-1 mon 40 days'",
            "'100:30:00.5'",
            "'-26:00:01'",
            "'1.5 days'",
            "'35 days'",
        ],
    },
    Type {
        name: "unit",
        column: "VARCHAR",
        values: &["'second'", "'minute'", "'hour'", "'day'", "'week'", "'month'", "'quarter'", "'year'", "'decade'", "'century'"],
    },
    Type {
        name: "zone",
        column: "VARCHAR",
        values: &["'Europe/Berlin'", "'America/New_York'", "'UTC'", "'Asia/Kolkata'", "'Australia/Lord_Howe'", "'EST'"],
    },
    Type {
        name: "pattern",
        column: "VARCHAR",
        values: &[
            "'YYYY-MM-DD HH24:MI:SS.US'",
            "'FMDay, FMDDth FMMonth YYYY'",
            "'IYYY-IW-ID DDD Q CC W WW J'",
            "'HH12:MI AM Dy DY Mon MON'",
            "'Day|Month|RM'",
            "'\"T\"HH24 MS FF3 SSSS'",
        ],
    },
    Type {
        name: "number_pattern",
        column: "VARCHAR",
        values: &[
            "'9999.99'",
            "'FM9999.99'",
            "'0000.000'",
            "'S999,999.9'",
            "'99999MI'",
            "'999PR'",
            "'FM0.00'",
            "'9.99EEEE'",
            "'99V99'",
            "'SG9999.0'",
        ],
    },
    Type { name: "bytes", column: "BYTEA", values: &["'abc'", "''", "'x'", "'hello bytes'"] },
];

/// A call with the types of its arguments.
pub(super) struct Call {
    text: String,
    pub(super) types: Vec<Type>,
}

impl Call {
    /// All of `calls.txt`.
    pub(super) fn all() -> Vec<Self> {
        let lines = include_str!("calls.txt").lines();
        lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(Self::read).collect()
    }

    fn read(line: &str) -> Self {
        let names = line.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name);
        let of = |name: &str| *TYPES.iter().find(|kind| kind.name == name).unwrap_or_else(|| panic!("there is no type {name}"));
        Self { text: line.to_owned(), types: names.map(of).collect() }
    }

    /// The call with these arguments, each cast to its type.
    pub(super) fn with(&self, args: &[String]) -> String {
        let mut text = self.text.clone();
        for (arg, kind) in args.iter().zip(&self.types) {
            let column = if kind.name == "interval" { "INTERVAL" } else { kind.column };
            text = text.replacen(&format!("{{{}}}", kind.name), &format!("CAST({arg} AS {column})"), 1);
        }
        text
    }
}

/// Random values; the same ones in every run.
pub(super) struct Random(StdRng);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// A value of that type, now and then NULL.
    pub(super) fn value(&mut self, kind: &Type) -> String {
        if self.0.random_range(0..12) == 0 {
            return "NULL".to_owned();
        }
        kind.values[self.0.random_range(0..kind.values.len())].to_owned()
    }
}

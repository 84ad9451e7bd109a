//! What rows that were rejected are called in SQL: `<object>$late` and `<object>$errors`.

/// Why rows are side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// No window takes them: `$late`.
    Late,
    /// They cannot be read or computed: `$errors`.
    Errors,
}

impl Side {
    /// Both.
    pub(crate) const ALL: [Side; 2] = [Side::Late, Side::Errors];

    /// What stands behind the object's name.
    pub(crate) const fn suffix(self) -> &'static str {
        match self {
            Side::Late => "$late",
            Side::Errors => "$errors",
        }
    }
}

/// The name of what an object rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SideName {
    /// The object.
    pub(crate) object: String,
    pub(crate) side: Side,
}

impl SideName {
    /// The name in parts, if it is one of this kind.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let parsed = |side: Side| name.strip_suffix(side.suffix()).map(|object| SideName { object: object.to_owned(), side });
        Side::ALL.into_iter().find_map(parsed)
    }
}

impl std::fmt::Display for SideName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.object, self.side.suffix())
    }
}

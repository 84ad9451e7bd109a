//! What rows that were rejected are called in SQL: `<object>$late` and `<object>$errors`.

use super::id::ObjectId;

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

/// The rows that an object rejected, on one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SideId {
    pub(crate) object: ObjectId,
    pub(crate) side: Side,
}

//! Where a source stands and what a sink has prepared: bytes with a version, which only the connector that wrote them reads.
//!
//! A database keeps them in its checkpoints and gives them back when it is opened again. They are small, since one is asked
//! for after each poll, and stable, since a later version of the program reads them.

/// Where a source stands: all rows that it has handed out are before it. The empty one is the start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Position(Vec<u8>);

/// What a sink has prepared, and so what it can make visible whatever happens later. The empty one is nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct SinkToken(Vec<u8>);

/// Both are the same bytes for the database that keeps them.
macro_rules! versioned {
    ($name:ident) => {
        impl $name {
            /// `bytes` as the connector understands them in this version, which is at least 1.
            pub fn new(version: u8, bytes: &[u8]) -> Self {
                debug_assert!(version > 0, "0 is the version of the empty one");
                Self([&[version], bytes].concat())
            }

            /// The version of the bytes; 0 of the empty one.
            pub fn version(&self) -> u8 {
                self.0.first().copied().unwrap_or(0)
            }

            /// The bytes behind the version.
            pub fn bytes(&self) -> &[u8] {
                self.0.get(1..).unwrap_or_default()
            }

            /// Whether it is the empty one.
            pub fn is_empty(&self) -> bool {
                self.0.is_empty()
            }

            /// All bytes, with the version, to be kept.
            pub fn as_stored(&self) -> &[u8] {
                &self.0
            }

            /// What was kept.
            pub fn from_stored(stored: &[u8]) -> Self {
                Self(stored.to_vec())
            }
        }
    };
}

versioned!(Position);
versioned!(SinkToken);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back_with_its_version() {
        let position = Position::new(3, b"row 7");
        assert_eq!((position.version(), position.bytes()), (3, &b"row 7"[..]));
        assert_eq!(Position::from_stored(position.as_stored()), position);
        let start = Position::default();
        assert_eq!((start.version(), start.bytes(), start.is_empty()), (0, &b""[..], true));
        assert_ne!(Position::new(1, b""), start);
    }
}

//! COLLATE: texts are compared byte by byte, which is what some collations say.

use datafusion::sql::sqlparser::ast::DataType;
use laminar_core::{Code, Error, Result};

/// Those of PostgreSQL that compare bytes; the default of a database is one of them here.
const BYTEWISE: [&str; 6] = ["C", "POSIX", "ucs_basic", "C.UTF-8", "C.UTF8", "default"];

/// Fails unless the collation called `name` compares texts as they are compared here.
pub(super) fn expect_bytewise(name: &str) -> Result<()> {
    if BYTEWISE.iter().any(|bytewise| bytewise.eq_ignore_ascii_case(name)) {
        return Ok(());
    }
    let error = Error::new(Code::NotSupported, format!("the collation '{name}' is not built yet"));
    Err(error
        .with_hint("texts are compared byte by byte, as with COLLATE \"C\"; to order without regard to case, ORDER BY lower(x)"))
}

/// Whether a column of this type has a collation.
pub(super) fn has_collation(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Text
            | DataType::String(_)
            | DataType::Varchar(_)
            | DataType::Nvarchar(_)
            | DataType::Char(_)
            | DataType::Character(_)
            | DataType::CharacterVarying(_)
            | DataType::CharVarying(_)
    )
}
